"""What each heater has drawn since its water was last to be ready: the wish of one whose water nobody measures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.control import ControlSettings
from gateway.domain.heat import last_ready
from gateway.domain.readings import Snapshot

LONGEST_S = 300.0  # after a longer silence nobody knows what was drawn meanwhile


@dataclass(frozen=True, slots=True)
class _Drawn:
    since: datetime
    wh: float = 0.0
    power_w: float | None = None
    at_s: float = 0.0


class HeatWatch:
    """Feed it every snapshot; it says of each heater what it has got. It begins with nothing at a start."""

    def __init__(self, control: ControlSettings) -> None:
        self._control = control
        self._drawn: dict[str, _Drawn] = {}

    def look(self, snapshot: Snapshot, at: float) -> Snapshot:
        """The same with ``got_wh``; ``at`` is monotonic time, s."""
        if not self._control.heaters or not snapshot.heaters:
            return snapshot
        for heater in snapshot.heaters:
            spec = self._control.heaters.get(heater.name)
            if spec is None:
                continue
            since = last_ready(snapshot.time, spec.ready_by, self._control.zone)
            before = self._drawn.get(heater.name, _Drawn(since, at_s=at))
            if before.since != since:
                before = replace(before, since=since, wh=0.0)
            passed_s = at - before.at_s
            wh = before.wh
            if before.power_w is not None and 0 < passed_s <= LONGEST_S:
                wh += before.power_w * passed_s / 3600
            self._drawn[heater.name] = _Drawn(since, wh, heater.power_w, at)
        return replace(
            snapshot,
            heaters=tuple(
                replace(h, got_wh=self._drawn[h.name].wh) if h.name in self._drawn else h
                for h in snapshot.heaters
            ),
        )
