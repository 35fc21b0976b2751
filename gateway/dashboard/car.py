"""Charging sessions: when, how much, from where, and what it cost. Pure.

A session lasts while a car stands there; where the charger does not tell, until nothing was charged for eight hours. Its sun is
what the panels gave beyond what was fed in or stored, its battery's part what that gave, the rest is the grid's, each by the car's
share of all that the home used in the quarter-hour. What did not come from the grid costs what selling it would have earned.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.intervals import QUARTER, iso
from gateway.store.car_quarters import CarPast, CarQuarter

_APART = timedelta(hours=8)
CSV_HEAD = "start,end,energy_wh,sun_wh,battery_wh,grid_wh,cost"


@dataclass(frozen=True, slots=True)
class Session:
    """Energies Wh by where they came from; ``cost`` in currency units, None where a price was not known."""

    start: datetime
    end: datetime
    energy_wh: float
    sun_wh: float
    battery_wh: float
    grid_wh: float
    cost: float | None


def sessions(past: CarPast) -> list[Session]:
    """All of them, in order."""
    return [_session(parts) for parts in _grouped(past)]


def body(found: Iterable[Session], currency: str, time_zone: str) -> dict[str, Any]:
    """As the page draws them: the newest first, and the sum."""
    rows = sorted(found, key=lambda s: s.start, reverse=True)
    costs = [s.cost for s in rows]
    return {
        "currency": currency,
        "time_zone": time_zone,
        "sessions": [
            {
                "start": iso(s.start),
                "end": iso(s.end),
                "energy_wh": round(s.energy_wh),
                "sun_pct": _percent(s.sun_wh, s.energy_wh),
                "battery_pct": _percent(s.battery_wh, s.energy_wh),
                "grid_pct": _percent(s.grid_wh, s.energy_wh),
                "cost": None if s.cost is None else round(s.cost, 4),
            }
            for s in rows
        ],
        "energy_wh": round(sum(s.energy_wh for s in rows)),
        "sun_pct": _percent(sum(s.sun_wh for s in rows), sum(s.energy_wh for s in rows)),
        "cost": None if None in costs else round(sum(c for c in costs if c is not None), 4),
    }


def as_csv(found: Iterable[Session]) -> str:
    """One line a session; a cost that is not known is an empty field."""
    lines = [CSV_HEAD]
    for s in found:
        energies = (round(e) for e in (s.energy_wh, s.sun_wh, s.battery_wh, s.grid_wh))
        cost = "" if s.cost is None else f"{s.cost:.4f}"
        lines.append(",".join([iso(s.start), iso(s.end), *map(str, energies), cost]))
    return "\n".join(lines) + "\n"


def _grouped(past: CarPast) -> Iterator[list[CarQuarter]]:
    group: list[CarQuarter] = []
    for quarter in past.charged:
        if group and _apart(group[-1].start, quarter.start, past.gone):
            yield group
            group = []
        group.append(quarter)
    if group:
        yield group


def _apart(last: datetime, following: datetime, gone: tuple[datetime, ...]) -> bool:
    at = bisect_left(gone, last + QUARTER)
    return (at < len(gone) and gone[at] < following) or following - last > _APART


def _session(parts: list[CarQuarter]) -> Session:
    energy, sun, battery, grid = 0.0, 0.0, 0.0, 0.0
    cost: float | None = 0.0
    for part in parts:
        car_wh = part.energies.charger_wh or 0.0
        of_grid, of_sun = _shares(part)
        energy += car_wh
        grid += car_wh * of_grid
        sun += car_wh * of_sun
        battery += car_wh * (1 - of_grid - of_sun)
        cost = _plus(cost, part, car_wh, of_grid)
    return Session(parts[0].start, parts[-1].start + QUARTER, energy, sun, battery, grid, cost)


def _shares(part: CarQuarter) -> tuple[float, float]:
    """Of what the home used: from the grid, and from the sun at once. All from the grid where nothing is known."""
    e = part.energies
    if not e.load_wh or e.import_wh is None:
        return 1.0, 0.0
    of_grid = min(1.0, max(0.0, e.import_wh / e.load_wh))
    at_once = (e.pv_wh or 0.0) - (e.export_wh or 0.0) - (e.charge_wh or 0.0)
    rest = 1 - of_grid
    return of_grid, rest if not e.discharge_wh else min(rest, max(0.0, at_once / e.load_wh))


def _plus(cost: float | None, part: CarQuarter, car_wh: float, of_grid: float) -> float | None:
    buying, selling = part.import_price_per_kwh, part.export_price_per_kwh
    if cost is None or (of_grid and buying is None) or (of_grid < 1 and selling is None):
        return None
    return cost + car_wh / 1000 * (of_grid * (buying or 0.0) + (1 - of_grid) * (selling or 0.0))


def _percent(part: float, whole: float) -> int:
    return round(100 * part / whole) if whole else 0
