"""The home's present and plan as `energy-gateway status`, `plan` and `dump` are told them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dashboard.live import live
from gateway.dashboard.view import HomeView
from gateway.domain.intervals import iso
from gateway.domain.plan import PlannedInterval
from gateway.domain.price import kwh_price


def told(view: HomeView | None) -> dict[str, Any] | None:
    """``live`` as the page has it, and the plan: a row a quarter-hour. None before the first look at the home."""
    if view is None:
        return None
    now = live(view)
    del now["commands"]
    for which in ("alarms", "notes"):
        now[which] = [said["text"] for said in now[which]]
    plan = [_row(step, view.capacity_wh) for step in view.plan.schedule] if view.plan else []
    return {"live": now, "plan": [row for row in plan if row["end"] > iso(view.time)]}


def _row(step: PlannedInterval, capacity_wh: float | None) -> Mapping[str, Any]:
    """Energies in Wh: pv +, load +, car +, battery discharge +, grid import +; prices a kWh."""
    bought, sold = step.import_quote, step.export_quote
    return {
        "start": iso(step.interval.start),
        "end": iso(step.interval.end),
        "pv_wh": round(step.pv_wh),
        "load_wh": round(step.load_wh),
        "car_wh": round(step.car_wh),
        "heat_wh": round(step.heat_wh),
        "battery_wh": round(step.battery_wh),
        "grid_wh": round(step.grid_wh),
        "soc_pct": round(100 * step.stored_wh / capacity_wh, 1) if capacity_wh else None,
        "import_price": _price(bought.per_mwh),
        "import_known": bought.source.known,
        "export_price": _price(sold.per_mwh),
        "export_known": sold.source.known,
    }


def _price(per_mwh: float | None) -> float | None:
    return None if per_mwh is None else round(kwh_price(per_mwh), 4)
