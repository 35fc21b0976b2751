"""From configuration to devices: one connection a bus."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.clock import Clock
from gateway.config.guard import DeviceConfig
from gateway.devices import IntentStore
from gateway.devices.catalogue import profile
from gateway.devices.counters import Memory
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
    sheet = with_inputs(d.inputs) if d.inputs else profile(d.profile)
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
