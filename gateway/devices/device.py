"""A Modbus device at work: profile + connection + clock behind the `Device` protocol."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection, Mapping
from datetime import datetime

from gateway.clock import Clock
from gateway.config.guard import Steer
from gateway.devices import IntentStore, ReleaseReport
from gateway.devices.control_sheet import ControlSheet, ReadBack
from gateway.devices.counters import Counters, Memory
from gateway.devices.datasheet import Identity, Profile, Source
from gateway.devices.identify import bind_profile, identify, told_identity
from gateway.devices.let_go import PAUSED_AT_START_S, PAUSED_S, let_go
from gateway.devices.other_master import OtherMaster
from gateway.devices.poller import LayoutChanged, Poller
from gateway.devices.proof import (
    Fingerprint,
    Gap,
    Note,
    Proofs,
    battery_ignores,
    by_the_owners_word,
    left_to_another,
    not_steered,
)
from gateway.devices.setpoint_lease import SetpointLease
from gateway.domain.control import Control
from gateway.domain.readings import Quality, Reading
from gateway.domain.sentences import Sentence, named, other, reason_of, sentence
from gateway.errors import DeviceError, StorageError
from gateway.log_budget import LogBudget
from gateway.modbus.exceptions import NOT_THERE, Refused, Silent
from gateway.modbus.registers import Block, Missing, Value
from gateway.modbus.unit import Unit
from gateway.supervise import Backoff

log = logging.getLogger(__name__)
_LONGEST_S = 10.0  # between tries of a silent device
_LONGEST_SHARED_S = 60.0  # on a line where others wait for its timeout
_WHO_S, _WHO_AGAIN_S = 3600.0, 60.0  # between looks at serial number and firmware
_REBIND_S = 60.0  # a device that was away so long may have been set up anew


class ModbusDevice:
    """One device of the site. It connects when first used; being absent is never fatal.

    After a silence one more poll tries at once; then tries are spaced by a backoff (the only one that
    a device has), and polls in between fail without touching the wire. A device that refuses, hangs up
    or cannot be connected costs no time: each poll tries it, so that it is back with the next one.
    """

    def __init__(
        self,
        name: str,
        profile: Profile,
        unit: Unit,
        intents: IntentStore | None,
        clock: Clock,
        memory: Memory | None = None,
    ) -> None:
        """Without ``intents`` it is read only, never written.

        With a ``memory`` the counters go on from where a previous run saw them.
        """
        self.name, self.profile = name, profile
        self._unit = unit
        self._intents, self._clock = intents, clock
        self._counters = Counters(name, clock, memory)
        self._source: Source | None = None
        self._leases: dict[Control, SetpointLease] = {}
        self._poller: Poller | None = None
        self._blocks: dict[Block, float] = {}  # when which registers were read last
        longest_s = _LONGEST_S if unit.bus.address.framing == "tcp" else _LONGEST_SHARED_S
        self._backoff = Backoff(1.0, longest_s, rng=random.Random(name))  # noqa: S311 - jitter
        self._failures, self._why = 0, other("")
        self._retry_at = float("-inf")
        self._answered = float("-inf")
        self._opening = asyncio.Lock()
        self._others = OtherMaster(name, clock)
        # what can be steered: by the profile until the device was seen, then as found there
        self._controls = profile.controls if intents else frozenset[Control]()
        self._has_battery = False
        self._comes_and_goes = LogBudget(log, clock, period_s=3600.0)
        self._withheld: frozenset[Control] = frozenset()  # what they would steer is not there
        self._proofs: Proofs | None = None
        self._steer: Steer = "always"
        self._unproved: dict[Control, Gap] = {}  # and why
        self._notes: tuple[Note, ...] = ()
        self._who_due = float("-inf")
        self._identity = Identity()

    def ask(self, proofs: Proofs, steer: Steer) -> None:
        """From the next look at it what ``proofs`` does not know as proved is withheld, unless ``steer`` is "always"."""
        self._proofs, self._steer = proofs, steer

    @property
    def controls(self) -> frozenset[Control]:
        """See `gateway.devices.Device.controls`; what is held stays in sight until it is let go."""
        held = {c for c, lease in self._leases.items() if lease.value is not None or lease.owed}
        return self._controls - ((self._withheld | self._unproved.keys()) - held)

    def lets_go_after_s(self, control: Control) -> float | None:
        """See `gateway.devices.Device.lets_go_after_s`."""
        lease = self._leases.get(control)
        if lease is None or lease.sheet.lease.kind == "none":
            return None
        return lease.sheet.lease.seconds

    @property
    def made_by(self) -> tuple[str, str]:
        """See `gateway.devices.Device.made_by`."""
        return self._identity.manufacturer, self._identity.model

    @property
    def versions(self) -> tuple[str, str]:
        """See `gateway.devices.Device.versions`."""
        return self._identity.version, self.profile.named_revision

    @property
    def notes(self) -> tuple[Note, ...]:
        """See `gateway.devices.Device.notes`."""
        left = [control for control, lease in self._leases.items() if lease.left_to_another]
        ignored = [told for lease in self._leases.values() if (told := lease.ignored) is not None]
        more = (left_to_another(left),) if left else ()
        return (*self._notes, *more, *(battery_ignores(*told) for told in ignored))

    @property
    def identity(self) -> Identity:
        """What the device says it is, as far as it was asked."""
        return self._identity

    @property
    def identified(self) -> bool:
        """Whether it has answered, so that it is known what it is and can."""
        return self._source is not None

    @property
    def fingerprint(self) -> Fingerprint:
        """Which device it is, for a proof; of use once it has answered."""
        where = f"{self._unit.bus.address} unit {self._unit.number}"
        return Fingerprint.of(self.profile.named_revision, self._identity, where)

    @property
    def sleeps_at_night(self) -> bool:
        """See `gateway.devices.Device.sleeps_at_night`."""
        how = self.profile.communication
        return how.sleeps_at_night or (how.sleeps_without_battery and not self._has_battery)

    async def poll(self) -> tuple[Reading, ...]:
        """See `gateway.devices.Device.poll`."""
        try:
            self._may_try()
            poller = await self._open()
            values = await poller.read(self._clock.monotonic())
            await self._ask_who()
        except DeviceError as error:
            raise self._lost(error) from error
        self._failures, self._retry_at = 0, float("-inf")
        self._answered = self._clock.monotonic()
        self._backoff.reset()
        self._check_presence(dict(values))
        self._check_effect(dict(values))
        now = self._clock.now()
        return tuple(_reading(metric, value, now) for metric, value in values)

    async def hold(self, control: Control, value: float) -> None:
        """See `gateway.devices.Device.hold`."""
        try:
            self._may_try()
            await self._open()
            lease = self._leases.get(control)
            if lease is None:
                raise DeviceError(f"cannot set {control.value}")
            if why := self._why_withheld(control):
                problems = await self._let_go(lease) if lease.value is not None else []
                raise DeviceError("; ".join((f"{control.value}: {why}", *map(str, problems))))
            await lease.hold(value)
        except Refused as error:
            raise DeviceError(named(self.name, error)) from error
        except DeviceError as error:
            raise DeviceError(named(self.name, error)) from error

    async def release(self, controls: Collection[Control] = ()) -> ReleaseReport:
        """See `gateway.devices.Device.release`."""
        problems: list[Sentence] = []
        try:
            await self._open()
        except DeviceError as error:
            owed = any(lease.owed for lease in self._leases.values()) or self._owed()
            problems = [sentence("lost.not_reached", why=reason_of(error))]
            return ReleaseReport(self.name, not owed and not self.controls, tuple(problems))
        for control, lease in self._leases.items():
            untouched = control in self._unproved and lease.value is None and not lease.owed
            if not untouched and (not controls or control in controls):
                try:
                    problems += await self._let_go(lease)
                except DeviceError as error:  # one control never holds up another
                    problems.append(named(control.value, error))
        return ReleaseReport(self.name, not problems, tuple(problems))

    async def steered_by_another(self) -> Sentence | None:
        """See `gateway.devices.Device.steered_by_another`."""
        try:
            await self._open()
            words = {c: await lease.foreign_words() for c, lease in self._leases.items()}
        except DeviceError as error:
            raise DeviceError(named(self.name, error)) from error
        owed = any(lease.owed for lease in self._leases.values())
        return self._others.look({} if owed else words)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._unit.bus.close()

    # -- inside --

    async def _let_go(self, lease: SetpointLease, patience_s: float = PAUSED_S) -> list[Sentence]:
        return await let_go(lease, self._leases.get(Control.CHARGE_CURRENT), patience_s)

    def _why_withheld(self, control: Control) -> str:
        if control in self._withheld:
            return "nothing there to steer"
        gap = self._unproved.get(control)
        return f"withheld: {gap.why}" if gap else ""

    def _check_proofs(self) -> None:
        """What is not proved for this very device is withheld; one sentence, said when it changes."""
        before, self._notes, self._unproved = self._notes, (), {}
        found = self._proofs and {
            c: self._proofs.missing(self.fingerprint, _proved_by(c)) for c in self._leases
        }
        gaps = {c: gap for c, gap in (found or {}).items() if gap is not None}
        if not gaps:
            return
        if self._steer == "always":
            note = by_the_owners_word(gaps)
        else:
            self._unproved, note = gaps, not_steered(self.name, gaps)
        self._notes = (note,)
        if note not in before:
            log.warning("%s: %s", self.name, note.said)

    async def _ask_who(self) -> None:
        """Who the device is by its own registers; asked again, since a firmware may be updated."""
        bound = self._source
        if bound is None or bound.identity != Identity() or self._clock.monotonic() < self._who_due:
            return  # a SunSpec chain has told it
        before = self._identity
        try:
            self._identity = await told_identity(self._unit, self.profile)
        except DeviceError:
            return  # asked again at the next poll
        if before not in (Identity(), self._identity):
            self._poller = (
                None  # another device, or another firmware: what it can is looked up anew
            )
        whole = all(getattr(self._identity, what) for what, _ in self.profile.says)
        self._who_due = self._clock.monotonic() + (_WHO_S if whole else _WHO_AGAIN_S)
        self._check_proofs()

    def _check_presence(self, values: Mapping[str, Value]) -> None:
        """A battery that the device says it does not have is not steered, until it answers."""
        self._has_battery = isinstance(values.get("battery_soc_pct"), int | float)
        absent = frozenset(
            control
            for control, lease in self._leases.items()
            if values.get(lease.sheet.presence) is Missing.ABSENT
        )
        for told, which in (
            ("withheld: nothing answers there", absent - self._withheld),
            ("offered again", self._withheld - absent),
        ):
            if which:
                names = ", ".join(sorted(which))
                self._comes_and_goes.say(logging.INFO, "%s: %s: %s", self.name, told, names)
        self._withheld = absent

    def _check_effect(self, values: Mapping[str, Value]) -> None:
        """A write can be accepted and ignored; only the measured power tells."""
        lease, power = self._leases.get(Control.BATTERY_POWER), values.get("battery_power_w")
        soc = values.get("battery_soc_pct")
        if lease and isinstance(power, int | float) and isinstance(soc, int | float):
            lease.judge(power, soc)

    def _owed(self) -> bool:
        try:
            return bool(self._intents and self._intents.pending(self.name))
        except StorageError:
            return True  # not known: say that it may not be neutral

    def _pending(self) -> Collection[Control]:
        try:
            return self._intents.pending(self.name) if self._intents else ()
        except StorageError:
            return ()

    def _may_try(self) -> None:
        left = self._retry_at - self._clock.monotonic()
        if left > 0:
            raise _Waiting(sentence("lost.waits", why=self._why, seconds=f"{left:.0f}"))

    def _lost(self, error: DeviceError) -> DeviceError:
        if not isinstance(error, _Waiting):
            self._failures += 1
            self._why = reason_of(error)
            if self._failures > 1 and isinstance(error, Silent):
                self._retry_at = self._clock.monotonic() + self._backoff.next()
            away = self._clock.monotonic() - self._answered
            moved = isinstance(error, LayoutChanged) or getattr(error, "code", 0) in NOT_THERE
            if moved or away > _REBIND_S:
                self._poller = None
            for lease in self._leases.values():
                lease.doubt()
        return DeviceError(named(self.name, error))

    async def _open(self) -> Poller:
        """The poller of the bound device; it is bound when first reached, by one task at a time."""
        if self._poller is None:
            async with self._opening:
                if self._poller is None:
                    self._poller = await self._bind()
        return self._poller

    async def _bind(self) -> Poller:
        """Find the registers, and undo what a previous run left forced."""
        profile = self.profile
        if profile.choices:
            found = await identify(self._unit, profile.choices)
            if found is None:
                raise DeviceError(sentence("lost.unknown"))
            profile = self.profile = found[0]
        source = await bind_profile(self._unit, profile)
        known = {*self._leases, *self._pending()}  # what is forced must never be lost from sight
        sheets = source.controls if self._intents else ()
        offered = [s for s in sheets if s.is_proved or s.control in known]
        has = [s for s in offered if s.control in known or await self._has(s)]
        self._take_controls(has)
        self._source = source
        self._identity, self._who_due = source.identity, float("-inf")
        await self._ask_who()
        self._check_proofs()
        for lease in self._leases.values():
            if lease.owed and lease.value is None:
                await self._let_go(lease, PAUSED_AT_START_S)
        how = profile.communication
        return Poller(self.name, source, self._unit, how, self._counters, self._blocks)

    async def _has(self, sheet: ControlSheet) -> bool:
        """Whether the device has the registers without which it cannot be steered so, and they suit it."""
        raw: dict[Block, bytes] = {}
        for block in sheet.required:
            data = await self._unit.read_if_there(block.table, block.address, block.count)
            if data is None:
                return False
            raw[block] = data
        return sheet.suits(ReadBack(raw))

    def _take_controls(self, sheets: Collection[ControlSheet]) -> None:
        """A lease for each control; one that holds something goes on with the new sheet."""
        before, self._leases = self._leases, {}
        if self._intents is None:
            return
        for sheet in sheets:
            lease = before.get(sheet.control)
            if lease is None:
                lease = SetpointLease(self.name, sheet, self._unit, self._intents, self._clock)
            lease.rebind(sheet)
            self._leases[sheet.control] = lease
        self._controls = frozenset(self._leases)


def _proved_by(control: Control) -> Control:
    """Whose proof stands for it: no trial of minutes drains a battery to its reserve."""
    return Control.BATTERY_POWER if control is Control.RESERVE else control


class _Waiting(DeviceError):
    """Not tried: the backoff has not passed."""


def _reading(metric: str, value: Value, time: datetime) -> Reading:
    if value is Missing.ABSENT:
        return Reading(metric, None, Quality.ABSENT, time)
    if isinstance(value, Missing):
        return Reading(metric, None, Quality.BAD, time)
    if isinstance(value, float):
        value += 0.0  # -0.0 is 0.0
    return Reading(metric, value, Quality.GOOD, time)
