"""From configuration to devices: profiles by key, one link a bus."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from gateway.clock import Clock
from gateway.config.settings import DeviceSettings
from gateway.devices import IntentStore
from gateway.devices import profiles as folder
from gateway.devices.counters import Memory
from gateway.devices.modbus import ModbusDevice
from gateway.devices.profile import Profile
from gateway.errors import ConfigError
from gateway.modbus.link import BusAddress, Link, Pace


@cache
def all_profiles() -> dict[str, Profile]:
    """Every profile of the folder by its key, in the order of the keys."""
    names = sorted(m.name for m in iter_modules(folder.__path__))
    found = [import_module(f"{folder.__name__}.{name}").PROFILE for name in names]
    return {p.key: p for p in sorted(found, key=lambda p: p.key)}


def profile(key: str) -> Profile:
    """The profile of that key; raises ConfigError that names what is near."""
    found = all_profiles().get(key)
    if found is None:
        near = difflib.get_close_matches(key, all_profiles(), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"profile = {key!r} is unknown; {hint}`energy-gateway profiles` lists all"
        )
    return found


def build_devices(
    devices: Sequence[DeviceSettings],
    intents: IntentStore,
    clock: Clock,
    memory: Memory | None = None,
) -> tuple[ModbusDevice, ...]:
    """The site's devices in the order of the configuration; nothing is connected yet.

    Devices behind one host and port (or serial line) share one link. Counters go on over a restart
    where there is a ``memory``. Raises ConfigError.
    """
    paces: dict[BusAddress, Pace] = {}
    for d in devices:
        where, pace = bus_of(d), profile(d.profile).connection.pace
        paces[where] = paces[where].slower(pace) if where in paces else pace
    _refuse_mixed_framing(paces)
    links = {where: Link(where, pace) for where, pace in paces.items()}
    return tuple(_device(d, links[bus_of(d)], intents, clock, memory) for d in devices)


def _device(
    d: DeviceSettings, link: Link, intents: IntentStore, clock: Clock, memory: Memory | None
) -> ModbusDevice:
    sheet = profile(d.profile)
    unit = link.unit(sheet.connection.unit if d.unit is None else d.unit)
    device = ModbusDevice(d.name, sheet, unit, intents, clock, d.control)
    if memory is not None:
        device.remember(memory)
    if sheet.key == "auto":
        device.may_be(all_profiles().values())
    return device


def bus_of(device: DeviceSettings) -> BusAddress:
    """Where the device's bus is."""
    if device.framing == "rtu":
        return BusAddress("rtu", serial=str(device.serial), baud=device.baud, parity=device.parity)
    return BusAddress(device.framing, host=device.host or "", port=device.port)


def _refuse_mixed_framing(paces: dict[BusAddress, Pace]) -> None:
    seen: dict[str, BusAddress] = {}
    for where in paces:
        other = seen.setdefault(str(where), where)
        if other != where:
            raise ConfigError(f"{where}: devices on one address need the same framing and speed")
