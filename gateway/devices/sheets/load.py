"""A sheet's file to a `Profile`: read, checked, made. Errors name file, line and key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from gateway.devices.datasheet import Communication, Profile, Source, SunSpecSheet
from gateway.devices.sheets.format import Communication as Asking
from gateway.devices.sheets.format import Match, Sheet
from gateway.devices.sheets.names import Names
from gateway.devices.sheets.problem import SheetError, blame, expression, line_of
from gateway.devices.sheets.readings import outputs_of
from gateway.devices.sheets.steering import Steering
from gateway.domain.control import Control
from gateway.errors import ConfigError
from gateway.modbus.frames import TidMode
from gateway.modbus.registers import Field

_LARGEST = 200_000


def load(path: Path) -> Profile:
    """The profile that a file describes; raises ConfigError."""
    try:
        if path.exists() and not path.is_file():  # a pipe or a device would be read for ever
            raise ConfigError(f"{path}: is no file")
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"{path}: more than {_LARGEST} bytes are no sheet")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return profile_of(text, str(path))


def profile_of(text: str, file: str) -> Profile:
    """The profile of a sheet's text; ``file`` is named in errors. Raises ConfigError."""
    return made(sheet_of(text, file), text, file)


def sheet_of(text: str, file: str) -> Sheet:
    """The sheet as it stands there, its keys and types checked; raises ConfigError."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from error
    try:
        return msgspec.convert(raw, Sheet)
    except msgspec.ValidationError as error:
        wrong = blame(raw, Sheet) or SheetError((), str(error))
        raise located(wrong, text, file) from error


def made(sheet: Sheet, text: str, file: str) -> Profile:
    """The profile of a checked sheet; raises ConfigError where its parts do not fit together."""
    try:
        return _profile(sheet)
    except SheetError as error:
        raise located(error, text, file) from error
    except (ValueError, re.error) as error:
        raise ConfigError(f"{file}: {error}") from error


def located(error: SheetError, text: str, file: str) -> ConfigError:
    """The error with its place in the file."""
    line = f":{line_of(text, error.path)}" if error.path else ""
    return ConfigError(f"{file}{line}: {error}")


def _profile(sheet: Sheet) -> Profile:
    names = Names(sheet)
    outputs = outputs_of(sheet, names)
    if not outputs and sheet.sunspec is None:
        raise SheetError(("readings",), "is missing: nothing would be read")
    controls = tuple(Steering(sheet, names, key).control_sheet() for key in sheet.controls)
    own = Source(outputs, controls) if outputs or controls else None
    return Profile(
        key=sheet.key,
        title=sheet.title,
        kind=sheet.kind,
        verified=sheet.verified,
        communication=_communication(sheet.communication),
        sunspec=_sunspec(sheet),
        source=own,
        controls=frozenset(c.control for c in controls) | _by_sunspec(sheet),
        identify=tuple(
            (_identifying(match, names, i), _regex(match.match, ("identify", i, "match")))
            for i, match in enumerate(sheet.identify)
        ),
        says=tuple(
            (what, names.field(name, ("says", what)))
            for what in ("model", "version", "serial")
            if (name := getattr(sheet.says, what)) is not None
        ),
        maker=_regex(sheet.maker, ("maker",)),
        about=sheet.about,
        published_by=frozenset(source.who.casefold() for source in sheet.sources),
    )


def _communication(asking: Asking) -> Communication:
    values = {name: getattr(asking, name) for name in asking.__struct_fields__}
    return Communication(**values | {"tid_mode": TidMode(asking.tid_mode)})


def _sunspec(sheet: Sheet) -> SunSpecSheet | None:
    told = sheet.sunspec
    if told is None:
        return None
    return SunSpecSheet(**{name: getattr(told, name) for name in told.__struct_fields__})


def _by_sunspec(sheet: Sheet) -> frozenset[Control]:
    """What the standard's own models let be steered."""
    told = sheet.sunspec
    by_model = {
        Control.BATTERY_POWER: bool(told and told.battery_control),
        Control.PV_LIMIT: bool(told and told.pv_limit),
        Control.RESERVE: bool(told and told.battery_control),
    }
    return frozenset(control for control, offered in by_model.items() if offered)


def _identifying(match: Match, names: Names, index: int) -> Field:
    return names.field(match.register, ("identify", index, "register"))


def _regex(text: str, path: tuple[str | int, ...]) -> str:
    try:
        expression(text)
    except re.error as error:
        raise SheetError(path, f"is no regular expression: {error}") from error
    return text
