"""What will be, as MQTT messages: the plan by the quarter-hour, forecasts by the hour, and what is asked of the devices now. Pure.

The forecasts are lists by the hour, small enough for an attribute of Home Assistant (which records 16 KiB at most); `next_hour` and
`remaining_today` are numbers to automate with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.domain.control import Setpoints
from gateway.domain.intervals import iso
from gateway.domain.plan import Plan, PlannedInterval
from gateway.domain.price import Quote, kwh_price
from gateway.publishing.heat_outlook import Heating, heat_outlook
from gateway.publishing.topics import Message

_HOUR = timedelta(hours=1)
_ENERGIES: dict[str, Callable[[PlannedInterval], float]] = {
    "pv": lambda step: step.pv_wh,
    "load": lambda step: step.load_wh,
    "grid": lambda step: step.grid_wh,
    "battery": lambda step: step.battery_wh,
    "car": lambda step: step.car_wh,
    "heat": lambda step: step.heat_wh,
}
_PRICES: dict[str, Callable[[PlannedInterval], Quote]] = {
    "import_price": lambda step: step.import_quote,
    "export_price": lambda step: step.export_quote,
}
FORECASTS = (*_ENERGIES, *_PRICES)


def setpoints_message(base: str, asked: Setpoints) -> Message:
    """What is asked of the devices now; null where nothing is, and the device does what it does by itself."""
    body = {
        "battery_w": asked.battery_w,
        "batteries_w": dict(asked.batteries_w),
        "chargers_a": dict(asked.chargers_a),
        "charger_phases": dict(asked.charger_phases),
        "pv_limits_w": dict(asked.pv_limits_w),
        "export_limit_w": asked.export_limit_w,
        "heaters_w": dict(asked.heaters_w),
        "sg_ready": dict(asked.sg_ready),
        "heat_reasons": {name: why.value for name, why in asked.heat_reasons.items()},
        "reason": asked.reason.value,
    }
    return _message(f"{base}/setpoints", body)


@dataclass(frozen=True, slots=True)
class PlannedHome:
    """What there is to know of a home beside its plan: time zone, currency, size of its battery, its heaters as they are now."""

    zone: str
    currency: str
    capacity_wh: float | None = None
    heaters: Heating = field(default_factory=dict)


def outlook_messages(
    base: str,
    plan: Plan | None,
    now: datetime,
    home: PlannedHome,
) -> list[Message]:
    """The schedule and the forecasts from ``now`` on; empty lists while nothing is planned."""
    steps = [s for s in plan.schedule if s.interval.end > now] if plan else []
    made = iso(plan.made_at) if plan else None
    schedule = {
        "ts": made,
        "currency": home.currency,
        "quarters": [_quarter(step, home.capacity_wh) for step in steps],
    }
    messages = [_message(f"{base}/plan/schedule", schedule)]
    midnight = _next_midnight(now, home.zone)
    for name, energy in _ENERGIES.items():
        hours = _by_hour(steps, energy, sum)
        today = [energy(s) for s in steps if s.interval.end <= midnight]
        body: dict[str, Any] = {
            "ts": made,
            "unit": "Wh",
            "next_hour": hours[0]["value"] if hours else None,
            "remaining_today": round(sum(today)) if steps else None,
            "hours": hours,
        }
        if name == "heat":
            body["heaters"] = heat_outlook(plan, home.heaters, now, ZoneInfo(home.zone))
        messages.append(_message(f"{base}/forecast/{name}", body))
    for name, quote in _PRICES.items():
        hours = _by_hour(steps, lambda step, quote=quote: _kwh(quote(step)), _mean)  # type: ignore[misc]
        body = {
            "ts": made,
            "unit": f"{home.currency}/kWh",
            "next_hour": hours[0]["value"] if hours else None,
            "known_until": _known_until(steps, quote),
            "hours": hours,
        }
        messages.append(_message(f"{base}/forecast/{name}", body))
    return messages


def _quarter(step: PlannedInterval, capacity_wh: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"start": iso(step.interval.start)}
    row |= {f"{name}_wh": round(energy(step)) for name, energy in _ENERGIES.items()}
    row["soc_pct"] = round(100 * step.stored_wh / capacity_wh, 1) if capacity_wh else None
    for name, quote in _PRICES.items():
        price = quote(step)
        row[name] = _kwh(price)
        row[f"{name}_known"] = price.source.known
    return row


def _by_hour(
    steps: Sequence[PlannedInterval],
    value: Callable[[PlannedInterval], float],
    joined: Callable[[list[float]], float],
) -> list[dict[str, Any]]:
    hours: dict[datetime, list[float]] = {}
    for step in steps:
        start = step.interval.start.replace(minute=0, second=0, microsecond=0)
        hours.setdefault(start, []).append(value(step))
    return [{"start": iso(start), "value": round(joined(v), 4)} for start, v in hours.items()]


def _known_until(steps: Sequence[PlannedInterval], quote: Callable[[PlannedInterval], Quote]) -> str | None:  # fmt: skip
    """To when the price is published and no estimate."""
    until = None
    for step in steps:
        if not quote(step).source.known:
            break
        until = iso(step.interval.end)
    return until


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _kwh(quote: Quote) -> float:
    return round(kwh_price(quote.per_mwh), 6)


def _next_midnight(now: datetime, zone: str) -> datetime:
    here = now.astimezone(ZoneInfo(zone))
    day = (here + timedelta(days=1)).date()
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))


def _message(topic: str, body: dict[str, Any]) -> Message:
    return Message(topic, json.dumps(body, separators=(",", ":")).encode(), 1, True)
