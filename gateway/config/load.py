"""Read gateway.toml; every fault names file, line, key and what would be right."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from gateway.config.explain import explain, not_toml
from gateway.config.guard import GuardSettings
from gateway.config.paths import state_folder
from gateway.config.settings import BridgePart, GuardPart, Settings
from gateway.errors import ConfigError

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


def text_of(path: Path) -> str:
    """What stands in the file, without Windows' mark and line ends; raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ConfigError(f"{path}: is larger than {MOST_BYTES} bytes; no home needs that")
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: cannot be read: it is not there; `energy-gateway init` or `setup` writes one, --config names another"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: is not UTF-8 text ({error.reason}); save it as UTF-8"
        ) from error


def _load(path: Path, model: type[Part], defaults: Mapping[str, Any]) -> Part:
    text = text_of(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(not_toml(path, text, error)) from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not valid TOML: it is nested too deeply") from error
    try:
        found = model.model_validate({**defaults, **raw})
    except ValidationError as error:
        lines = [explain(path, text, raw, fault) for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from error
    return found.model_copy(update={"state_dir": state_folder(found.state_dir, path)})
