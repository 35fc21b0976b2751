"""Domain values -> MQTT messages. Pure; with `gateway.publishing.commands` this is the whole contract.

Everything stands under ``<root>/<site>``. What is measured is retained, so that a late subscriber
sees the home at once; a value that is not known now is the text ``null``, never an old number and
never an empty payload (``Number("")`` is 0 in JavaScript, ``Number("null")`` is not a number).
Ledger events are not retained: each is sent until the broker has acknowledged it, and carries an id
that stays the same when it has to be sent again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from gateway.domain.decisions import Decision, PhaseDecision
from gateway.domain.intervals import iso
from gateway.domain.metrics import METRICS
from gateway.domain.plan import Plan
from gateway.domain.readings import DeviceState, Quality, Snapshot
from gateway.domain.sentences import Sentence
from gateway.domain.user_settings import SETTINGS, UserSettings
from gateway.errors import ConfigError
from gateway.escape import topic_level
from gateway.forecasts.score import Error, ForecastScore
from gateway.languages.sentences import alarm_code, told
from gateway.store.book import Entry

SCHEMA = 1  # counts up when a topic or a field changes its meaning or goes away
RESERVED = frozenset(
    [
        "status",
        "info",
        "site",
        "market",
        "forecast",
        "plan",
        "decision",
        "setpoints",
        "ledger",
        "settings",
        "cmd",
        "gateway",
        "alarms",
        "event",
    ]
)
ONLINE, OFFLINE = b"online", b"offline"
UNKNOWN = b"null"

Scalar = float | int | bool | str | None


class Message(NamedTuple):
    """One message for the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True)
class MarketState:
    """The trading side at one moment, for other software. None = not known.

    Energy in integer Wh (sold +), prices in currency units per kWh, money as exact decimal text.
    The position holds for the running delivery interval, the next one for the one that follows.
    """

    time: datetime
    currency: str
    trading: bool | None = None
    position_wh: int | None = None
    next_position_wh: int | None = None
    open_tenders: int | None = None
    import_price_per_kwh: float | None = None
    export_price_per_kwh: float | None = None
    market_price_per_kwh: float | None = None
    stored_value_per_kwh: float | None = None
    account_today: str | None = None
    account_total: str | None = None
    import_estimate_per_kwh: float | None = None
    export_estimate_per_kwh: float | None = None
    bill_today: str | None = None
    bill_month: str | None = None
    bill_year: str | None = None
    year_since: str | None = None
    saved_today: str | None = None
    saved_month: str | None = None
    saved_year: str | None = None
    month_without_gateway: str | None = None
    month_without_battery: str | None = None
    month_without_sun: str | None = None
    self_sufficiency_today_pct: float | None = None
    self_sufficiency_month_pct: float | None = None
    self_sufficiency_year_pct: float | None = None
    co2_g_per_kwh: float | None = None


# scalar under <root>/<site>/site -> (field of Snapshot, unit, what it is)
SITE_SCALARS: Mapping[str, tuple[str, str, str]] = {
    "pv_power_w": ("pv_w", "W", "PV production"),
    "load_power_w": ("load_w", "W", METRICS["load_power_w"].about),
    "grid_power_w": ("grid_w", "W", METRICS["grid_power_w"].about),
    "battery_power_w": ("battery_w", "W", METRICS["battery_power_w"].about),
    "battery_soc_pct": ("battery_soc_pct", "%", METRICS["battery_soc_pct"].about),
    "charger_power_w": ("charger_w", "W", METRICS["charger_power_w"].about),
    "car_plugged": ("car_plugged", "", "true | false: a car is plugged in"),
    "charger_phases": (
        "charger_phases",
        "",
        "phases from which the car draws, as far as it was seen",
    ),
    "car_session_wh": ("car_session_wh", "Wh", METRICS["charger_session_wh"].about),
    "grid_import_wh": ("grid_import_wh", "Wh", METRICS["grid_import_wh"].about),
    "grid_export_wh": ("grid_export_wh", "Wh", METRICS["grid_export_wh"].about),
}

# scalar under <root>/<site>/market -> (unit, what it is); the names are fields of MarketState
MARKET_SCALARS: Mapping[str, tuple[str, str]] = {
    "trading": ("", "true | false: whether surplus is offered now"),
    "position_wh": ("Wh", "sold (+) or bought (-) for the running delivery interval"),
    "next_position_wh": ("Wh", "sold (+) or bought (-) for the next delivery interval"),
    "open_tenders": ("", "tenders that may still be filled"),
    "import_price_per_kwh": ("currency/kWh", "what the retailer charges now"),
    "export_price_per_kwh": ("currency/kWh", "what the retailer pays now"),
    "import_estimate_per_kwh": ("currency/kWh", "while that is not known: what is planned with"),
    "export_estimate_per_kwh": ("currency/kWh", "while that is not known: what is planned with"),
    "bill_today": (
        "currency",
        "the retailer's bill of today so far, exact decimal text, + is to pay",
    ),
    "bill_month": ("currency", "the same of this month"),
    "bill_year": ("currency", "the same of this year, from the day on from which it is counted"),
    "year_since": ("", "that day: the first of January, or when the gateway began to meter"),
    "saved_today": ("currency", "what today would have cost more by the inverter's own rule"),
    "saved_month": ("currency", "the same of this month"),
    "saved_year": ("currency", "the same of this year"),
    "month_without_gateway": ("currency", "this month's bill by the inverter's own rule"),
    "month_without_battery": ("currency", "this month's bill without the battery"),
    "month_without_sun": ("currency", "this month's bill with all energy bought"),
    "self_sufficiency_today_pct": ("%", "share of the energy used today that was not imported"),
    "self_sufficiency_month_pct": ("%", "the same of this month"),
    "self_sufficiency_year_pct": ("%", "the same of this year"),
    "co2_g_per_kwh": ("g/kWh", "CO2 of the grid's electricity now, where a price feed tells it"),
    "market_price_per_kwh": ("currency/kWh", "expected clearing price of the next interval"),
    "stored_value_per_kwh": ("currency/kWh", "value of one more stored kWh"),
    "account_today": ("currency", "settled today, exact decimal text, to the home +"),
    "account_total": ("currency", "settled since the journal began, exact decimal text"),
}

# those that a home has without an exchange too
_HOME = ("import_", "export_", "stored_", "bill_", "saved_", "month_", "year_", "self_", "co2_")
HOME_SCALARS = frozenset(name for name in MARKET_SCALARS if name.startswith(_HOME))

# scalar under <root>/<site>/forecast -> (unit, what it is): an hour ahead, over the last day
FORECAST_SCALARS: Mapping[str, tuple[str, str]] = {
    f"{name}_{part}": (unit if part != "inside_pct" else "%", f"{what}: {about}")
    for name, unit, what in (
        ("load", "Wh", "load of a quarter-hour, without the car"),
        ("pv", "Wh", "PV of a quarter-hour"),
        ("price", "currency/MWh", "real-time market price"),
    )
    for part, about in (
        ("mean_absolute", "mean absolute error of its forecast"),
        ("bias", "mean of forecast less what came"),
        ("inside_pct", "share that came between the low and the high quantile (80 is right)"),
    )
}


def base_topic(root: str, site: str) -> str:
    """The topic under which everything of one home stands."""
    return f"{root}/{site}"


def check_names(devices: Iterable[str]) -> None:
    """Raise ConfigError when a device's name would take a topic of the gateway itself."""
    for name in devices:
        if name in RESERVED:
            used = ", ".join(sorted(RESERVED))
            raise ConfigError(
                f"device.name = {name!r} is a name that the gateway uses itself ({used}); rename it"
            )


def status(base: str, online: bool) -> Message:
    """The gateway itself; the broker publishes the offline form (the will) when we vanish."""
    return Message(f"{base}/status", ONLINE if online else OFFLINE, 1, True)


def info(base: str, version: str, devices: Iterable[str]) -> Message:
    """Who publishes here."""
    about = {"version": version, "schema": SCHEMA, "devices": list(devices)}
    return Message(f"{base}/info", _json(about), 1, True)


def device_messages(base: str, device: DeviceState, language: str = "en") -> list[Message]:
    """State, scalars and availability of one device; a reading that is not good is ``null``."""
    place = f"{base}/{device.name}"
    messages = []
    state: dict[str, Any] = {"ts": None}
    faults: dict[str, str] = {}
    newest: datetime | None = None
    for name, reading in device.readings.items():
        good = device.online and reading.quality is Quality.GOOD
        value = _plain(reading.value) if good else None
        state[name] = value
        if not good:
            faults[name] = (Quality.STALE if _was_good(reading.quality) else reading.quality).value
        if newest is None or reading.time > newest:
            newest = reading.time
        messages.append(Message(f"{place}/{name}", scalar(value), 0, True))
    state["ts"] = iso(newest) if newest else None
    state["quality"] = _overall(device.online, faults)
    if faults:
        state["faults"] = faults
    if device.notes:
        state["notes"] = [told(language, note) for note in device.notes]
    messages.append(Message(f"{place}/state", _json(state), 1, True))
    available = ONLINE if device.online else OFFLINE
    messages.append(Message(f"{place}/availability", available, 1, True))
    return messages


def site_messages(base: str, snapshot: Snapshot) -> list[Message]:
    """The home's sums; one that misses a part is ``null``."""
    values = {
        name: _plain(getattr(snapshot, field)) for name, (field, _, _) in SITE_SCALARS.items()
    }
    messages = [Message(f"{base}/site/{n}", scalar(v), 0, True) for n, v in values.items()]
    state = {"ts": iso(snapshot.time), **values}
    messages.append(Message(f"{base}/site/state", _json(state), 1, True))
    return messages


def snapshot_messages(base: str, snapshot: Snapshot, language: str = "en") -> list[Message]:
    """The whole measured home: every device and the sums."""
    messages = []
    for device in snapshot.devices.values():
        messages += device_messages(base, device, language)
    return messages + site_messages(base, snapshot)


def forecast_messages(base: str, score: ForecastScore | None) -> list[Message]:
    """How good the forecasts were; null until something could be compared."""
    messages = []
    for name in ("load", "pv", "price"):
        error: Error | None = getattr(score, name) if score else None
        values = {
            "mean_absolute": round(error.mean_absolute, 1) if error else None,
            "bias": round(error.bias, 1) if error else None,
            "inside_pct": round(100 * error.inside) if error else None,
        }
        messages += [
            Message(f"{base}/forecast/{name}_{part}", scalar(value), 0, True)
            for part, value in values.items()
        ]
    return messages


def market_messages(base: str, market: MarketState, *, exchange: bool = True) -> list[Message]:
    """Position, prices and account; without an exchange what the retailer charges and pays."""
    names = [n for n in MARKET_SCALARS if exchange or n in HOME_SCALARS]
    values = {name: _plain(getattr(market, name)) for name in names}
    messages = [Message(f"{base}/market/{n}", scalar(v), 0, True) for n, v in values.items()]
    state = {"ts": iso(market.time), "currency": market.currency, **values}
    messages.append(Message(f"{base}/market/state", _json(state), 1, True))
    return messages


def plan_message(base: str, plan: Plan | None, language: str = "en") -> Message:
    """What the newest plan says to people, and what it assumes of prices that are not published yet."""
    body: dict[str, Any] = {"ts": None, "strategy": None, "notes": [], "assumed": []}
    if plan is not None:
        body = {
            "ts": iso(plan.made_at),
            "strategy": plan.strategy,
            "notes": [told(language, note) for note in plan.notes],
            "assumed": [told(language, note) for note in plan.assumed],
        }
    return Message(f"{base}/plan", _json(body), 1, True)


def decision_message(base: str, decision: Decision | None, language: str = "en") -> Message:
    """Why the battery does what it does now; ``since`` is when that began."""
    body: dict[str, Any] = {"since": None, "reason": None, "sentence": None}
    if decision is not None:
        body = {
            "since": iso(decision.since),
            "reason": decision.reason.value,
            "sentence": told(language, decision.sentence),
        }
    return Message(f"{base}/decision", _json(body), 1, True)


def phases_message(base: str, spans: Sequence[PhaseDecision], language: str = "en") -> Message:
    """Why each charger that was switched uses the phases that it uses; ``since`` is when that began."""
    chargers = {
        span.charger: {
            "phases": span.phases,
            "since": iso(span.since),
            "reason": span.reason.value,
            "sentence": told(language, span.sentence),
        }
        for span in spans
    }
    return Message(f"{base}/phases", _json({"chargers": chargers}), 1, True)


def settings_messages(base: str, settings: UserSettings) -> list[Message]:
    """What now holds of all that can be commanded."""
    return [
        Message(f"{base}/settings/{name}", scalar(settings.shown(name)), 0, True)
        for name in SETTINGS
    ]


def alarms_message(base: str, alarms: Sequence[Sentence], language: str = "en") -> Message:
    """What a person should look at now: sentences, and their codes for programs; empty when all is well."""
    body = {
        "count": len(alarms),
        "alarms": [told(language, alarm) for alarm in alarms],
        "codes": [alarm_code(alarm) for alarm in alarms],
    }
    return Message(f"{base}/alarms", _json(body), 1, True)


def event_message(base: str, kind: str, about: Mapping[str, Any]) -> Message:
    """Something that has happened and is over, for automations; not retained."""
    text = json.dumps({"event_type": kind, **about}, separators=(",", ":"), ensure_ascii=False)
    return Message(f"{base}/event", text.encode(errors="replace"), 1, False)


def result_message(base: str, name: str, result: Mapping[str, Any]) -> Message:
    """The answer to a command."""
    text = json.dumps(result, separators=(",", ":"), ensure_ascii=False, default=str)
    return Message(
        f"{base}/cmd/{topic_level(name)}/result", text.encode(errors="replace"), 1, False
    )


def ledger_message(base: str, entry: Entry) -> Message:
    """One row of the account. Consumers drop an ``id`` that they have seen before."""
    event = {
        "id": ledger_id(entry),
        "seq": entry.seq,
        "ts": iso(entry.time),
        "kind": entry.kind,
        "body": entry.body,
    }
    return Message(f"{base}/ledger/event", _json(event), 1, False)


def ledger_id(entry: Entry) -> str:
    """The same for the same row, in every life of the gateway; another journal gives another id."""
    body = json.dumps(entry.body, sort_keys=True, separators=(",", ":"))
    text = f"{entry.seq}\n{iso(entry.time)}\n{entry.kind}\n{body}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def scalar(value: Scalar) -> bytes:
    """One value as text: ``true``, ``12.5``, ``charging`` or ``null``."""
    value = _plain(value)
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return str(value).encode()


def _plain(value: Scalar) -> Scalar:
    """Numbers to three decimals, whole ones without a point; not a number is not known."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    value = round(value, 3)
    return int(value) if value.is_integer() else value


def _was_good(quality: Quality) -> bool:
    return quality in (Quality.GOOD, Quality.STALE)


def _overall(online: bool, faults: Mapping[str, str]) -> str:
    """The worst of a device: good | stale | bad. What it does not implement is no fault."""
    if not online or "stale" in faults.values():
        return Quality.STALE.value
    return Quality.BAD.value if "bad" in faults.values() else Quality.GOOD.value


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
