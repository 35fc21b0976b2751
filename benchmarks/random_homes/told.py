"""What held at each moment of a lab's day: limits, reserve, and whether anybody could keep them. From the lab alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import inf
from typing import Any

from simulators.lab import Lab, Said
from simulators.lab.site import INVERTER, METER, ROOF, STORE
from simulators.physics.script import Span

REACTION = timedelta(seconds=80)  # of four ticks: a command, the decision, the device, its meter
AFTERWARDS = timedelta(minutes=3)  # a device that is back, a meter that is right again
FUSE_V = 230.0


def inside(spans: Iterable[Span], time: datetime, after: timedelta = timedelta(0)) -> bool:
    return any(begin <= time < end + after for begin, end in spans)


@dataclass(frozen=True)
class Told:
    """``lab``'s commands as steps in time. A limit is taken as loose as it was within the last ``REACTION``."""

    lab: Lab

    @cached_property
    def heard(self) -> list[Said]:
        """The commands that came to an agent."""
        deaf = (*self.lab.agent_off, *self.lab.off)
        said = sorted(self.lab.commands, key=lambda s: s.at)
        return [s for s in said if not inside(deaf, s.at, timedelta(seconds=1))]

    def setting(self, name: str, configured: Any, time: datetime) -> Any:
        """What the owner last said of it."""
        values = [s.value for s in self.heard if s.name == name and s.at <= time]
        return values[-1] if values else configured

    def operator_w(self, direction: str, time: datetime) -> float | None:
        """The grid operator's limit."""
        name = f"operator_{direction}_limit"
        said = [s for s in self.heard if s.name == name and s.at <= time]
        if not said or said[-1].value is None:
            return None
        value = said[-1].value
        limit_w = float(value["limit_w"])
        if direction == "import" and self.controllable:
            limit_w = max(limit_w, 4_200.0)  # what §14a guarantees
        return limit_w if time < said[-1].at + timedelta(seconds=value["duration_s"]) else None

    @property
    def controllable(self) -> bool:
        table = self.lab.settings.get("grid_operator", {})
        return bool(table.get("applies_to") == "controllable")

    def reserve_pct(self, time: datetime) -> float:
        site = self.lab.settings["site"]
        return _at_least(lambda t: self.setting("backup_reserve_pct", site["reserve_pct"], t), time)

    def export_limit_w(self, time: datetime) -> float:
        site = self.lab.settings["site"].get("export_limit_w")

        def held(moment: datetime) -> float:
            user = self.setting("export_limit_w", None, moment)
            return _least(site, user, self.operator_w("export", moment))

        return _at_most(held, time)

    def import_limit_w(self, time: datetime, house_w: float) -> float:
        """``house_w``: what the house draws beside all that is steered, own sun netted."""
        site = self.lab.settings["site"]
        fuse_a = site.get("fuse_a")
        fuse_w = None if fuse_a is None else 3 * FUSE_V * fuse_a

        def held(moment: datetime) -> float:
            operator_w = self.operator_w("import", moment)
            if operator_w is not None and self.controllable:
                operator_w += max(0.0, house_w)
            return _least(site.get("import_limit_w"), fuse_w, operator_w)

        return _at_most(held, time)

    def blind(self, time: datetime) -> bool:
        """Whether the meter is wrong or silent, the grid away, or nobody steers."""
        sensors = [(f.begin, f.end) for f in self.lab.script.sensors if f.kind != "restarted"]
        spans = [*sensors, *self.silent(METER), *self.lab.outages, *self.lab.off]
        return inside(spans, time, AFTERWARDS)

    def deaf(self, time: datetime, *devices: str) -> bool:
        """Whether one of these devices does not answer."""
        return any(inside(self.silent(d), time, AFTERWARDS) for d in devices)

    def sources_deaf(self, time: datetime) -> bool:
        return self.deaf(time, INVERTER, ROOF, STORE)

    def silent(self, device: str) -> list[Span]:
        return [(s.begin, s.end) for s in self.lab.equipment.silent if s.device == device]


def _least(*limits_w: float | None) -> float:
    return min((w for w in limits_w if w is not None), default=inf)


def _moments(time: datetime) -> list[datetime]:
    return [time - REACTION * i / 8 for i in range(9)]


def _at_most(held: Callable[[datetime], float], time: datetime) -> float:
    return max(held(moment) for moment in _moments(time))


def _at_least(held: Callable[[datetime], float], time: datetime) -> float:
    return min(held(moment) for moment in _moments(time))
