"""Which profiles are read by the bridge, not by Modbus; what the guard calls them then. No sheet is checked here.

The guard reads such a device from the bridge's own server: under one of four profiles, by what it can tell.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

HOST, PORT = "127.0.0.1", 1702


@cache
def sheet_files() -> dict[str, Path]:
    """The bridges' sheets by key: a file is named after it."""
    folder = Path(str(files("gateway") / "bridge" / "sheets"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


@cache
def _told(profile: str) -> dict[str, Any]:
    return tomllib.loads(sheet_files()[profile].read_text(encoding="utf-8"))


def is_bridged(profile: str) -> bool:
    """Whether a device of that profile is read over HTTP or MQTT."""
    return profile in sheet_files()


def has_host(profile: str) -> bool:
    """Whether it is asked itself; what is told by a broker has no address of its own."""
    return bool(_told(profile)["transport"] == "http")


def names_values(profile: str) -> bool:
    """Whether the owner says where its values stand."""
    return "each" in _told(profile)


def is_steered(profile: str) -> bool:
    """Whether it can be told what to do: a charger that dials in, relays that go off by themselves."""
    told = _told(profile)
    return bool(told["transport"] == "ocpp" or "switch" in told or "contacts" in told)


def usual_port(profile: str) -> int:
    """Where it answers if nobody says otherwise."""
    return int(_told(profile).get("port", 80))


def guard_profile(profile: str, metrics: Iterable[str]) -> str:
    """The guard's own profile for it; ``metrics`` where the owner names them."""
    if profile == "ocpp":
        return "bridge-ocpp"
    return f"bridge-{_told(profile).get('kind') or _kind(set(metrics))}"


def _kind(metrics: set[str]) -> str:
    for start, kind in (("charger_", "charger"), ("grid_", "meter"), ("pv_", "inverter")):
        if all(metric.startswith(start) for metric in metrics):
            return kind
    return "hybrid"
