"""Read a scenario file; every fault names the file, the key and what would be right."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.errors import ConfigError
from simulators.network.scenario import Scenario


def load_scenario(path: Path) -> Scenario:
    """The scenario in ``path``; ConfigError has one line a fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not a TOML text file in UTF-8") from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    return checked(raw, str(path))


def checked(raw: dict[str, Any], name: str) -> Scenario:
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_line(name, fault) for fault in error.errors())) from None


def _line(name: str, fault: Any) -> str:
    loc: Sequence[int | str] = [part for part in fault["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in loc) or "file"
    if fault["type"] == "extra_forbidden":
        return f"{name}: {key}: unknown key; {_instead(loc)}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    given = "" if isinstance(fault["input"], dict | BaseModel) else f", not {fault['input']!r}"
    return f"{name}: {key}: {message[:1].lower()}{message[1:]}{given}{_unit(loc)}"


def _table(loc: Sequence[int | str]) -> type[BaseModel]:
    info = Scenario.model_fields.get(str(loc[0])) if len(loc) > 1 else None
    table = info.annotation if info else None
    return table if isinstance(table, type) and issubclass(table, BaseModel) else Scenario


def _instead(loc: Sequence[int | str]) -> str:
    known = list(_table(loc).model_fields)
    near = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"here stand {', '.join(known)}"


def _unit(loc: Sequence[int | str]) -> str:
    """What the key is, in its unit, and its default."""
    if len(loc) < 2:
        return ""
    info = _table(loc).model_fields.get(str(loc[1]))
    return "" if info is None else f" ({info.description}; default {info.default})"
