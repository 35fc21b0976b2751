"""Which profiles there are: a TOML file each, or Python where a family needs code. One is loaded when it is asked for.

The package's own come first; then the owner's, in `/etc/energy-gateway/devices.d` (or where ENERGY_GATEWAY_DEVICES
says); then those of installed packages, which name a package with sheets as an entry point of
`energy_gateway.sheets`. A file is named after its key. What is not ours can be broken: then its device is refused,
and everything else goes on; it never takes the place of a profile of ours.

Nothing is loaded at the start but what the configuration names: sixty sheets would cost a small machine
seconds. Who must go through all of them (a scan, `auto`) does so one by one.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

from gateway.devices import profiles as folder
from gateway.devices.datasheet import Profile
from gateway.devices.sheets.load import load
from gateway.errors import ConfigError

log = logging.getLogger(__name__)
AUTO = "auto"
VARIABLE, FOLDER = "ENERGY_GATEWAY_DEVICES", "/etc/energy-gateway/devices.d"
ENTRY_POINTS = "energy_gateway.sheets"


class BrokenSheet(ConfigError):
    """A sheet that is not ours cannot be used; the message names file, line and key."""


@cache
def _modules() -> dict[str, str]:
    """The profiles that are Python, by key."""
    names = (module.name for module in iter_modules(folder.__path__))
    return {name.replace("_", "-"): f"{folder.__name__}.{name}" for name in names}


@cache
def _sheets() -> dict[str, Path]:
    """The package's own sheets, by key."""
    return _in_folder(Path(str(files("gateway.devices.sheets"))))


@cache
def _owners() -> Mapping[str, Path]:
    """The owner's sheets, by key."""
    return _not_ours(_in_folder(Path(os.environ.get(VARIABLE, FOLDER))))


@cache
def _installed() -> Mapping[str, Path]:
    """The sheets of installed packages, by key. None of their code is run."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - costs megabytes; rarely needed

    found: dict[str, Path] = {}
    for point in entry_points(group=ENTRY_POINTS):
        package, *inner = point.value.split(".")  # what is inside would be imported to be found
        spec = find_spec(package)
        for place in (spec.submodule_search_locations if spec else None) or ():
            found = _in_folder(Path(place, *inner)) | found
    return _not_ours({key: path for key, path in found.items() if key not in _owners()})


def _in_folder(place: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(place.glob("*.toml"))}


def _not_ours(found: Mapping[str, Path]) -> Mapping[str, Path]:
    """Those that take no place of ours; the others are said."""
    ours = {*_modules(), *_sheets()}
    for key in sorted(ours & found.keys()):
        log.warning(
            "%s is not used: %s is a profile of the package; name it otherwise", found[key], key
        )
    return {key: path for key, path in found.items() if key not in ours}


def keys() -> tuple[str, ...]:
    """The keys of all profiles: ours, then others', which may be broken. So a device is first asked whether it is one of ours."""
    ours = sorted({*_modules(), *_sheets()})
    return (*ours, *sorted({*_owners(), *_installed()}))


@cache
def profile(key: str) -> Profile:
    """The profile of that key; raises ConfigError that names what is near, BrokenSheet for another's."""
    if key in _modules():
        found: Profile = import_module(_modules()[key]).PROFILE
        return replace(found, choices=Choices()) if key == AUTO else found
    if key in _sheets():
        return load(_sheets()[key])
    if key in _owners() or key in _installed():
        return _of_others(key, _owners().get(key) or _installed()[key])
    near = difflib.get_close_matches(key, keys(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"profile = {key!r} is unknown; {hint}`energy-gateway profiles` lists all")


def _of_others(key: str, path: Path) -> Profile:
    try:
        found = load(path)
    except ConfigError as error:
        raise BrokenSheet(str(error)) from error
    if found.key != key:
        raise BrokenSheet(f"{path}: key = {found.key!r}, but a file is named after its key")
    return replace(found, revision=hashlib.sha256(path.read_bytes()).hexdigest()[:12])


def all_profiles() -> dict[str, Profile]:
    """Every profile by its key, ours first; what is broken is left out and said."""
    found: dict[str, Profile] = {}
    for key in keys():
        try:
            found[key] = profile(key)
        except BrokenSheet as error:
            _say_once(str(error))
    return found


@cache
def _say_once(why: str) -> None:
    log.warning("a sheet is left out: %s", why)


class Choices:
    """All profiles but 'auto', made one after another and not kept."""

    def __iter__(self) -> Iterator[Profile]:
        for key in keys():
            if key != AUTO:
                try:
                    yield profile.__wrapped__(key)
                except BrokenSheet as error:
                    _say_once(str(error))


def forget() -> None:
    """Look at the folders anew."""
    for found in (_owners, _installed, profile, _say_once):
        found.cache_clear()
