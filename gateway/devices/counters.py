"""Lifetime counters that wrap, wake up at zero, jump or run backwards: what of them to believe.

What was believed last, and how often a counter has wrapped, outlives a restart: else a count would
step back by a whole lap (4.29 MWh with some meters), or a zero at wake-up would be taken for a
new beginning.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol

from gateway.clock import Clock
from gateway.errors import StorageError
from gateway.modbus.registers import Missing, Value

log = logging.getLogger(__name__)

LIFETIME = frozenset(
    {
        "pv_energy_wh",
        "battery_charge_wh",
        "battery_discharge_wh",
        "grid_import_wh",
        "grid_export_wh",
        "charger_energy_wh",
    }
)
OF_METER = ("grid_import_wh", "grid_export_wh")
_MOST_W = 1e6  # no home moves energy faster
_SLACK_WH = 10_000.0
_PATIENCE_S = 300.0  # so long a new lower or far higher count must last to be believed
_MOST_OF_A_LAP = 0.25  # a wrap that was not seen is concluded only from so small a step
_LONG_OFF_S = (
    90 * 86_400.0
)  # taken where the clock is behind what was stored: nobody knows how long it was
_KEEP_S = 3600.0  # between two writes of what only grew: each costs a card two flushes


class Memory(Protocol):
    """Where a few words outlive a restart: the journal's settings."""

    def setting(self, name: str, value: str | None = None) -> str | None:
        """The word stored as ``name``; given ``value`` it is stored first. Raises StorageError."""


@dataclass
class Unwrapped:
    """One accumulator of limited width, continued over its wraps; ``time`` in s, as of the caller."""

    last: float | None = None
    laps: float = 0.0
    time: float = 0.0

    def take(self, value: float, modulus: float, now: float) -> float:
        """``value`` at ``now`` of a counter that wraps at ``modulus``."""
        if self.last is not None and value < self.last:
            gained = value + modulus - self.last
            possible = _SLACK_WH + _MOST_W * (now - self.time) / 3600
            if gained <= min(possible, max(_SLACK_WH, _MOST_OF_A_LAP * modulus)):
                self.laps += modulus
        self.last, self.time = value, now
        return value + self.laps


@dataclass
class Believed:
    """The last believed count of one metric; doubtful ones are BAD until they last.

    A count far above the last one that lasts is another meter's: ours goes on from where it stood
    (``offset``), because nobody can have used what the other one counted before. A lower one is shown
    as it is, since whoever meters sees that it began anew.
    """

    name: str
    last: float | None = None
    time: float = 0.0
    doubtful_since: float | None = None
    offset: float = 0.0

    def take(self, value: Value, now: float, *, may_be_0: bool = False) -> Value:
        """``value`` if it may follow the last one at ``now`` (s), else BAD.

        ``may_be_0``: a 0 that lasts is a new beginning, as any other count.
        """
        if not isinstance(value, int | float):
            return value
        value += self.offset
        if self.last is None or self._plausible(self.last, value, now):
            self.last, self.time, self.doubtful_since = value, now, None
            return value
        if self.doubtful_since is None:
            self.doubtful_since = now
            log.warning("%s went from %.0f to %.0f; not believed", self.name, self.last, value)
        if (value > 0 or may_be_0) and now - self.doubtful_since >= _PATIENCE_S:
            log.warning("%s starts anew at %.0f", self.name, value - self.offset)
            self.offset, value = self._rebased(value)
            self.last, self.time, self.doubtful_since = value, now, None
            return value
        return Missing.BAD

    def _rebased(self, value: float) -> tuple[float, float]:
        """The offset from now on, and ``value`` (of which the old one is part) by it."""
        raw = value - self.offset
        if self.last is None or value <= self.last:
            return 0.0, raw
        return self.last - raw, self.last

    def _plausible(self, last: float, value: float, now: float) -> bool:
        return 0 <= value - last <= _SLACK_WH + _MOST_W * (now - self.time) / 3600


class Counters:
    """All lifetime counters of one device, over rebinding and, with a ``memory``, over restarts."""

    def __init__(self, device: str, clock: Clock, memory: Memory | None = None) -> None:
        self._device, self._clock, self._memory = device, clock, memory
        self._unwrapped: dict[str, Unwrapped] = {}
        self._believed: dict[str, Believed] = {}
        self._kept_at = clock.monotonic()
        self._lapped = False
        self._stored = True
        if memory is not None:
            self._recall(memory)

    def unwrap(self, key: str, value: float, modulus: float) -> float:
        """The count of the accumulator ``key`` continued over its wraps."""
        one = self._unwrapped.setdefault(key, Unwrapped())
        laps = one.laps
        count = one.take(value, modulus, self._clock.monotonic())
        self._lapped = self._lapped or one.laps != laps
        return count

    def judge(self, metric: str, value: Value) -> Value:
        """``value`` of a lifetime counter if it can be believed; other metrics as they are."""
        if metric not in LIFETIME:
            return value
        believed = self._believed.setdefault(metric, Believed(f"{self._device}: {metric}"))
        # A new meter in a home that feeds nothing in shows 0 export beside its import for long.
        offset = believed.offset
        taken = believed.take(value, self._clock.monotonic(), may_be_0=metric in OF_METER)
        self._lapped = self._lapped or believed.offset != offset
        return taken

    def keep(self) -> None:
        """Store what changed: a new lap or meter at once, growth now and then. A full disk stops nothing."""
        due = self._lapped or self._clock.monotonic() - self._kept_at >= _KEEP_S
        if self._memory is None or not due:
            return
        self._kept_at, self._lapped = self._clock.monotonic(), False
        state = {
            "time": self._clock.now().isoformat(),
            "laps": {k: asdict(u) for k, u in self._unwrapped.items()},
            "last": {m: b.last for m, b in self._believed.items() if b.last is not None},
            "offset": {m: b.offset for m, b in self._believed.items() if b.offset},
        }
        try:
            self._memory.setting(self._name, json.dumps(state))
            self._stored = True
        except StorageError as error:
            if self._stored:
                log.warning("%s: its counters cannot be stored: %s", self._device, error)
            self._stored = False

    @property
    def _name(self) -> str:
        return f"counters {self._device}"

    def _recall(self, memory: Memory) -> None:
        """What was stored, as seen so long ago; what cannot be read is as if it had never been."""
        try:
            state = json.loads(memory.setting(self._name) or "{}")
            if not state:
                return
            age = (self._clock.now() - datetime.fromisoformat(state["time"])).total_seconds()
            seen = self._clock.monotonic() - (age if age >= 0 else _LONG_OFF_S)
            for key, one in state["laps"].items():
                self._unwrapped[key] = Unwrapped(float(one["last"]), float(one["laps"]), seen)
            for metric, count in state["last"].items():
                offset = float(state.get("offset", {}).get(metric, 0.0))
                name = f"{self._device}: {metric}"
                self._believed[metric] = Believed(name, float(count), seen, None, offset)
        except (StorageError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s: its stored counters cannot be read: %s", self._device, error)
