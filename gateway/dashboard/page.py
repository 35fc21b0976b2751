"""A HomeView as the JSON that the page draws. Pure.

``live`` is small and sent every second; ``day`` holds the charts and is sent when a minute is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from gateway.bill.home import cents
from gateway.dashboard.spoken import spoken
from gateway.dashboard.view import HomeView
from gateway.domain.command_specs import COMMANDS, CommandSpec
from gateway.domain.control import Reason
from gateway.domain.intervals import floor_to, iso
from gateway.domain.metrics import title, unit_of
from gateway.domain.plan import OfferCurve, Plan, PlannedInterval
from gateway.domain.price import Price, Quote, kwh_price
from gateway.domain.readings import DeviceState, Quality, Snapshot
from gateway.domain.sentences import Sentence
from gateway.domain.setting_kinds import Calendar, Choice, Kind, Number
from gateway.domain.trade import Settlement, money_text
from gateway.domain.user_settings import UserSettings
from gateway.store.book import TenderState
from gateway.store.minutes import Minute

T = TypeVar("T")

_PARTS = {
    "pv_w": "pv_power_w",
    "battery_w": "battery_power_w",
    "charger_w": "charger_state",
}
_OF = {"battery": "battery_w", "car": "charger_w"}  # what a setting is about -> its power
_STEP = timedelta(minutes=5)
_SWITCHED = timedelta(minutes=3)  # spans are asked for once a minute
_JOINED_S = 60  # between two ticks of a slow home
_ROWS = 40  # of each table; the whole account is on the command line
_MEASURED = ("pv_w", "load_w", "grid_w", "battery_w", "charger_w", "battery_soc_pct")
_PRICED = ("import_price_per_kwh", "export_price_per_kwh", "stored_value_per_kwh")


def live(view: HomeView) -> dict[str, Any]:
    """The numbers of this moment: flow, health, market, account, commands.

    ``absent`` are the powers that no device of this home measures.
    """
    seen = view.snapshot
    missing = absent(seen)
    return {
        "site": view.site,
        "version": view.version,
        "time": iso(view.time),
        "time_zone": view.time_zone,
        "currency": view.currency,
        "power": {
            "pv_w": seen.pv_w if seen else None,
            "load_w": seen.load_w if seen else None,
            "grid_w": seen.grid_w if seen else None,
            "battery_w": seen.battery_w if seen else None,
            "charger_w": seen.charger_w if seen else None,
        },
        "soc_pct": seen.battery_soc_pct if seen else None,
        "car_soc_pct": view.car_soc_pct,
        "car_plugged": seen.car_plugged if seen else None,
        "absent": sorted(missing),
        "reason": "" if "battery_w" in missing else _why(view.setpoints.reason),
        "prices": {
            "import": view.import_price_per_kwh,
            "export": view.export_price_per_kwh,
            "market": view.market_price_per_kwh,
            "stored_value": view.stored_value_per_kwh,
            "import_estimate": view.import_estimate_per_kwh,
            "export_estimate": view.export_estimate_per_kwh,
        },
        "bill": _bill(view),
        "trading": view.trading,
        "position_wh": view.position_wh,
        "next_position_wh": view.next_position_wh,
        "account": _money(view.account_money),
        "today": _money(view.today_money),
        "links": dict(view.links),
        "devices": [_device(d, view) for d in seen.devices.values()] if seen else [],
        "alarms": [spoken(alarm) for alarm in dict.fromkeys(view.notes)],
        "notes": [spoken(note) for note in _notes(view)],
        "commands": [
            _command(spec, view.settings) for spec in COMMANDS.values() if _is_there(spec, view)
        ],
    }


def _notes(view: HomeView) -> list[Sentence]:
    """All of it, alarms first. What a person should know now: of the guard, of the devices, of the plan; each once."""
    devices = view.snapshot.devices.values() if view.snapshot else ()
    of_devices = (replace(note, who=device.name) for device in devices for note in device.notes)
    of_plan = (*view.plan.notes, *view.plan.assumed) if view.plan else ()
    return list(dict.fromkeys([*view.notes, *of_devices, *of_plan]))


def _bill(view: HomeView) -> dict[str, Any] | None:
    """To the cent, + is to pay; null before anything is metered. ``since``: where counting began within the period."""
    bills = view.bills
    if bills is None:
        return None
    zone, own = ZoneInfo(view.time_zone), bills.self_sufficiency_pct
    began = bills.year.bill.start.astimezone(zone)
    whole_year = (began.month, began.day) == (1, 1)
    return {
        name: {
            "total": cents(found.total_money),
            "saved": cents(found.saved_money),
            "without_gateway": cents(found.without_gateway),
            "without_battery": cents(found.without_battery),
            "without_sun": cents(found.without_sun),
            "unpriced_wh": found.bill.unpriced_wh,
            "programme_unknown": found.programme_unknown > 0,
            "self_sufficiency_pct": None if share is None else round(share, 1),
            "since": iso(began) if name == "year" and not whole_year else None,
        }
        for name, found, share in (
            ("today", bills.today, own.today),
            ("month", bills.month, own.month),
            ("year", bills.year, own.year),
        )
    }


def _is_there(spec: CommandSpec, view: HomeView) -> bool:
    """Whether the home has what the command is about; a market counts where there is an exchange."""
    part = spec.settings[0].part
    if part == "market":
        return view.trading is not None
    if part == "programme":
        return view.programme
    return _OF.get(part) not in absent(view.snapshot)


def _command(spec: CommandSpec, user: UserSettings) -> dict[str, Any]:
    """A form: one control for each setting that the command sets, with what holds now."""
    return {
        "name": spec.name,
        "title": spec.title,
        "about": [setting.about for setting in spec.settings],
        "fields": [
            {
                "key": setting.key,
                "title": setting.title,
                "form": setting.kind.form,
                "unit": setting.kind.unit,
                "value": user.shown(setting.name),
                **_bounds(setting.kind),
            }
            for setting in spec.settings
        ],
    }


def _bounds(kind: Kind) -> dict[str, Any]:
    """What the control lets in."""
    match kind:
        case Number():
            return {"least": kind.least, "most": kind.most, "optional": kind.optional}
        case Choice():
            return {"choices": list(kind.choices)}
        case Calendar():
            return {"looks": kind.looks}
        case _:
            return {}


def _why(reason: Reason) -> str:
    """The reason in words; nothing to say of a battery that does what it does by itself."""
    silent = (Reason.RELEASED, Reason.SELF_CONSUMPTION)
    return "" if reason in silent else reason.words


def absent(seen: Snapshot | None) -> frozenset[str]:
    """Parts that this home does not have: none of its devices measures them.

    Nothing is absent before every device has answered once; one that is lost still has its readings.
    """
    if seen is None or not all(d.readings for d in seen.devices.values()):
        return frozenset()
    had = {
        r.metric
        for d in seen.devices.values()
        for r in d.readings.values()
        if r.quality is not Quality.ABSENT
    }
    return frozenset(part for part, metric in _PARTS.items() if metric not in had)


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
        "offer": _offer(view.offer),
        "tenders": _newest(
            view.tenders, lambda s: _tender(s, view.time), lambda s: s.tender.interval.start
        ),
        "fills": _newest(
            view.transactions,
            lambda t: {
                "start": iso(t.interval.start),
                "side": t.side.value,
                "quantity_wh": t.quantity_wh,
                "price_per_kwh": Price(t.price_ticks).per_kwh,
                "money": money_text(t.money),
            },
            lambda t: t.interval.start,
        ),
        "deliveries": _newest(_deliveries(view), lambda row: row, lambda row: row["start"]),
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


def _phases(name: str, view: HomeView) -> dict[str, Any]:
    """From how many phases the car at this charger draws, and why it was switched to them; null where not known."""
    chargers = view.snapshot.chargers if view.snapshot else ()
    used = next((c.phases for c in chargers if c.name == name and c.plugged), None)
    spans = [s for s in view.phases if s.charger == name and view.time - s.until < _SWITCHED]
    known = spans and used is not None
    why = spoken(max(spans, key=lambda s: s.since).sentence) if known else None
    return {"phases": used, "phases_why": why}


def _heat_why(name: str, view: HomeView) -> str:
    """Why this heater heats or does not, as half a sentence; empty for what is no heater, or is not steered."""
    why = view.setpoints.heat_reasons.get(name)
    return "" if why is None else why.words


def _device(device: DeviceState, view: HomeView) -> dict[str, Any]:
    readings = device.readings.values()
    newest = max((r.time for r in readings), default=None)
    bad = sorted(r.metric for r in readings if r.quality is Quality.BAD)
    return {
        "name": device.name,
        "model": " ".join(part for part in device.made_by if part),
        "online": device.online,
        "asleep": device.asleep,
        "fault": "" if device.online or device.asleep else device.fault,
        "seen": iso(newest) if newest else None,
        "bad": bad,
        **_phases(device.name, view),
        "heat_why": _heat_why(device.name, view),
        "readings": [
            {
                "metric": r.metric,
                "title": title(r.metric, unit_of(r.unit).suffix),
                "value": r.value if device.online and r.quality is Quality.GOOD else None,
                "unit": r.unit,
                "quality": r.quality.value,
            }
            for r in readings
            if r.quality is not Quality.ABSENT
        ],
    }


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


def _offer(offer: OfferCurve | None) -> dict[str, Any] | None:
    if offer is None:
        return None
    steps = [{"price_per_kwh": kwh_price(s.price_per_mwh), "net_wh": s.net_wh} for s in offer.steps]
    return {"start": iso(offer.interval.start), "end": iso(offer.interval.end), "steps": steps}


def _tender(state: TenderState, now: datetime) -> dict[str, Any]:
    tender = state.tender
    return {
        "start": iso(tender.interval.start),
        "side": tender.side.value,
        "quantity_wh": tender.quantity_wh,
        "price_per_kwh": Price(tender.price_ticks).per_kwh,
        "filled_wh": state.filled_wh,
        "state": _fate(state, now),
    }


def _fate(state: TenderState, now: datetime) -> str:
    if not state.answered:
        return "sent"
    if not state.accepted:
        return "refused"
    if state.filled_wh >= state.tender.quantity_wh:
        return "filled"
    if state.closed:
        return "closed"
    if state.filled_wh:
        return "partly filled"
    return "open" if now < state.tender.expires else "not filled"


def _deliveries(view: HomeView) -> list[dict[str, Any]]:
    """What was sold, what the meter counted, and what it was worth, for each interval."""
    settled: dict[datetime, list[Settlement]] = {}
    for row in view.settlements:
        settled.setdefault(row.interval.start, []).append(row)
    sold: dict[datetime, int] = {}
    for fill in view.transactions:
        sold[fill.interval.start] = sold.get(fill.interval.start, 0) + fill.net_wh
    rows = []
    for metered in view.metered:
        start = metered.interval.start
        money = [s.total_money for s in settled.get(start, ())]
        rows.append(
            {
                "start": iso(start),
                "sold_wh": sold.get(start, 0),
                "metered_wh": metered.net_wh,
                "quality": metered.quality.value,
                "money": money_text(sum(money)) if money else None,
            }
        )
    return rows


def _newest(
    items: Iterable[T], show: Callable[[T], dict[str, Any]], when: Callable[[T], Any]
) -> list[dict[str, Any]]:
    ordered = sorted(items, key=when, reverse=True)
    return [show(item) for item in ordered[:_ROWS]]


def _midnight(time: datetime, zone: str) -> datetime:
    """The local midnight at or before ``time``."""
    here = time.astimezone(ZoneInfo(zone))
    return here.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(time.tzinfo)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _money(money: int | None) -> str | None:
    return None if money is None else money_text(money)
