"""The commands as forms of the page, with what holds now. Pure."""

from __future__ import annotations

from typing import Any

from gateway.dashboard.view import HomeView, absent
from gateway.domain.command_specs import COMMANDS, CommandSpec
from gateway.domain.setting_kinds import Calendar, Choice, Kind, Number
from gateway.domain.user_settings import UserSettings

_OF = {"battery": "battery_w", "car": "charger_w"}  # what a setting is about -> its power


def forms(view: HomeView) -> list[dict[str, Any]]:
    """One for each command whose matter the home has."""
    there = (spec for spec in COMMANDS.values() if _is_there(spec, view))
    return [_command(spec, view.settings) for spec in there]


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
