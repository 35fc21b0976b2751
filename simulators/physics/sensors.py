"""Sensors that err, written down: one that stands still, lags, is lost, or has its sign turned. Pure but for memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import nan
from typing import Literal

from simulators.physics.values import Powers

_REMEMBERED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SensorFault:
    """From ``begin`` to ``end`` (UTC) the power ``what`` (a field of `Powers`) is shown wrong.

    ``stuck`` shows what was shown last (its counters too), ``lag`` what was true ``lag_s`` ago, ``lost``
    nothing, ``turned`` the other sign. One that has ``restarted`` counts from 0 again; its power is right.
    """

    what: str
    kind: Literal["stuck", "lag", "lost", "turned", "restarted"]
    begin: datetime
    end: datetime
    lag_s: float = 5.0

    def at(self, time: datetime) -> bool:
        return self.begin <= time < self.end


class Sensors:
    """What sensors show of the true powers. Ask at times that only grow."""

    def __init__(self, faults: Sequence[SensorFault]) -> None:
        self._faults = faults
        self._true: deque[tuple[datetime, Powers]] = deque()
        self._shown: Powers | None = None
        self._counted: dict[str, float] = {}
        self._before: dict[str, float] = {}  # what a counter had when it began at 0 again

    def powers(self, time: datetime, true: Powers) -> Powers:
        """As they are shown at ``time``."""
        self._true.append((time, true))
        while time - self._true[0][0] > _REMEMBERED:
            self._true.popleft()
        shown = true
        for fault in self._faults:
            if fault.at(time) and fault.kind != "restarted":
                shown = replace(shown, **{fault.what: self._wrong(fault, time)})
        self._shown = shown
        return shown

    def counter(self, what: str, name: str, time: datetime, true_wh: float) -> float:
        """The counter ``name`` of the sensor ``what``: it stands still while the sensor does."""
        kinds = {fault.kind for fault in self._faults if fault.what == what and fault.at(time)}
        if "lost" in kinds:
            return nan
        if "restarted" in kinds:
            return true_wh - self._before.setdefault(name, true_wh)
        if "stuck" not in kinds or name not in self._counted:
            self._counted[name] = true_wh
        return self._counted[name]

    def _wrong(self, fault: SensorFault, time: datetime) -> float:
        if fault.kind == "lost":
            return nan
        if fault.kind == "turned":
            return -float(getattr(self._true[-1][1], fault.what))
        if fault.kind == "stuck":
            last = self._shown if self._shown is not None else self._true[0][1]
            return float(getattr(last, fault.what))
        wanted = time - timedelta(seconds=fault.lag_s)
        before = [p for at, p in self._true if at <= wanted]
        return float(getattr(before[-1] if before else self._true[0][1], fault.what))
