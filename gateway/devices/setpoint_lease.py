"""Hold one control of one device as a lease, and let go of it for sure.

Before the first write the words that will be changed are stored (`IntentStore`), so that a later
run can put them back. A setpoint is written when it changes or when its lease has run for the
sheet's refresh time; every write is read back. A setpoint that somebody else has replaced is
reported once and not fought.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from gateway.clock import Clock
from gateway.devices import IntentStore
from gateway.devices.control_sheet import ControlSheet, ReadBack, Write
from gateway.devices.write_budget import BudgetSpent, WriteBudget
from gateway.domain.control import Control
from gateway.domain.sentences import Sentence, named, reason_of, sentence
from gateway.errors import DeviceError, StorageError
from gateway.modbus.exceptions import NOT_THERE, Refused
from gateway.modbus.registers import Block
from gateway.modbus.unit import Unit

log = logging.getLogger(__name__)
_YIELD_S = 900.0  # so long we leave a device to another controller
IGNORED_S = 900.0  # so long a battery that does something else is an alarm: a cold or full one may come round
_VISIBLE_W = 300.0  # smaller setpoints drown in the inverter's own needs
_FULL_PCT, _EMPTY_PCT = 97.0, 15.0  # where the battery's own limits may overrule a setpoint
_LIMITS = (Control.PV_LIMIT, Control.EXPORT_LIMIT)  # the smaller the safer


class SetpointLease:
    """The state of one control: what we wrote, when, and what it replaced."""

    def __init__(
        self,
        device: str,
        sheet: ControlSheet,
        unit: Unit,
        intents: IntentStore,
        clock: Clock,
    ) -> None:
        self._device, self.sheet = device, sheet
        self._unit = unit
        self._intents, self._clock = intents, clock
        self._budget = WriteBudget(device, sheet, intents, clock)
        self._read_back: ReadBack | None = None
        self._saved: dict[int, int] = {}
        self._sent: dict[int, int] = {}  # what we wrote last
        self._written: dict[int, int] = {}  # the part of it that is expected to read back
        self._value: float | None = None
        self._renewed = float("-inf")
        self._yielded = float("-inf")
        self._since = 0.0
        self._ineffective = False
        self._ignored: tuple[float, float, float] | None = (
            None  # since when, what was told, what is done, W
        )
        self._was_neutral = self._touched = False  # released by us once; written by us since

    @property
    def value(self) -> float | None:
        """What is held now, None when the control is released."""
        return self._value

    @property
    def left_to_another(self) -> bool:
        """Whether another controller has written over it, so that it is left alone for a while."""
        return self._clock.monotonic() - self._yielded < _YIELD_S

    def rebind(self, sheet: ControlSheet) -> None:
        """Go on with the control as it was found anew, perhaps at other addresses."""
        if sheet.read_back != self.sheet.read_back:
            self._sent, self._written, self._saved = {}, {}, {}
        self.sheet = self._budget.sheet = sheet
        self.doubt()

    def doubt(self) -> None:
        """The device was lost: what it holds is unknown, the next hold writes all again."""
        self._renewed = float("-inf")
        self._read_back = None

    async def hold(self, value: float) -> None:
        """See `gateway.devices.Device.hold`."""
        now = self._clock.monotonic()
        fresh = now - self._renewed < self.sheet.lease.refresh_s
        if fresh and value == self._value and not self.sheet.recompute:
            return
        if self.left_to_another:
            raise DeviceError(f"{self.sheet.control.value} is left to another controller")
        if not fresh or self._read_back is None or self.sheet.recompute:
            self._read_back = await self._read_registers()
            self._take_over(self._read_back)
        writes = self._due(
            self.sheet.hold(value, self._read_back, self._saved), self._read_back, fresh
        )
        tightens = self._tightens(value)
        if not tightens:
            await self._check_budget(writes)
        await self._send(writes, must=tightens)
        if self._value is None or (value > 0) != (self._value > 0):
            self._since = now
        self._value = value
        if not fresh:
            self._renewed = now

    def judge(self, power_w: float, soc_pct: float) -> None:
        """Say once when the measured power does not follow a battery setpoint, once when it does."""
        wanted = self._value
        lease, age = self.sheet.lease, self._clock.monotonic() - self._renewed
        if lease.seconds and age > lease.seconds:
            return  # not renewed: the device may have let go
        settled = self._clock.monotonic() - self._since >= self.sheet.settle_s
        limit = soc_pct >= _FULL_PCT if (wanted or 0) < 0 else soc_pct <= _EMPTY_PCT
        if wanted is None or abs(wanted) < _VISIBLE_W or not settled or limit:
            return
        follows = power_w * wanted > 0 and abs(power_w) > 0.1 * abs(wanted)
        if not follows and not self._ineffective:
            log.warning(
                "%s: the battery setpoint of %.0f W has no effect; measured %.0f W",
                self._device,
                wanted,
                power_w,
            )
        if follows and self._ineffective:
            log.info("%s: the battery follows its setpoint again", self._device)
        self._ineffective = not follows
        since = self._ignored[0] if self._ignored else self._clock.monotonic()
        self._ignored = None if follows else (since, wanted, power_w)

    @property
    def ignored(self) -> tuple[float, float] | None:
        """What a battery has been told and does, W, where that has differed for long while it is held; else None."""
        if self._ignored is None or self._value is None:
            return None
        since, told_w, done_w = self._ignored
        return (told_w, done_w) if self._clock.monotonic() - since >= IGNORED_S else None

    async def release(self) -> list[Sentence]:
        """Neutral again; a sentence for each step that failed, none if the read-back is neutral."""
        ours = self._value is not None or self.owed
        if self.sheet.on_foreign_setpoint == "keep" and not ours:
            return []
        if self.left_to_another:
            return await self._left_to_another()
        saved = self._saved or self._remembered()
        read_back, problems = await self._read_what_answers()
        if read_back is None:
            return problems
        try:
            steps = self.sheet.neutral(read_back, saved)
        except DeviceError as error:
            return [named(self.sheet.control.value, error)]
        for step in steps:
            if read_back.reads(step) and not step.again:
                continue
            try:
                await self._write(step, must=True)
            except DeviceError as error:
                problems.append(named(self.sheet.control.value, error))
        if not problems:
            problems = await self._not_neutral(steps)
        if not problems:
            self._forget()
            self._saved, self._sent, self._written, self._value = {}, {}, {}, None
            self._ignored = None
            self._renewed = self._yielded = float("-inf")
            self._was_neutral, self._touched = True, False
        return problems

    async def would_switch_load(self) -> bool:
        """Whether a release would switch now what power flows through. Raises DeviceError."""
        under_load, ours = self.sheet.under_load, self._value is not None or self.owed
        if under_load is None or not ours or self.left_to_another:
            return False
        read_back = await self._read_registers()
        if not under_load(read_back):
            return False
        steps = self.sheet.neutral(read_back, self._saved or self._remembered())
        return not all(read_back.reads(step) for step in steps)

    async def foreign_words(self) -> dict[int, int]:
        """The registers that a release would change and that we did not set, as they read now.

        Empty where it is neutral, ours, or respected anyway. Raises DeviceError.
        """
        if self._value is not None or self.owed or self.sheet.on_foreign_setpoint == "keep":
            return {}
        read_back = await self._read_registers()
        if self.sheet.is_neutral(read_back) is True:
            return {}
        steps = [*self.sheet.neutral(read_back, {}), *self._trial(read_back)]
        ours = {a for step in steps if step.check for a, _ in step.by_address}
        words = {
            a: w
            for a in ours | {*self.sheet.restore_registers}
            if (w := read_back.word(a)) is not None
        }
        differs = any(
            words.get(a, w) != w
            for step in self.sheet.neutral(read_back, {})
            for a, w in step.by_address
            if step.check
        )
        return words if differs or self.sheet.is_neutral(read_back) is False else {}

    def _trial(self, read_back: ReadBack) -> tuple[Write, ...]:
        """What a hold would write: where another controller's setpoint would stand."""
        try:
            return self.sheet.hold(0.0, read_back, {})
        except DeviceError:
            return ()

    @property
    def owed(self) -> bool:
        """Whether a previous run may have left this control forced."""
        return bool(self._stored())

    # -- inside --

    def _problem(self, code: str, **values: str | Sentence) -> Sentence:
        return sentence(f"lost.{code}", self.sheet.control.value, **values)

    async def _left_to_another(self) -> list[Sentence]:
        """What another controller holds is its own, but it is not neutral and we do not say so."""
        try:
            read_back = await self._read_registers()
        except DeviceError as error:
            return [self._problem("not_read", why=reason_of(error))]
        if self.sheet.is_neutral(read_back) is False:
            return [self._problem("anothers")]
        return []

    def _stored(self) -> str | None:
        """The stored intent; a store that cannot be read must never keep a device from its release."""
        with suppress(StorageError):
            return self._intents.pending(self._device).get(self.sheet.control)
        return None

    async def _not_neutral(self, steps: Sequence[Write]) -> list[Sentence]:
        try:
            read_back = await self._read_registers()
        except DeviceError as error:
            return [self._problem("not_verified", why=reason_of(error))]
        wrong = [
            self._problem("not_taken", register=str(a), now=str(read_back.word(a)), word=str(w))
            for step in steps
            if step.check and not step.optional
            for a, w in step.by_address
            if read_back.word(a) not in (w, None)
        ]
        if (
            not wrong
            and self.sheet.on_foreign_setpoint == "clear"
            and self.sheet.is_neutral(read_back) is False
        ):
            return [self._problem("still_controlled")]
        return wrong

    def _take_over(self, read_back: ReadBack) -> None:
        """Remember what stood there before us; notice if another controller has written since."""
        if self._value is None:
            if self._is_anothers(read_back):
                self._yielded = self._clock.monotonic()
                log.warning(
                    "%s: another controller has set %s; leaving it to it for %d minutes",
                    self._device,
                    self.sheet.control.value,
                    _YIELD_S / 60,
                )
                raise DeviceError(f"{self.sheet.control.value} was set by another controller")
            words = {
                a: w for a in self.sheet.restore_registers if (w := read_back.word(a)) is not None
            }
            self._saved = self._remembered() or words
            self._remember()
            return
        changed = [a for a, w in self._written.items() if read_back.word(a) not in (w, None)]
        if changed and self.sheet.is_neutral(read_back) is False:
            self._yielded = self._clock.monotonic()
            log.warning(
                "%s: another controller has changed register %d; leaving %s to it for %d minutes",
                self._device,
                changed[0],
                self.sheet.control.value,
                _YIELD_S / 60,
            )
            self._value, self._sent, self._written, self._saved = None, {}, {}, {}
            self._forget()
            raise DeviceError(f"{self.sheet.control.value} was taken by another controller")

    def _is_anothers(self, read_back: ReadBack) -> bool:
        """Whether a setpoint stands there that came after we had made the device neutral."""
        untouched = self._was_neutral and not self._touched and not self.owed
        clears = self.sheet.on_foreign_setpoint == "clear"
        return untouched and clears and self.sheet.is_neutral(read_back) is False

    def _remember(self) -> None:
        """Store what restores the device. Nothing that would stay is written unless it is stored."""
        try:
            self._intents.remember(
                self._device, self.sheet.control, json.dumps(self._saved), self._clock.now()
            )
        except StorageError as error:
            if self.sheet.lease.kind == "none" or self.sheet.persists_after_lease:
                raise DeviceError(f"{self.sheet.control.value} is not taken: {error}") from error

    def _forget(self) -> None:
        with suppress(StorageError):  # an intent too many is undone once more at the next start
            self._intents.forget(self._device, self.sheet.control)

    def _remembered(self) -> dict[int, int]:
        text = self._stored()
        stored: Mapping[str, int] = json.loads(text) if text else {}
        return {int(address): word for address, word in stored.items()}

    def _due(self, writes: Sequence[Write], read_back: ReadBack, fresh: bool) -> tuple[Write, ...]:
        """What must be sent: within the refresh time only what changed, of flash never anything else."""
        for step in writes:
            if step.check and self._budget.is_there(step, read_back):
                self._written |= dict(step.by_address)
        due = (w for w in writes if not self._budget.is_there(w, read_back))
        return tuple(w for w in due if self._differs(w) or not (fresh or w.once))

    def _tightens(self, value: float) -> bool:
        """Whether this makes a limit smaller: a limit is never left too wide to spare the flash.

        Each such write follows one that widened it, which the budget bounds.
        """
        return self.sheet.control in _LIMITS and (self._value is None or value < self._value)

    async def _check_budget(self, writes: Sequence[Write]) -> None:
        """Refuse what the flash would not stand; a battery is let go rather than held at an old power."""
        try:
            self._budget.check(writes)
        except BudgetSpent:
            if self.sheet.control is Control.BATTERY_POWER and self._value is not None:
                await self.release()
            raise

    async def _send(self, writes: Sequence[Write], must: bool) -> None:
        """Write and read back. On any failure the next hold starts over."""
        if not writes:
            return
        self._touched = True
        try:
            for step in writes:
                for address, _ in step.by_address:  # until it is answered, either may stand there
                    self._sent.pop(address, None)
                    self._written.pop(address, None)
                await self._write(step, must)
                self._sent |= dict(step.by_address)
                self._written |= dict(step.by_address) if step.check else {}
            self._read_back = await self._read_registers()
        except DeviceError:
            self.doubt()
            raise
        for address, word in self._written.items():
            if self._read_back.word(address) not in (word, None):
                reads = self._read_back.word(address)
                self.doubt()
                raise DeviceError(
                    f"{self.sheet.control.value}: wrote {word} to register {address}"
                    f" but it reads {reads}"
                )

    async def _write(self, step: Write, must: bool) -> None:
        """Write one step; ``must``: it is worth a write, whether it can be counted or not."""
        self._budget.count(step, must)
        try:
            await self._unit.write(step.address, step.words, step.fc)
        except Refused as refusal:
            if step.fc == 16 and len(step.words) == 1 and refusal.code in NOT_THERE:
                await self._write_single(step)  # some take single registers by function 6 only
            elif not step.optional:
                raise

    async def _write_single(self, step: Write) -> None:
        try:
            await self._unit.write(step.address, step.words, 6)
        except Refused:
            if not step.optional:
                raise

    def _differs(self, step: Write) -> bool:
        return any(self._sent.get(a) != w for a, w in step.by_address)

    async def _read_what_answers(self) -> tuple[ReadBack | None, list[Sentence]]:
        """What can be read now for a release, and what could not; None if nothing answers at all.

        A block that is refused for the moment keeps none of the others from being let go.
        """
        raw: dict[Block, bytes] = {}
        problems: list[Sentence] = []
        for block in self.sheet.read_back:
            try:
                data = await self._unit.read_if_there(block.table, block.address, block.count)
            except Refused as refusal:
                problems.append(named(self.sheet.control.value, refusal))
                continue
            except DeviceError as error:
                why = reason_of(error)
                return None, [*problems, self._problem("not_read_not_released", why=why)]
            if data is not None:
                raw[block] = data
        return ReadBack(raw), problems

    async def _read_registers(self) -> ReadBack:
        raw = {}
        for block in self.sheet.read_back:
            data = await self._unit.read_if_there(block.table, block.address, block.count)
            if data is not None:  # what a model does not have, it goes without
                raw[block] = data
        return ReadBack(raw)
