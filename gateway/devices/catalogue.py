"""Which profiles there are: a TOML file each, or Python where a family needs code. One is loaded when it is asked for.

Nothing is loaded at the start but what the configuration names: sixty sheets would cost a small machine
seconds. Who must go through all of them (a scan, `auto`) does so one by one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules

from gateway.devices import profiles as folder
from gateway.devices.datasheet import Profile
from gateway.devices.sheets.load import load
from gateway.errors import ConfigError

AUTO = "auto"


@cache
def _modules() -> dict[str, str]:
    """The profiles that are Python, by key."""
    names = (module.name for module in iter_modules(folder.__path__))
    return {name.replace("_", "-"): f"{folder.__name__}.{name}" for name in names}


@cache
def _sheets() -> dict[str, Path]:
    """The package's own sheets, by key: a file is named after it."""
    with_files = Path(str(files("gateway.devices.sheets")))
    return {path.stem: path for path in sorted(with_files.glob("*.toml"))}


def keys() -> tuple[str, ...]:
    """The keys of all profiles, sorted."""
    return tuple(sorted({*_modules(), *_sheets()}))


@cache
def profile(key: str) -> Profile:
    """The profile of that key; raises ConfigError that names what is near."""
    if key in _modules():
        found: Profile = import_module(_modules()[key]).PROFILE
        return replace(found, choices=Choices()) if key == AUTO else found
    if key in _sheets():
        return load(_sheets()[key])
    near = difflib.get_close_matches(key, keys(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"profile = {key!r} is unknown; {hint}`energy-gateway profiles` lists all")


@cache
def all_profiles() -> dict[str, Profile]:
    """Every profile by its key, in the order of the keys."""
    return {key: profile(key) for key in keys()}


class Choices:
    """All profiles but 'auto', made one after another and not kept."""

    def __iter__(self) -> Iterator[Profile]:
        return (profile.__wrapped__(key) for key in keys() if key != AUTO)
