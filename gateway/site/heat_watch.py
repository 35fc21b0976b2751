"""What each heater has drawn since its water was last to be ready: the wish of one whose water nobody measures.

It outlives a restart: a wish that began anew would be heated twice. A memory card wears by each write, so it is written down when the heater
stops, when the guard ends, and while it heats by the eighth of what is wanted: a crash forgets no more than that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from gateway.devices.counters import Memory
from gateway.domain.control import ControlSettings
from gateway.domain.heat import Heater, SgReady, last_ready
from gateway.domain.intervals import iso
from gateway.domain.readings import Snapshot
from gateway.errors import StorageError

LONGEST_S = 300.0  # after a longer silence nobody knows what was drawn meanwhile
LITTLE_WH = 50.0  # is not worth a write
KEPT_SHARE = 1 / 8  # of what is wanted: so much more is written down while it heats
STANDS_W = 10.0  # a plug and its lamp


@dataclass(frozen=True, slots=True)
class _Drawn:
    since: datetime
    wh: float = 0.0
    power_w: float | None = None
    at_s: float = 0.0
    kept_wh: float = 0.0

    @property
    def unkept_wh(self) -> float:
        return self.wh - self.kept_wh


def _worth_a_write_wh(spec: Heater, power_w: float | None) -> float:
    """Less is kept in memory only: while it heats on, more will come."""
    heats = power_w is not None and power_w > STANDS_W
    return max(LITTLE_WH, KEPT_SHARE * spec.energy_wh) if heats else LITTLE_WH


class HeatWatch:
    """Feed it every snapshot; it says of each heater what it has got. Without ``memory`` it begins with nothing at a start."""

    def __init__(self, control: ControlSettings, memory: Memory | None = None) -> None:
        self._control, self._memory = control, memory
        self._drawn: dict[str, _Drawn] = {}

    def look(
        self, snapshot: Snapshot, at: float, sg_ready: Mapping[str, int] = MappingProxyType({})
    ) -> Snapshot:
        """The same with ``got_wh``; ``at`` is monotonic time, s. ``sg_ready`` is what heat pumps are told: one that does
        not say what it draws is counted with all that it can while it is encouraged."""
        if not self._control.heaters or not snapshot.heaters:
            return snapshot
        for heater in snapshot.heaters:
            spec = self._control.heaters.get(heater.name)
            if spec is None:
                continue
            since = last_ready(snapshot.time, spec.ready_by, self._control.zone)
            before = self._drawn.get(heater.name) or self._remembered(heater.name, since, at)
            if before.since != since:
                before = replace(before, since=since, wh=0.0, kept_wh=0.0)
            passed_s = at - before.at_s
            wh = before.wh
            if before.power_w is not None and 0 < passed_s <= LONGEST_S:
                wh += before.power_w * passed_s / 3600
            power_w = heater.power_w
            if power_w is None and heater.pump:
                encouraged = sg_ready.get(heater.name) == SgReady.ENCOURAGED
                power_w = spec.most_w if encouraged else 0.0
            now = _Drawn(since, wh, power_w, at, before.kept_wh)
            if spec.litres is None and now.unkept_wh >= _worth_a_write_wh(spec, power_w):
                now = self._kept(heater.name, now)
            self._drawn[heater.name] = now
        return replace(
            snapshot,
            heaters=tuple(
                replace(h, got_wh=self._drawn[h.name].wh) if h.name in self._drawn else h
                for h in snapshot.heaters
            ),
        )

    def close(self) -> None:
        """The guard ends: nothing of it is forgotten."""
        for name, drawn in self._drawn.items():
            if self._control.heaters[name].litres is None and drawn.unkept_wh > 0:
                self._kept(name, drawn)

    def _remembered(self, name: str, since: datetime, at: float) -> _Drawn:
        """What was written down of the same wish; nothing of another, or of what cannot be read."""
        text = None if self._memory is None else self._memory.setting(_word(name))
        try:
            told = json.loads(text or "{}")
            wh = float(told["wh"]) if told["since"] == iso(since) else 0.0
        except (ValueError, TypeError, LookupError, RecursionError):
            wh = 0.0
        wh = wh if 0 <= wh < float("inf") else 0.0
        return _Drawn(since, wh, at_s=at, kept_wh=wh)

    def _kept(self, name: str, now: _Drawn) -> _Drawn:
        """Written down; a full disk costs no more than the memory."""
        if self._memory is not None:
            with suppress(StorageError):
                told = json.dumps({"since": iso(now.since), "wh": round(now.wh, 1)})
                self._memory.setting(_word(name), told)
        return replace(now, kept_wh=now.wh)


def _word(name: str) -> str:
    return f"heat_drawn:{name}"
