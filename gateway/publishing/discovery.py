"""Home Assistant: what it is told so that it makes devices and entities by itself. Pure.

One retained message a device (``<prefix>/device/<id>/config``), published again at Home Assistant's
birth. Sensors read the JSON state, whose ``null`` becomes 'unknown'; each is available only while
both the gateway and its device are. Commands go through the same topics and checks as anyone's, in
the JSON form that `gateway.publishing.commands` asks for. Needs Home Assistant 2025.10 or later
(device discovery, ``default_entity_id``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.domain.metrics import METRICS, title, unit_of
from gateway.domain.readings import Quality, Snapshot
from gateway.domain.setting_kinds import (
    Calendar,
    Choice,
    Kind,
    Number,
    Switch,
    TimeOfDay,
    Weekdays,
)
from gateway.domain.user_settings import SETTINGS, Setting
from gateway.languages import translated
from gateway.publishing.topics import HOME_SCALARS, Message

_ORIGIN = "Home energy gateway"
_KINDS = (("battery_", "battery"), ("grid_", "meter"), ("charger_", "charger"))  # else inverter
_DETAIL = {"entity_category": "diagnostic"}
_DECIMALS = {"W": 0, "kWh": 2, "%": 0, "Hz": 2}  # shown of a number; what is not here: one
_NOT_KNOWN = "{{ 'None' if value == 'null' else value }}"
# What Home Assistant sends: checked, expiring and unique like any other command.
_ID = '{"id":"ha-{{ (utcnow().timestamp() * 1000) | int }}-%s",'
_AROUND = _ID + '"ts":"{{ utcnow().isoformat() }}","ttl_s":60,"value":%s}'
_UNTIMED = _ID + '"value":%s}'  # the gateway's time is not the world's, as in the demo

Component = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HomeToDiscover:
    """The frame of all discovery messages: where things stand and how they are called."""

    base: str
    site: str
    version: str
    prefix: str = "homeassistant"
    publish_s: float = 10
    currency: str = "USD"
    page_url: str = ""  # of our page, for a link; empty where others do not reach it
    language: str = "en"  # of the names
    untimed: bool = False  # the gateway's time is not the world's
    programme: bool = True  # whether the home is in one


Devices = tuple[tuple[str, tuple[str, ...]], ...]  # name and metrics of each


def discovered(snapshot: Snapshot, before: Devices = ()) -> Devices:
    """Devices and their metrics: what the discovery of a home depends on.

    What a device says that it does not have is no entity. What it once had stays (``before``).
    """
    had = dict(before)
    return tuple(
        (
            device.name,
            tuple(
                sorted(
                    {
                        metric
                        for metric, reading in device.readings.items()
                        if metric in METRICS and reading.quality is not Quality.ABSENT
                    }
                    | set(had.get(device.name, ()))
                )
            ),
        )
        for device in snapshot.devices.values()
    )


Makers = tuple[
    tuple[str, tuple[str, str]], ...
]  # name, and maker and model of each that states them


def makers(snapshot: Snapshot) -> Makers:
    """What the devices are by their own word."""
    return tuple((d.name, d.made_by) for d in snapshot.devices.values() if all(d.made_by))


@lru_cache(maxsize=8)
def discovery_messages(
    home: HomeToDiscover,
    devices: Devices,
    commands: bool = True,
    exchange: bool = True,
    made_by: Makers = (),
) -> tuple[Message, ...]:
    """All discovery of a home; cheap to ask for again with the same arguments."""
    messages, known = [_gateway(home, commands)], dict(made_by)
    for name, metrics in devices:
        messages += _device(home, name, metrics, known.get(name))
    messages.append(_market(home, commands, exchange))
    return tuple(messages)


def _device(
    home: HomeToDiscover, name: str, metrics: Iterable[str], made_by: tuple[str, str] | None
) -> list[Message]:
    """One entry for each thing behind a device: a hybrid inverter is an inverter and a battery."""
    by_kind: dict[str, list[str]] = {}
    for metric in metrics:
        kind = next((k for start, k in _KINDS if metric.startswith(start)), "inverter")
        by_kind.setdefault(kind, []).append(metric)
    messages = []
    for kind, names in sorted(by_kind.items()):
        alone = kind == name or len(by_kind) == 1
        key = name if alone else f"{name}_{kind}"
        start = next((start for start, k in _KINDS if k == kind), "inverter_")
        parts = {
            # Home Assistant puts the device's name before the entity's: 'Battery' is not said twice.
            metric: _sensor(home, name, metric) | {"name": METRICS[metric].short_title(start)}
            for metric in names
        }
        parts["connected"] = _connected(
            home, f"{home.base}/{name}/availability", f"{key}_connected"
        )
        title = name.replace("_", " ").capitalize() if alone else f"{name} {kind}".capitalize()
        maker, model = made_by or (_ORIGIN, kind.capitalize())
        if made_by and not alone:  # what hangs behind it is known by it alone
            model = f"{model} ({kind})"
        messages.append(_config(home, key, title, (maker, model), parts))
    return messages


def _gateway(home: HomeToDiscover, commands: bool) -> Message:
    parts = {
        "status": _connected(home, f"{home.base}/status", "gateway_connected", gone=False),
        "version": {
            "platform": "sensor",
            "name": "Version",
            "state_topic": f"{home.base}/info",
            "value_template": "{{ value_json.version }}",
            "entity_category": "diagnostic",
            **_identity(home, "sensor", "gateway_version"),
        },
        "alarms": _alarms(home),
        "decision": _decision(home),
        "car_plugged": _plug(home),
        "car_phases": _car_phases(home),
        "battery_setpoint": _setpoint(home),
        **_outlook(home),
        "event": {
            "platform": "event",
            "name": "Refused command",
            "state_topic": f"{home.base}/event",
            "event_types": ["command_refused"],
            **_available(home),
            **_identity(home, "event", "refused_command"),
        },
    }
    for metric in ("pv_power_w", "load_power_w", "battery_soc_pct"):
        parts[metric] = _sensor(home, "site", metric, owned=False)
    if commands:
        absent = {"market"} if home.programme else {"market", "programme"}
        parts |= _settings(home, lambda setting: setting.part not in absent)
    return _config(
        home, "gateway", f"Energy gateway {home.site}", (_ORIGIN, "Gateway"), parts, via=False
    )


def _alarms(home: HomeToDiscover) -> Component:
    """On while there is something that a person should look at; its sentences are attributes."""
    return {
        "platform": "binary_sensor",
        "name": "Alarm",
        "device_class": "problem",
        "state_topic": f"{home.base}/alarms",
        "value_template": "{{ 'ON' if value_json.count else 'OFF' }}",
        "json_attributes_topic": f"{home.base}/alarms",
        **_available(home),
        **_identity(home, "binary_sensor", "alarm"),
    }


def _decision(home: HomeToDiscover) -> Component:
    """Why the battery does what it does; Home Assistant keeps states of 255 characters at most."""
    return {
        "platform": "sensor",
        "name": "Decision",
        "state_topic": f"{home.base}/decision",
        "value_template": "{{ (value_json.sentence or 'None')[:250] }}",
        "json_attributes_topic": f"{home.base}/decision",
        **_available(home),
        **_identity(home, "sensor", "decision"),
    }


def _setpoint(home: HomeToDiscover) -> Component:
    """What the battery is asked for; unknown while it works by itself. The other setpoints are attributes."""
    return {
        "platform": "sensor",
        "name": "Battery setpoint",
        "device_class": "power",
        "unit_of_measurement": "W",
        "state_class": "measurement",
        "state_topic": f"{home.base}/setpoints",
        "value_template": "{{ value_json.battery_w }}",
        "json_attributes_topic": f"{home.base}/setpoints",
        **_available(home),
        **_identity(home, "sensor", "battery_setpoint"),
    }


def _outlook(home: HomeToDiscover) -> dict[str, Component]:
    """What is expected of the next hour; all hours that are planned are attributes, for charts and automations."""
    energy: Component = {"device_class": "energy", "unit_of_measurement": "Wh"}
    price: Component = {"unit_of_measurement": f"{home.currency}/kWh", "suggested_display_precision": 3}  # fmt: skip
    parts: dict[str, Component] = {}
    for name, said, about in (
        ("pv", "Sun expected", energy),
        ("load", "Load expected", energy),
        ("import_price", "Import price expected", price),
        ("export_price", "Export price expected", price),
    ):
        parts[f"forecast_{name}"] = {
            "platform": "sensor",
            "name": said,
            **about,
            "state_topic": f"{home.base}/forecast/{name}",
            "value_template": "{{ value_json.next_hour }}",
            "json_attributes_topic": f"{home.base}/forecast/{name}",
            **_available(home),
            **_identity(home, "sensor", f"forecast_{name}"),
        }
    return parts


def _plug(home: HomeToDiscover) -> Component:
    return {
        "platform": "binary_sensor",
        "name": "Car",
        "device_class": "plug",
        "state_topic": f"{home.base}/site/car_plugged",
        "payload_on": "true",
        "payload_off": "false",
        "value_template": _NOT_KNOWN,
        **_available(home),
        **_identity(home, "binary_sensor", "car_plugged"),
    }


def _car_phases(home: HomeToDiscover) -> Component:
    """From how many the car draws; why its charger was switched is an attribute."""
    return {
        "platform": "sensor",
        "name": "Car phases",
        "state_topic": f"{home.base}/site/state",
        "value_template": "{{ value_json.charger_phases }}",
        "json_attributes_topic": f"{home.base}/phases",
        **_available(home),
        **_identity(home, "sensor", "car_phases"),
    }


def _market(home: HomeToDiscover, commands: bool, exchange: bool) -> Message:
    money = home.currency
    energy: Component = {"device_class": "energy", "unit_of_measurement": "Wh"}
    price: Component = {
        "unit_of_measurement": f"{money}/kWh",
        "state_class": "measurement",
        "suggested_display_precision": 3,
    }
    account: Component = {
        "device_class": "monetary",
        "unit_of_measurement": money,
        "suggested_display_precision": 2,
    }
    parts: dict[str, Component] = {}
    for name, about in {
        "position_wh": energy,
        "next_position_wh": energy,
        "open_tenders": {"state_class": "measurement"},
        "import_price_per_kwh": price,
        "export_price_per_kwh": price,
        "import_estimate_per_kwh": price | _DETAIL,
        "export_estimate_per_kwh": price | _DETAIL,
        "market_price_per_kwh": price,
        "stored_value_per_kwh": price,
        "bill_today": account,
        "bill_month": account,
        "saved_today": account,
        "saved_month": account,
        "month_without_gateway": account | _DETAIL,
        "month_without_battery": account | _DETAIL,
        "month_without_sun": account | _DETAIL,
        "co2_g_per_kwh": {"unit_of_measurement": "g/kWh", "state_class": "measurement"} | _DETAIL,
        "account_today": account,
        "account_total": {**account, "state_class": "total"},
    }.items():
        if not exchange and name not in HOME_SCALARS:
            continue
        parts[name] = {
            "platform": "sensor",
            "name": title(name, "_per_kwh" if name.endswith("_per_kwh") else "_wh"),
            "state_topic": f"{home.base}/market/state",
            "value_template": f"{{{{ value_json.{name} }}}}",
            **about,
            **_available(home),
            **_identity(home, "sensor", f"market_{name}"),
        }
    if commands and exchange:
        parts |= _settings(home, lambda setting: setting.part == "market")
    named, model = (
        ("Energy market", "Exchange account") if exchange else ("Energy prices", "Tariff")
    )
    return _config(home, "market", f"{named} {home.site}", (_ORIGIN, model), parts)


def _sensor(home: HomeToDiscover, device: str, metric: str, owned: bool = True) -> Component:
    known = METRICS[metric]
    template = f"{{{{ value_json.{metric} }}}}"
    part: Component = {"platform": "sensor", "name": known.title}
    unit, state_class = known.unit, "total_increasing" if known.counts else "measurement"
    if unit == "Wh":  # its usual unit there is kWh
        template, unit = _kwh(metric), "kWh"
    if unit:
        part |= {"unit_of_measurement": unit, "state_class": state_class}
        part["suggested_display_precision"] = _DECIMALS.get(unit, 1)
    device_class = known.device_class or unit_of(known.unit).device_class
    if device_class == "energy" and not known.counts:
        device_class = "energy_storage"
    if device_class:
        part["device_class"] = device_class
    if known.choices:
        part |= {"device_class": "enum", "options": list(known.choices)}
    if known.detail:
        part["entity_category"] = "diagnostic"
    return {
        **part,
        "state_topic": f"{home.base}/{device}/state",
        "value_template": template,
        "expire_after": max(30, round(5 * home.publish_s)),
        **_available(home, device if owned else None),
        **_identity(home, "sensor", f"{device}_{metric}"),
    }


def _kwh(metric: str) -> str:
    value = f"value_json.{metric}"
    return f"{{{{ ({value} / 1000) | round(3) if {value} is number else none }}}}"


def _settings(home: HomeToDiscover, chosen: Callable[[Setting], bool]) -> dict[str, Component]:
    return {name: _setting(home, each) for name, each in SETTINGS.items() if chosen(each)}


def _setting(home: HomeToDiscover, setting: Setting) -> Component:
    """An entity that shows a setting and sets it by its command."""
    platform, quoted, look = _control(home, setting.kind)
    value = '"{{ value }}"' if quoted else "{{ value }}"
    if setting.key:
        value = f'{{"{setting.key}":{value}}}'
    return {
        "platform": platform,
        **look,
        "name": setting.title,
        "command_topic": f"{home.base}/cmd/{setting.command}",
        "command_template": (_UNTIMED if home.untimed else _AROUND) % (setting.name, value),
        "state_topic": f"{home.base}/settings/{setting.name}",
        "value_template": _NOT_KNOWN,
        "qos": 1,
        "retain": False,
        "entity_category": "config",
        **_available(home),
        **_identity(home, platform, setting.name),
    }


def _control(home: HomeToDiscover, kind: Kind) -> tuple[str, bool, Component]:
    """Home Assistant's platform for a kind, whether its value is a text in JSON, and its range."""
    match kind:
        case Number():
            unit = kind.unit.replace("currency", home.currency)
            bounds = {"min": kind.least, "max": kind.most, "step": kind.step, "mode": "box"}
            return "number", False, bounds | {"unit_of_measurement": unit}
        case Switch():
            words = {"payload_on": "true", "payload_off": "false"}
            return "switch", False, words | {"state_on": "true", "state_off": "false"}
        case Choice():
            return "select", True, {"options": list(kind.choices)}
        case TimeOfDay():
            return "text", True, {"pattern": kind.pattern, "max": 5}
        case Weekdays() | Calendar():
            return "text", True, {"pattern": kind.pattern, "min": 0, "max": 255}
    raise NotImplementedError(f"no entity for a setting of the kind {kind.form}")


def _connected(home: HomeToDiscover, topic: str, key: str, gone: bool = True) -> Component:
    """Whether it is reached. The gateway's own is never 'unavailable': it says off itself."""
    return {
        "platform": "binary_sensor",
        "name": "Connected",
        "device_class": "connectivity",
        "state_topic": topic,
        "payload_on": "online",
        "payload_off": "offline",
        "entity_category": "diagnostic",
        **(_available(home) if gone else {}),
        **_identity(home, "binary_sensor", key),
    }


def _available(home: HomeToDiscover, device: str | None = None) -> Component:
    topics = [f"{home.base}/status"]
    if device is not None:
        topics.append(f"{home.base}/{device}/availability")
    return {"availability": [{"topic": t} for t in topics], "availability_mode": "all"}


def _identity(home: HomeToDiscover, platform: str, key: str) -> Component:
    name = f"{home.site}_{key}".replace("-", "_")
    return {"unique_id": f"energy_gateway_{name}", "default_entity_id": f"{platform}.{name}"}


def _config(
    home: HomeToDiscover,
    key: str,
    title: str,
    made_by: tuple[str, str],
    parts: Mapping[str, Component],
    via: bool = True,
) -> Message:
    place = f"energy_gateway_{home.site}_{key}"
    device = {
        "identifiers": [place],
        "name": title,
        "model": made_by[1],
        "manufacturer": made_by[0],
    }
    if via:
        device["via_device"] = f"energy_gateway_{home.site}_gateway"
    else:
        device["sw_version"] = home.version
        if home.page_url:
            device["configuration_url"] = home.page_url
    body = {
        "device": device,
        "origin": {"name": _ORIGIN, "sw_version": home.version},
        "components": parts,
    }
    for part in parts.values():
        part["name"] = translated(home.language, part["name"])
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return Message(f"{home.prefix}/device/{place}/config", text.encode(), 1, True)
