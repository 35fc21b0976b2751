"""A HomeView as the JSON of this moment: small, and sent every second. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.bill.home import cents
from gateway.dashboard.forms import forms
from gateway.dashboard.spoken import spoken
from gateway.dashboard.view import HomeView, absent
from gateway.domain.control import Reason
from gateway.domain.intervals import iso
from gateway.domain.metrics import title, unit_of
from gateway.domain.readings import DeviceState, Quality
from gateway.domain.sentences import Sentence
from gateway.domain.trade import money_text

_SWITCHED = timedelta(minutes=3)  # spans are asked for once a minute


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
        "commands": forms(view),
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


def _why(reason: Reason) -> str:
    """The reason in words; nothing to say of a battery that does what it does by itself."""
    silent = (Reason.RELEASED, Reason.SELF_CONSUMPTION)
    return "" if reason in silent else reason.words


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
        "fault": "" if device.online or device.asleep or not device.fault else device.fault.text,
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


def _money(money: int | None) -> str | None:
    return None if money is None else money_text(money)
