"""Lifetime counters that wrap, wake up at zero, jump or run backwards: what of them to believe."""

from __future__ import annotations

import logging

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
_MOST_W = 1e6  # no home moves energy faster
_SLACK_WH = 10_000.0
_PATIENCE_S = 300.0  # so long a new lower or far higher count must last to be believed


class Unwrapped:
    """One accumulator of limited width, continued over its wraps.

    The continuation lives in memory: after a restart the count starts at what the device says.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._laps = 0.0

    def take(self, value: float, modulus: float, elapsed_s: float) -> float:
        """``value`` of a counter that wraps at ``modulus``, ``elapsed_s`` after the one before."""
        if self._last is not None and value < self._last:
            gained = value + modulus - self._last
            if gained <= _SLACK_WH + _MOST_W * elapsed_s / 3600:
                self._laps += modulus
        self._last = value
        return value + self._laps


class Believed:
    """The last believed count of one metric; doubtful ones are BAD until they last."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last: float | None = None
        self._time = 0.0
        self._doubtful_since: float | None = None

    def take(self, value: Value, now: float) -> Value:
        """``value`` if it may follow the last one at monotonic time ``now``, else BAD."""
        if not isinstance(value, int | float):
            return value
        if self._last is None or self._plausible(value, now):
            self._last, self._time, self._doubtful_since = value, now, None
            return value
        if self._doubtful_since is None:
            self._doubtful_since = now
            log.warning("%s went from %.0f to %.0f; not believed", self._name, self._last, value)
        if value > 0 and now - self._doubtful_since >= _PATIENCE_S:
            log.warning("%s starts anew at %.0f", self._name, value)
            self._last, self._time, self._doubtful_since = value, now, None
            return value
        return Missing.BAD

    def _plausible(self, value: float, now: float) -> bool:
        assert self._last is not None  # noqa: S101 - narrows the type; the caller has checked
        gained = value - self._last
        return 0 <= gained <= _SLACK_WH + _MOST_W * (now - self._time) / 3600
