"""From configuration to devices: one connection a bus."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.clock import Clock
from gateway.config.guard import DeviceConfig
from gateway.devices import IntentStore
from gateway.devices.catalogue import BrokenSheet, profile
from gateway.devices.counters import Memory
from gateway.devices.datasheet import Profile
from gateway.devices.device import ModbusDevice
from gateway.devices.profiles.relay import with_inputs
from gateway.devices.proof import Proofs
from gateway.errors import ConfigError
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection


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
    sheets = [_sheet(d) for d in devices]
    for d, sheet in zip(devices, sheets, strict=True):
        where, timing = bus_of(d), sheet.communication.timing
        timings[where] = timings[where].slower(timing) if where in timings else timing
    _refuse_mixed_framing(timings)
    connections = {where: Connection(where, timing) for where, timing in timings.items()}
    built = tuple(
        _device(d, sheet, connections[bus_of(d)], intents, clock, memory)
        for d, sheet in zip(devices, sheets, strict=True)
    )
    if proofs is not None:
        for d, one in zip(devices, built, strict=True):
            one.ask(proofs, d.steer)
    return built


def _sheet(d: DeviceConfig) -> Profile:
    """The profile of a device. One whose sheet is broken and not ours is lost by itself: each poll says why."""
    if d.inputs:
        return with_inputs(d.inputs)
    try:
        return profile(d.profile)
    except BrokenSheet as error:
        return Profile(
            key=d.profile, title=d.profile, kind="any", verified="data sheet", refused=str(error)
        )


def _device(
    d: DeviceConfig,
    sheet: Profile,
    connection: Connection,
    intents: IntentStore | None,
    clock: Clock,
    memory: Memory | None,
) -> ModbusDevice:
    unit = connection.unit(sheet.communication.unit if d.unit is None else d.unit)
    return ModbusDevice(d.name, sheet, unit, intents if d.control else None, clock, memory)


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
