"""Read gateway.toml; every fault names file, line, key and what would be right."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.config.guard import GuardSettings
from gateway.config.paths import state_folder
from gateway.config.settings import BridgePart, GuardPart, Settings
from gateway.errors import ConfigError
from gateway.escape import printable

Part = TypeVar("Part", bound=GuardPart)
MOST_BYTES = 1_000_000  # of gateway.toml; a large home has 20,000


def load_settings(path: Path, defaults: Mapping[str, Any] | None = None) -> Settings:
    """The settings in ``path``; raises ConfigError with one line a fault.

    ``defaults`` stand in for whole top-level tables that the file leaves out.
    """
    return _load(path, Settings, defaults or {})


def load_guard_settings(path: Path) -> GuardSettings:
    """What keeps the home safe, whatever else is wrong in the file; raises ConfigError for its own part."""
    return _load(path, GuardPart, {}).for_guard()


def load_bridge_settings(path: Path) -> BridgePart:
    """The devices without Modbus and the broker; raises ConfigError for that part."""
    return _load(path, BridgePart, {})


def _load(path: Path, model: type[Part], defaults: Mapping[str, Any]) -> Part:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ConfigError(f"{path}: is larger than {MOST_BYTES} bytes; no home needs that")
        text = data.decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text: {error.reason}") from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {printable(str(error))}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not valid TOML: it is nested too deeply") from error
    try:
        found = model.model_validate({**defaults, **raw})
    except ValidationError as error:
        lines = [_explain(path, text, fault["loc"], fault) for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from error
    return found.model_copy(update={"state_dir": state_folder(found.state_dir, path)})


def _explain(path: Path, text: str, loc: Sequence[int | str], fault: Any) -> str:
    keys = [part for part in loc if not (isinstance(part, str) and part in _UNION_TAGS)]
    where = f"{path}:{line_of(text, keys)}" if line_of(text, keys) else str(path)
    key = ".".join(str(part) for part in keys) or "file"
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(keys[-1]), _names_beside(keys), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{where}: {printable(key)}: unknown key{hint}"
    if fault["type"] == "missing":
        return f"{where}: {key}: is missing"
    message = str(fault["msg"]).removeprefix("Value error, ")
    shown = "" if fault["type"] == "value_error" else f" (got {printable(repr(fault['input']))})"
    return f"{where}: {printable(key)}: {printable(message, 600)}{shown}"


_UNION_TAGS = ("flat", "time_of_use", "wholesale", "published")


def _names_beside(keys: Sequence[int | str]) -> list[str]:
    """Valid key names in the table that holds the unknown key ``keys[-1]``."""
    model: type[BaseModel] | None = Settings
    for part in keys[:-1]:
        if isinstance(part, int):
            continue
        info = model.model_fields.get(part) if model else None
        model = _model_in(info.annotation) if info else None
    return [f.alias or n for n, f in model.model_fields.items()] if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in getattr(annotation, "__args__", ()))
    return next((m for m in found if m), None)


def line_of(text: str, keys: Sequence[int | str]) -> int:
    """The line of ``text`` (from 1) where the key stands, or its table, or 0.

    ``keys`` as in ``("device", 1, "profile")``.
    """
    table, wanted, seen = "", [k for k in keys if isinstance(k, str)], -1
    index = next((k for k in keys if isinstance(k, int)), 0)
    best = 0
    for number, line in enumerate(text.splitlines(), start=1):
        head = re.match(r"\s*\[+\s*([\w.\-]+)\s*\]+", line)
        if head:
            table = head.group(1)
            if wanted and table == wanted[0]:
                seen += 1
                if seen == index:
                    best = number
            continue
        entry = re.match(r"\s*([\w\-]+)\s*=", line)
        here = [*table.split("."), entry.group(1)] if table and entry else []
        if entry and not table:
            here = [entry.group(1)]
        if here and here == wanted[: len(here)] and seen in (index, -1):
            return number
    return best
