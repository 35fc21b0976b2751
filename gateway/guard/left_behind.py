"""Devices that a former configuration steered, under another name or not any more, and that may still be forced.

What restores a device is stored by its name. A device that was renamed, removed or set to ``control =
false`` after a crash would stay forced for ever, and one that took over the name of another would be given
that one's words. So what was steered last (`settings_file`) is compared with what is steered now.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.clock import Clock
from gateway.config.guard import DeviceConfig
from gateway.devices.build import bus_of
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.sentences import joined
from gateway.errors import ConfigError
from gateway.supervise import Backoff

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """``devices`` are to be released and no more; ``renamed``: the name of an intent, and its new one."""

    devices: tuple[DeviceConfig, ...]
    renamed: Mapping[str, str]


def left_behind(
    before: Sequence[DeviceConfig], now: Sequence[DeviceConfig], owing: frozenset[str]
) -> LeftBehind:
    """What of ``before`` was steered and may still be; ``owing`` are the names with stored intents."""
    devices: list[DeviceConfig] = []
    renamed: dict[str, str] = {}
    for old in before:
        if old.name not in owing:
            continue
        same = next((d for d in now if d.control and _is_same(old, d)), None)
        if same is not None:
            name = same.name
        else:
            used = any(d.name == old.name and d.control for d in now)
            name = f"{old.name} (before)" if used else old.name
            steer = old.steer if old.control else "proved"
            devices.append(replace(old, name=name, steer=steer))
        if name != old.name:
            renamed[old.name] = name
    return LeftBehind(tuple(devices), renamed)


async def let_go(device: ModbusDevice, clock: Clock) -> None:
    """Try until it is neutral; said once, and once when it is done."""
    backoff, said = Backoff(), False
    while True:
        report = await device.release()
        if report.neutral:
            log.info("%s, which is steered no more, is neutral", device.name)
            return
        if not said:
            why = joined(report.problems)
            log.error("%s is steered no more and may still be forced: %s", device.name, why)
        said = True
        await clock.sleep(backoff.next())


def _is_same(old: DeviceConfig, new: DeviceConfig) -> bool:
    """The same device by where it is, and by its profile where both name one."""
    try:
        where = [(str(bus_of(d)), _unit(d)) for d in (old, new)]
    except ConfigError:  # a profile that is there no more
        return False
    alike = old.profile == new.profile or "auto" in (old.profile, new.profile)
    return where[0] == where[1] and alike


def _unit(device: DeviceConfig) -> int:
    return profile(device.profile).communication.unit if device.unit is None else device.unit
