"""A HomeView as the JSON of the charts: today as it was, today and tomorrow as planned. Sent when a minute is over. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.dashboard.spoken import spoken
from gateway.dashboard.trade_tables import trade_tables
from gateway.dashboard.view import HomeView, absent
from gateway.domain.intervals import floor_to
from gateway.domain.plan import Plan, PlannedInterval
from gateway.domain.price import Quote, kwh_price
from gateway.domain.sentences import Sentence
from gateway.store.minutes import Minute

_STEP = timedelta(minutes=5)
_JOINED_S = 60  # between two ticks of a slow home
_MEASURED = ("pv_w", "load_w", "grid_w", "battery_w", "charger_w", "battery_soc_pct")
_PRICED = ("import_price_per_kwh", "export_price_per_kwh", "stored_value_per_kwh")


def day(view: HomeView) -> dict[str, Any]:
    """Today as it was, today and tomorrow as planned, the offer, and the tables of the trade."""
    start = _midnight(view.time, view.time_zone)
    end = _midnight(start + timedelta(hours=50), view.time_zone)
    past = [m for m in view.minutes if start <= m.time < end]
    return {
        "start": start.timestamp(),
        "end": end.timestamp(),
        "now": view.time.timestamp(),
        "time_zone": view.time_zone,
        "currency": view.currency,
        "exchange": view.trading is not None,
        "absent": sorted(absent(view.snapshot)),
        "past": _columns(_thinned(past)),
        "plan": _planned(view, end),
        "decisions": _decisions(view, start),
        "phases": [
            {
                "since": max(span.since, start).timestamp(),
                "until": span.until.timestamp(),
                "charger": span.charger,
                "sentence": spoken(span.sentence),
            }
            for span in view.phases
            if span.until > start
        ],
        **trade_tables(view),
    }


def _decisions(view: HomeView, start: datetime) -> list[dict[str, Any]]:
    """Today's, with neighbours of one rule and one sentence joined."""
    rows: list[dict[str, Any]] = []
    said: Sentence | None = None
    for decision in view.decisions:
        since, until = max(decision.since, start).timestamp(), decision.until.timestamp()
        if rows and said == decision.sentence and since - rows[-1]["until"] < _JOINED_S:
            rows[-1]["until"] = until
        elif until > since:
            rows.append(
                {
                    "since": since,
                    "until": until,
                    "reason": decision.reason.value,
                    "sentence": spoken(decision.sentence),
                }
            )
            said = decision.sentence
    return rows


def _thinned(minutes: Iterable[Minute]) -> list[tuple[datetime, dict[str, float | None]]]:
    """Means over five minutes: what a screen can show."""
    groups: dict[datetime, list[Minute]] = {}
    for minute in minutes:
        groups.setdefault(floor_to(minute.time, _STEP), []).append(minute)
    return [
        (start, {n: _mean(getattr(m, n) for m in group) for n in (*_MEASURED, *_PRICED)})
        for start, group in groups.items()
    ]


def _columns(rows: Sequence[tuple[datetime, dict[str, float | None]]]) -> dict[str, Any]:
    columns: dict[str, Any] = {"time": [start.timestamp() for start, _ in rows]}
    for name in (*_MEASURED, *_PRICED):
        columns[name] = [_rounded(row[name]) for _, row in rows]
    return columns


def _planned(view: HomeView, end: datetime) -> dict[str, Any]:
    """The schedule of the plan as mean powers, from the running interval on."""
    plan = view.plan
    schedule = [c for c in plan.schedule if view.time < c.interval.end <= end] if plan else []
    columns: dict[str, Any] = {"time": [c.interval.start.timestamp() for c in schedule]}
    powers: dict[str, Callable[[PlannedInterval], float]] = {
        "pv_w": lambda c: c.pv_wh,
        "load_w": lambda c: c.load_wh + c.car_wh + c.heat_wh,
        "grid_w": lambda c: c.grid_wh,
        "battery_w": lambda c: c.battery_wh,
        "charger_w": lambda c: c.car_wh,
    }
    for name, energy in powers.items():
        columns[name] = [_rounded(energy(c) / c.interval.hours) for c in schedule]
    capacity = view.capacity_wh
    columns["battery_soc_pct"] = [
        _rounded(100 * c.stored_wh / capacity) if capacity else None for c in schedule
    ]
    for side, quote in (("import", _import_quote), ("export", _export_quote)):
        quotes = [quote(c) for c in schedule]
        columns[f"{side}_price_per_kwh"] = [_kwh(q.known) for q in quotes]
        columns[f"{side}_estimate_per_kwh"] = [
            None if q.source.known else _kwh(q.per_mwh) for q in quotes
        ]
    exchange = view.trading is not None
    columns["market_price_per_kwh"] = [_kwh(c.market_price) if exchange else None for c in schedule]
    columns["stored_value_per_kwh"] = [_value(plan, c) for c in schedule]
    return columns


def _import_quote(step: PlannedInterval) -> Quote:
    return step.import_quote


def _export_quote(step: PlannedInterval) -> Quote:
    return step.export_quote


def _kwh(per_mwh: float | None) -> float | None:
    return None if per_mwh is None else _rounded(kwh_price(per_mwh))


def _value(plan: Plan | None, step: PlannedInterval) -> float | None:
    """The value of one more stored kWh at the interval's end, with what is planned to be stored."""
    curve = plan.value(step.interval.start) if plan else None
    return _rounded(kwh_price(curve.at(step.stored_wh))) if curve else None


def _midnight(time: datetime, zone: str) -> datetime:
    """The local midnight at or before ``time``."""
    here = time.astimezone(ZoneInfo(zone))
    return here.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(time.tzinfo)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
