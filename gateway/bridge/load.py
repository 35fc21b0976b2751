"""The bridges' sheets: a TOML file each, checked with its name and key; and what a configured device reads by them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import msgspec

from gateway.bridge.format import BridgeSheet, Reading
from gateway.bridge.layout import LAYOUT
from gateway.bridge.pick import check, factor
from gateway.config.bridged import sheet_files
from gateway.config.device_settings import DeviceSettings
from gateway.devices.sheets.problem import near
from gateway.errors import ConfigError


@cache
def sheet(key: str) -> BridgeSheet:
    """The sheet of that key; raises ConfigError."""
    path = sheet_files()[key]
    return sheet_of(path.read_text(encoding="utf-8"), path.name)


def sheet_of(text: str, file: str) -> BridgeSheet:
    """A sheet's text, checked; raises ConfigError with the file's name."""
    try:
        found = msgspec.convert(tomllib.loads(text), BridgeSheet)
        for metric, reading in found.readings.items():
            _known(metric)
            check(metric, reading)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ConfigError) as error:
        raise ConfigError(f"{file}: {error}") from error
    if found.transport != "ocpp" and bool(found.readings) == bool(found.each):
        raise ConfigError(f"{file}: needs either readings or each")
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that is asked for (a path or a topic) and what stands in its answer."""

    ask: str
    readings: Mapping[str, Reading]


def asked_of(device: DeviceSettings) -> tuple[Asked, ...]:
    """What a configured device is asked; raises ConfigError."""
    own = sheet(device.profile)
    if own.transport == "ocpp":
        return ()  # it is not asked: it says
    readings = own.readings or _named(device, own)
    by_ask: dict[str, dict[str, Reading]] = {}
    for metric, reading in readings.items():
        by_ask.setdefault(reading.ask or own.ask, {})[metric] = reading
    return tuple(Asked(ask, some) for ask, some in by_ask.items())


def ages(device: DeviceSettings) -> dict[str, float]:
    """Metric -> how old it may be, s."""
    own = sheet(device.profile)
    return {
        metric: reading.max_age_s or own.max_age_s
        for some in asked_of(device)
        for metric, reading in some.readings.items()
    }


def _named(device: DeviceSettings, own: BridgeSheet) -> dict[str, Reading]:
    """The owner's `values`: metric = 'ask#path unit', the last two where they are needed."""
    if own.each is None or not device.values:
        raise ConfigError(f"{device.name}: profile = {own.key!r} needs a table [device.values]")
    made: dict[str, Reading] = {}
    for metric, where in device.values.items():
        _known(metric)
        place, _, unit = where.partition(" ")
        ask, _, path = place.partition("#")
        reading = msgspec.structs.replace(own.each, ask=own.ask.replace("{}", ask) or ask)
        if not own.each.at:
            reading = msgspec.structs.replace(reading, at=[path])
        if not own.each.unit_at:
            base = metric.rsplit("_", 1)[-1]
            usual = {"w": "W", "wh": "Wh", "a": "A", "hz": "Hz", "pct": "%"}.get(base, "")
            reading = msgspec.structs.replace(reading, unit=unit or usual)
        elif unit and factor(metric, unit) is None:
            raise ConfigError(f"{device.name}: {metric}: {unit!r} is no unit of it")
        check(metric, reading)
        made[metric] = reading
    return made


def _known(metric: str) -> None:
    if metric not in LAYOUT:
        raise ConfigError(
            f"{metric}: a bridge cannot tell it; {near(metric, LAYOUT)}it can: {', '.join(LAYOUT)}"
        )
