"""When each heater will heat, and how warm its water will be: the plan's part of it, for MQTT. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.domain.heat import Heater, next_ready
from gateway.domain.intervals import iso
from gateway.domain.plan import Plan, PlannedInterval
from gateway.domain.readings import HeaterState

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class HeaterNow:
    """What its owner says of a heater, and how it is now."""

    spec: Heater
    state: HeaterState


Heating = Mapping[str, HeaterNow]


def heaters_now(specs: Mapping[str, Heater], states: Iterable[HeaterState]) -> Heating:
    """Those that are there and known."""
    return {s.name: HeaterNow(specs[s.name], s) for s in states if s.name in specs}


def heat_outlook(
    plan: Plan | None, heaters: Heating, now: datetime, zone: ZoneInfo
) -> dict[str, Any]:
    """By heater: the quarter-hours in which it heats until its water is to be ready, and what is in it then."""
    if plan is None:
        return {}
    found = {}
    for name, energies in plan.heat_wh.items():
        if name in heaters:
            steps = zip(plan.schedule, energies, strict=False)
            coming = [(step, wh) for step, wh in steps if step.interval.end > now]
            found[name] = _one(coming, heaters[name], now, zone)
    return found


def _one(
    coming: Iterable[tuple[PlannedInterval, float]],
    heater: HeaterNow,
    now: datetime,
    zone: ZoneInfo,
) -> dict[str, Any]:
    """Of water with a thermometer its temperature if nobody draws any; else what the heater will have drawn since the last time."""
    spec, at = heater.spec, now
    ready = next_ready(now, spec.ready_by, zone)
    warm_c, got_wh = heater.state.temperature_c, heater.state.got_wh
    quarters = []
    for step, wh in coming:
        if step.interval.end > ready:
            break
        got_wh += wh
        if warm_c is not None and spec.litres is not None:
            warm_c = spec.cooled_c(warm_c, (step.interval.end - at) / _HOUR) + wh / spec.wh_per_k
        at = step.interval.end
        if wh > 0:
            power_w = round(wh / step.interval.hours)
            start = iso(step.interval.start)
            quarters.append({"start": start, "power_w": power_w, **_held(spec, warm_c, got_wh)})
    return {"ready_by": iso(ready), "quarters": quarters, **_held(spec, warm_c, got_wh)}


def _held(spec: Heater, warm_c: float | None, got_wh: float) -> dict[str, float | None]:
    if spec.litres is None:
        return {"energy_wh": round(got_wh)}
    return {"temperature_c": None if warm_c is None else round(warm_c, 1)}
