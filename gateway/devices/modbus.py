"""A Modbus device at work: profile + link + clock behind the `Device` protocol."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import datetime

from gateway.clock import Clock
from gateway.devices import IntentStore, ReleaseReport
from gateway.devices.holder import Holder
from gateway.devices.profile import Identity, Output, Profile, Source
from gateway.devices.sunspec import bind
from gateway.domain.control import Control
from gateway.domain.readings import Quality, Reading
from gateway.errors import DeviceError
from gateway.modbus.link import Refused, Unit
from gateway.modbus.registers import Block, Field, Missing, Value, plan
from gateway.supervise import Backoff

_SLOW_S = 60.0  # what hardly changes is read so often
_HOLES = (2, 3)  # exceptions by which a device refuses a block for what lies between the points


class ModbusDevice:
    """One device of the site. It connects when first used; being absent is never fatal.

    After a loss one more poll tries at once; then tries are spaced by a backoff, and polls in
    between fail without touching the wire, so that a dead device costs the others nothing.
    """

    def __init__(
        self,
        name: str,
        profile: Profile,
        unit: Unit,
        intents: IntentStore,
        clock: Clock,
        control: bool = True,
    ) -> None:
        self.name, self.profile = name, profile
        self._unit = unit
        self._intents, self._clock, self._control = intents, clock, control
        self._source: Source | None = None
        self._holders: dict[Control, Holder] = {}
        self._reader: _Reader | None = None
        self._backoff = Backoff(1.0, 60.0, rng=random.Random(name))  # noqa: S311 - jitter
        self._failures = 0
        self._retry_at = float("-inf")

    @property
    def controls(self) -> frozenset[Control]:
        """What can be steered: by the profile until the device was seen, then as found there."""
        if not self._control:
            return frozenset()
        return frozenset(self._holders) if self._source else self.profile.controls

    @property
    def identity(self) -> Identity:
        """What the device says it is, as far as it was asked."""
        return self._source.identity if self._source else Identity()

    async def poll(self) -> tuple[Reading, ...]:
        """See `gateway.devices.Device.poll`."""
        try:
            self._may_try()
            reader = await self._open()
            values = await reader.read(self._clock.monotonic())
        except DeviceError as error:
            raise self._lost(error) from error
        self._failures, self._retry_at = 0, float("-inf")
        self._backoff.reset()
        now = self._clock.now()
        return tuple(_reading(metric, value, now) for metric, value in values)

    async def hold(self, control: Control, value: float) -> None:
        """See `gateway.devices.Device.hold`."""
        try:
            self._may_try()
            await self._open()
            holder = self._holders.get(control) if self._control else None
            if holder is None:
                raise DeviceError(f"cannot set {control.value}")
            await holder.hold(value)
        except Refused as error:
            raise DeviceError(f"{self.name}: {error}") from error
        except DeviceError as error:
            raise DeviceError(f"{self.name}: {error}") from error

    async def release(self, controls: Collection[Control] = ()) -> ReleaseReport:
        """See `gateway.devices.Device.release`."""
        problems: list[str] = []
        try:
            await self._open()
        except DeviceError as error:
            owed = self._intents.pending(self.name)
            problems = [f"cannot be reached, so not released: {error}"]
            return ReleaseReport(self.name, not owed and not self.controls, tuple(problems))
        for control, holder in self._holders.items():
            if not controls or control in controls:
                problems += await holder.release()
        return ReleaseReport(self.name, not problems, tuple(problems))

    async def close(self) -> None:
        """Let go of the connection."""
        await self._unit.link.close()

    # -- inside --

    def _may_try(self) -> None:
        left = self._retry_at - self._clock.monotonic()
        if left > 0:
            raise _Waiting(f"lost; next try in {left:.0f} s")

    def _lost(self, error: DeviceError) -> DeviceError:
        if not isinstance(error, _Waiting):
            self._failures += 1
            if self._failures > 1:
                self._retry_at = self._clock.monotonic() + self._backoff.next()
            for holder in self._holders.values():
                holder.doubt()
        return DeviceError(f"{self.name}: {error}")

    async def _open(self) -> _Reader:
        """Bind the device when first reached, and undo what a former life left forced."""
        if self._reader is not None:
            return self._reader
        profile = self.profile
        if profile.sunspec:
            source = await bind(self._unit, profile.sunspec)
        else:
            assert profile.source is not None  # noqa: S101 - a profile has one of the two
            source = profile.source
        sheets = source.controls if self._control else ()
        self._holders = {
            s.control: Holder(self.name, s, self._unit, self._intents, self._clock) for s in sheets
        }
        self._source = source
        for holder in self._holders.values():
            if holder.owed:
                await holder.release()
        self._reader = _Reader(source.outputs, self._unit, profile)
        return self._reader


class _Waiting(DeviceError):
    """Not tried: the backoff has not passed."""


class _Reader:
    """The requests of one device, in two classes of pace, and what they mean."""

    def __init__(self, outputs: Sequence[Output], unit: Unit, profile: Profile) -> None:
        self._unit = unit
        self._connection = profile.connection
        self._outputs = {p: [o for o in outputs if o.poll == p] for p in ("fast", "slow")}
        self._plans = {p: self._plan(p, self._connection.max_gap) for p in ("fast", "slow")}
        self._bridges = self._connection.max_gap > 0
        self._slow_due = float("-inf")

    def _plan(self, pace: str, max_gap: int) -> tuple[Block, ...]:
        spans = [(f.table, *f.span) for o in self._outputs[pace] for f in o.fields]
        return plan(spans, self._connection.max_read, max_gap)

    async def read(self, now: float) -> list[tuple[str, Value]]:
        """Values of all that is due, by metric. A first failure ends the poll."""
        values = await self._read_class("fast")
        if now >= self._slow_due and self._outputs["slow"]:
            values += await self._read_class("slow")
            self._slow_due = now + _SLOW_S
        return values

    async def _read_class(self, pace: str) -> list[tuple[str, Value]]:
        try:
            raw = await self._read_blocks(self._plans[pace])
        except Refused as refusal:
            if refusal.code not in _HOLES or not self._bridges:
                raise
            self._bridges = False  # it refuses what lies between the points: ask for them alone
            self._plans = {p: self._plan(p, 0) for p in self._plans}
            raw = await self._read_blocks(self._plans[pace])
        return [
            (o.metric, o.combine(*(_decode(raw, f) for f in o.fields))) for o in self._outputs[pace]
        ]

    async def _read_blocks(self, blocks: Sequence[Block]) -> dict[Block, bytes]:
        return {b: await self._unit.read(b.table, b.address, b.count) for b in blocks}


def _decode(raw: dict[Block, bytes], field: Field) -> Value:
    for block, data in raw.items():
        if block.holds(field.table, *field.span):
            return field.decode(data, block.address)
    return Missing.ABSENT


def _reading(metric: str, value: Value, time: datetime) -> Reading:
    if value is Missing.ABSENT:
        return Reading(metric, None, Quality.ABSENT, time)
    if isinstance(value, Missing):
        return Reading(metric, None, Quality.BAD, time)
    return Reading(metric, value, Quality.GOOD, time)
