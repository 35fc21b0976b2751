"""From configuration to devices: profiles by key, one connection a bus."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from gateway.clock import Clock
from gateway.config.guard import DeviceConfig
from gateway.devices import IntentStore
from gateway.devices import profiles as folder
from gateway.devices.counters import Memory
from gateway.devices.datasheet import Profile
from gateway.devices.device import ModbusDevice
from gateway.devices.proof import Proofs
from gateway.errors import ConfigError
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection


@cache
def all_profiles() -> dict[str, Profile]:
    """Every profile of the folder by its key, in the order of the keys."""
    names = sorted(m.name for m in iter_modules(folder.__path__))
    found = [import_module(f"{folder.__name__}.{name}").PROFILE for name in names]
    named = tuple(p for p in found if p.key != "auto")
    whole = (replace(p, choices=named) if p.key == "auto" else p for p in found)
    return {p.key: p for p in sorted(whole, key=lambda p: p.key)}


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
    devices: Sequence[DeviceConfig],
    intents: IntentStore | None,
    clock: Clock,
    memory: Memory | None = None,
    proofs: Proofs | None = None,
) -> tuple[ModbusDevice, ...]:
    """The site's devices in the order of the configuration; nothing is connected yet.

    Without ``intents`` all of them are read only. Those that are steered when they are proved ask ``proofs``;
    without it whoever builds them answers for that.

    Devices behind one host and port (or serial line) share one connection. Counters go on over a restart
    where there is a ``memory``. Raises ConfigError.
    """
    timings: dict[BusAddress, BusTiming] = {}
    for d in devices:
        where, timing = bus_of(d), profile(d.profile).communication.timing
        timings[where] = timings[where].slower(timing) if where in timings else timing
    _refuse_mixed_framing(timings)
    connections = {where: Connection(where, timing) for where, timing in timings.items()}
    return tuple(
        _device(d, connections[bus_of(d)], intents, clock, memory, proofs) for d in devices
    )


def _device(
    d: DeviceConfig,
    connection: Connection,
    intents: IntentStore | None,
    clock: Clock,
    memory: Memory | None,
    proofs: Proofs | None,
) -> ModbusDevice:
    sheet = profile(d.profile)
    unit = connection.unit(sheet.communication.unit if d.unit is None else d.unit)
    allowed = intents if d.control else None
    one = ModbusDevice(d.name, sheet, unit, allowed, clock, memory)
    if proofs is not None:
        one.ask(proofs, d.steer)
    return one


def bus_of(device: DeviceConfig) -> BusAddress:
    """Where the device's bus is."""
    if device.framing == "rtu":
        return BusAddress("rtu", serial=device.serial or "", baud=device.baud, parity=device.parity)
    return BusAddress(device.framing, host=device.host or "", port=device.port)


def _refuse_mixed_framing(timings: dict[BusAddress, BusTiming]) -> None:
    seen: dict[str, BusAddress] = {}
    for where in timings:
        other = seen.setdefault(str(where), where)
        if other != where:
            raise ConfigError(f"{where}: devices on one address need the same framing and speed")
