"""The gateway itself: whether it is well, what it decided and expects, and the settings of the home. Pure."""

from __future__ import annotations

from gateway.publishing.discovery.devices import sensor
from gateway.publishing.discovery.frame import (
    NOT_KNOWN,
    ORIGIN,
    Component,
    HomeToDiscover,
    available,
    config_message,
    connected,
    identity,
)
from gateway.publishing.discovery.settings import settings
from gateway.publishing.topics import Message


def gateway_message(home: HomeToDiscover, commands: bool) -> Message:
    parts = {
        "status": connected(home, f"{home.base}/status", "gateway_connected", gone=False),
        "version": {
            "platform": "sensor",
            "name": "Version",
            "state_topic": f"{home.base}/info",
            "value_template": "{{ value_json.version }}",
            "entity_category": "diagnostic",
            **identity(home, "sensor", "gateway_version"),
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
            **available(home),
            **identity(home, "event", "refused_command"),
        },
    }
    for metric in ("pv_power_w", "load_power_w", "battery_soc_pct"):
        parts[metric] = sensor(home, "site", metric, owned=False)
    if commands:
        absent = {"market"} if home.programme else {"market", "programme"}
        parts |= settings(home, lambda setting: setting.part not in absent)
    return config_message(
        home, "gateway", f"Energy gateway {home.site}", (ORIGIN, "Gateway"), parts, via=False
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
        **available(home),
        **identity(home, "binary_sensor", "alarm"),
    }


def _decision(home: HomeToDiscover) -> Component:
    """Why the battery does what it does; Home Assistant keeps states of 255 characters at most."""
    return {
        "platform": "sensor",
        "name": "Decision",
        "state_topic": f"{home.base}/decision",
        "value_template": "{{ (value_json.sentence or 'None')[:250] }}",
        "json_attributes_topic": f"{home.base}/decision",
        **available(home),
        **identity(home, "sensor", "decision"),
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
        **available(home),
        **identity(home, "sensor", "battery_setpoint"),
    }


def _outlook(home: HomeToDiscover) -> dict[str, Component]:
    """What is expected of the next hour; all hours that are planned are attributes, for charts and automations."""
    energy: Component = {"device_class": "energy", "unit_of_measurement": "Wh"}
    price: Component = {"unit_of_measurement": f"{home.currency}/kWh", "suggested_display_precision": 3}  # fmt: skip
    parts: dict[str, Component] = {}
    for name, said, about in (
        ("pv", "Sun expected", energy),
        ("load", "Load expected", energy),
        ("heat", "Heat expected", energy),
        ("import_price", "Import price expected", price),
        ("export_price", "Export price expected", price),
    ):
        if name == "heat" and not home.heats:
            continue
        parts[f"forecast_{name}"] = {
            "platform": "sensor",
            "name": said,
            **about,
            "state_topic": f"{home.base}/forecast/{name}",
            "value_template": "{{ value_json.next_hour }}",
            "json_attributes_topic": f"{home.base}/forecast/{name}",
            **available(home),
            **identity(home, "sensor", f"forecast_{name}"),
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
        "value_template": NOT_KNOWN,
        **available(home),
        **identity(home, "binary_sensor", "car_plugged"),
    }


def _car_phases(home: HomeToDiscover) -> Component:
    """From how many the car draws; why its charger was switched is an attribute."""
    return {
        "platform": "sensor",
        "name": "Car phases",
        "state_topic": f"{home.base}/site/state",
        "value_template": "{{ value_json.charger_phases }}",
        "json_attributes_topic": f"{home.base}/phases",
        **available(home),
        **identity(home, "sensor", "car_phases"),
    }
