"""The user's settings as entities that show and set them. Pure."""

from __future__ import annotations

from collections.abc import Callable

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
from gateway.publishing.discovery.frame import (
    NOT_KNOWN,
    Component,
    HomeToDiscover,
    available,
    identity,
)

# What Home Assistant sends: checked, expiring and unique like any other command.
_ID = '{"id":"ha-{{ (utcnow().timestamp() * 1000) | int }}-%s",'
_AROUND = _ID + '"ts":"{{ utcnow().isoformat() }}","ttl_s":60,"value":%s}'
_UNTIMED = _ID + '"value":%s}'  # the gateway's time is not the world's, as in the demo


def settings(home: HomeToDiscover, chosen: Callable[[Setting], bool]) -> dict[str, Component]:
    parts: dict[str, Component] = {}
    for name, each in SETTINGS.items():
        if chosen(each):
            parts[name] = _setting(home, each)
            if isinstance(each.kind, Number) and each.kind.optional:
                parts[f"{name}_none"] = _none(home, each)
    return parts


def _setting(home: HomeToDiscover, setting: Setting) -> Component:
    """An entity that shows a setting and sets it by its command."""
    platform, quoted, look = _control(home, setting.kind)
    return {
        "platform": platform,
        **look,
        "name": setting.title,
        **_command(home, setting, '"{{ value }}"' if quoted else "{{ value }}"),
        "state_topic": f"{home.base}/settings/{setting.name}",
        "value_template": NOT_KNOWN,
        **identity(home, platform, setting.name),
    }


def _none(home: HomeToDiscover, setting: Setting) -> Component:
    """The button beside a number that there may be none of: Home Assistant's number cannot say so."""
    return {
        "platform": "button",
        "name": f"{setting.title}: none",
        **_command(home, setting, "null"),
        **identity(home, "button", f"{setting.name}_none"),
    }


def _command(home: HomeToDiscover, setting: Setting, value: str) -> Component:
    """What both have: the setting's command, with ``value`` as JSON or a template that makes it."""
    if setting.key:
        value = f'{{"{setting.key}":{value}}}'
    return {
        "command_topic": f"{home.base}/cmd/{setting.command}",
        "command_template": (_UNTIMED if home.untimed else _AROUND) % (setting.name, value),
        "qos": 1,
        "retain": False,
        "entity_category": "config",
        **available(home),
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
