"""The devices of one simulated home behind their ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.errors import ConfigError
from simulators.devices.der import DerInverter
from simulators.devices.faults import Faults
from simulators.devices.framing import RtuFraming
from simulators.devices.goe import GoeCharger
from simulators.devices.goodwe import GoodWeHybrid
from simulators.devices.growatt import GrowattHybrid
from simulators.devices.huawei import HuaweiHybrid
from simulators.devices.hybrid import HybridInverter
from simulators.devices.keba import KebaCharger
from simulators.devices.meter import GridMeter
from simulators.devices.protocol import Unit
from simulators.devices.server import ModbusServer
from simulators.devices.solaredge import StorEdge
from simulators.devices.solax import SolaxHybrid
from simulators.devices.sungrow import SungrowHybrid
from simulators.devices.view import Lifetime, View
from simulators.home import Home

Units = Callable[[Home, Lifetime], dict[int, Unit]]


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of device: its units by id, and whether it takes one client only."""

    about: str
    units: Units
    single_client: bool = False


INVERTERS: Mapping[str, Family] = {
    "fronius": Family(
        "SunSpec hybrid, unit 1: 1, 103, 120-124, 160; meter unit 200: 203",
        lambda home, life: {
            1: HybridInverter(View(home, life)),
            200: GridMeter(View(home, life)),
        },
    ),
    "fronius-float": Family(
        "SunSpec hybrid, unit 1: 1, 113, 120-124, 160; meter unit 200: 213",
        lambda home, life: {
            1: HybridInverter(View(home, life), floats=True),
            200: GridMeter(View(home, life), floats=True),
        },
    ),
    "sunspec-der": Family(
        "SunSpec 7xx hybrid, unit 1: 1, 701, 702, 704, 713-715; meter unit 200: 203",
        lambda home, life: {1: DerInverter(View(home, life)), 200: GridMeter(View(home, life))},
    ),
    "solaredge": Family(
        "SolarEdge StorEdge, unit 1, with its meter; command timeout 0xE00B; one client",
        lambda home, life: {1: StorEdge(View(home, life))},
        single_client=True,
    ),
    "goodwe": Family(
        "GoodWe ET, unit 247, with its meter; no watchdog",
        lambda home, life: {247: GoodWeHybrid(View(home, life))},
    ),
    "sungrow": Family(
        "Sungrow SH, unit 1, with its meter; heartbeat in EMS mode 3 only",
        lambda home, life: {1: SungrowHybrid(View(home, life))},
    ),
    "huawei": Family(
        "Huawei SUN2000, unit 1, with its meter; forced period 47083; one client",
        lambda home, life: {1: HuaweiHybrid(View(home, life))},
        single_client=True,
    ),
    "growatt": Family(
        "Growatt SPH with VPP registers, unit 1, with its meter; its timer ends nothing",
        lambda home, life: {1: GrowattHybrid(View(home, life))},
    ),
    "solax": Family(
        "Solax X3 hybrid, unit 1, with its meter; remote control ends after 10 minutes",
        lambda home, life: {1: SolaxHybrid(View(home, life))},
    ),
}
CHARGERS: Mapping[str, Family] = {
    "keba": Family("KEBA P30, unit 255", lambda home, life: {255: KebaCharger(View(home, life))}),
    "go-e": Family(
        "go-e charger, unit 1; no fail-safe", lambda home, life: {1: GoeCharger(View(home, life))}
    ),
}
METERS: Mapping[str, Family] = {
    "sunspec": Family(
        "SunSpec meter, unit 200: 1, 203", lambda home, life: {200: GridMeter(View(home, life))}
    ),
    "sunspec-float": Family(
        "SunSpec meter, unit 200: 1, 213",
        lambda home, life: {200: GridMeter(View(home, life), floats=True)},
    ),
}


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports; 0 picks a free one."""

    inverter: int = 0
    meter: int = 0
    charger: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """Which family each device is of, and how it is reached."""

    inverter: str = "fronius"
    meter: str = "sunspec"
    charger: str = "keba"
    rtu: bool = False  # RTU frames over TCP, as behind a transparent serial gateway


@dataclass(frozen=True, slots=True)
class Servers:
    """The running servers and the ports on which they really listen.

    With the default families the inverter is unit 1 on ``ports.inverter``, the meter unit 200 there
    and on ``ports.meter``, the wall box unit 255 on ``ports.charger``.
    """

    host: str
    ports: Ports
    inverter: ModbusServer
    meter: ModbusServer
    charger: ModbusServer

    @property
    def requests(self) -> int:
        """Modbus requests received so far, all devices together."""
        return self.inverter.requests + self.meter.requests + self.charger.requests

    async def close(self) -> None:
        """Stop all servers and hang up on their clients."""
        for server in (self.inverter, self.meter, self.charger):
            await server.close()


def _server(
    families: Mapping[str, Family], name: str, home: Home, lifetime: Lifetime, rtu: bool
) -> ModbusServer:
    try:
        family = families[name]
    except KeyError:
        raise ConfigError(
            f"no simulated device {name!r}; there are {', '.join(families)}"
        ) from None
    return ModbusServer(
        family.units(home, lifetime),
        framing=RtuFraming() if rtu else None,
        single_client=family.single_client,
    )


async def serve_home(
    home: Home,
    host: str = "127.0.0.1",
    ports: Ports | None = None,
    choice: Choice | None = None,
    lifetime: Lifetime | None = None,
    faults: Mapping[str, Faults] | None = None,
) -> Servers:
    """Start the Modbus servers of ``home``; OSError when a port is taken.

    ``faults`` by ``inverter``, ``meter`` and ``charger``; they can be changed later on the servers.
    """
    ports, choice, lifetime = ports or Ports(), choice or Choice(), lifetime or Lifetime()
    servers = (
        _server(INVERTERS, choice.inverter, home, lifetime, choice.rtu),
        _server(METERS, choice.meter, home, lifetime, choice.rtu),
        _server(CHARGERS, choice.charger, home, lifetime, choice.rtu),
    )
    names = ("inverter", "meter", "charger")
    for name, server in zip(names, servers, strict=True):
        server.faults = (faults or {}).get(name)
    actual = []
    try:
        for server, port in zip(servers, (ports.inverter, ports.meter, ports.charger), strict=True):
            actual.append(await server.start(host, port))
    except OSError:
        for server in servers:
            await server.close()
        raise
    return Servers(host, Ports(*actual), *servers)
