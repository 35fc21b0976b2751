"""The devices of one simulated home behind their ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from gateway.errors import ConfigError
from simulators.devices.data_unit import DataUnit
from simulators.devices.der import DerInverter
from simulators.devices.family_file import FamilyFile, family_files
from simulators.devices.faults import Faults
from simulators.devices.framing import RtuFraming
from simulators.devices.goe import GoeCharger
from simulators.devices.goodwe import GoodWeHybrid
from simulators.devices.huawei import HuaweiHybrid
from simulators.devices.hybrid import HybridInverter
from simulators.devices.keba import KebaCharger
from simulators.devices.meter import GridMeter
from simulators.devices.protocol import Unit
from simulators.devices.server import ModbusServer
from simulators.devices.sma import SmaHybrid
from simulators.devices.solaredge import StorEdge
from simulators.devices.solax import SolaxHybrid
from simulators.devices.sungrow import SungrowHybrid
from simulators.devices.sunspec import BASES
from simulators.devices.view import Lifetime, View
from simulators.physics.heat import Boiler, HeatPump
from simulators.physics.home import Home
from simulators.scenario import Scenario

Units = Callable[[Callable[[], View]], dict[int, Unit]]  # given what makes a device's view


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of device: its units by id, and whether it takes one client only."""

    about: str
    units: Units
    single_client: bool = False


def _of_file(file: FamilyFile) -> Family:
    return Family(file.about, lambda view: {file.unit: DataUnit(file, view())}, file.single_client)


def _of_kind(kind: str) -> dict[str, Family]:
    """The families that are data."""
    return {n: _of_file(file) for n, file in family_files().items() if file.kind == kind}


INVERTERS: Mapping[str, Family] = {
    "fronius": Family(
        "SunSpec hybrid, unit 1: 1, 103, 120-124, 160; meter unit 200: 203",
        lambda view: {
            1: HybridInverter(view()),
            200: GridMeter(view()),
        },
    ),
    "fronius-float": Family(
        "SunSpec hybrid, unit 1: 1, 113, 120-124, 160; meter unit 200: 213",
        lambda view: {
            1: HybridInverter(view(), floats=True),
            200: GridMeter(view(), floats=True),
        },
    ),
    "sunspec-der": Family(
        "SunSpec 7xx hybrid, unit 1: 1, 701-706, 710-715; meter unit 200: 203",
        lambda view: {1: DerInverter(view()), 200: GridMeter(view())},
    ),
    "solaredge": Family(
        "SolarEdge StorEdge, unit 1, with its meter; command timeout 0xE00B; one client",
        lambda view: {1: StorEdge(view())},
        single_client=True,
    ),
    "goodwe": Family(
        "GoodWe ET, unit 247, with its meter; no watchdog",
        lambda view: {247: GoodWeHybrid(view())},
    ),
    "sungrow": Family(
        "Sungrow SH, unit 1, with its meter; heartbeat in EMS mode 3 only",
        lambda view: {1: SungrowHybrid(view())},
    ),
    "huawei": Family(
        "Huawei SUN2000, unit 1, with its meter; forced period 47083; one client",
        lambda view: {1: HuaweiHybrid(view())},
        single_client=True,
    ),
    "sma": Family(
        "SMA Tripower Smart Energy, unit 3, with its meter; AC setpoint ends after 10 minutes",
        lambda view: {3: SmaHybrid(view())},
    ),
    "solax": Family(
        "Solax X3 hybrid, unit 1, with its meter; remote control ends after 10 minutes",
        lambda view: {1: SolaxHybrid(view())},
    ),
    **_of_kind("inverter"),
}
CHARGERS: Mapping[str, Family] = {
    "keba": Family("KEBA P30, unit 255", lambda view: {255: KebaCharger(view())}),
    "go-e": Family("go-e charger, unit 1; no fail-safe", lambda view: {1: GoeCharger(view())}),
    **_of_kind("charger"),
}
HEATERS: Mapping[str, Family] = _of_kind("heater")
METERS: Mapping[str, Family] = {
    "sunspec": Family("SunSpec meter, unit 200: 1, 203", lambda view: {200: GridMeter(view())}),
    "sunspec-float": Family(
        "SunSpec meter, unit 200: 1, 213",
        lambda view: {200: GridMeter(view(), floats=True)},
    ),
    **_of_kind("meter"),
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
    sunspec_base: int = 40000  # where the SunSpec devices put their chain
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
    families: Mapping[str, Family], name: str, view: Callable[[], View], rtu: bool
) -> ModbusServer:
    try:
        family = families[name]
    except KeyError:
        raise ConfigError(
            f"no simulated device {name!r}; there are {', '.join(families)}"
        ) from None
    return ModbusServer(
        family.units(view),
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
    if choice.sunspec_base not in BASES:
        raise ConfigError(
            f"SunSpec base {choice.sunspec_base}: it is one of {', '.join(map(str, BASES))}"
        )
    view = partial(View, home, lifetime, choice.sunspec_base)
    servers = (
        _server(INVERTERS, choice.inverter, view, choice.rtu),
        _server(METERS, choice.meter, view, choice.rtu),
        _server(CHARGERS, choice.charger, view, choice.rtu),
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


def with_heater(scenario: Scenario, family: str | None) -> Scenario:
    """The home with the water that such a heater warms; raises ConfigError for none that we have."""
    if family is None:
        return scenario
    if family not in HEATERS:
        raise ConfigError(f"--heater {family}: one of {', '.join(HEATERS)}")
    if family == "stiebel":
        return replace(scenario, heat_pump=HeatPump())
    return replace(scenario, boiler=Boiler())


async def serve_heater(
    home: Home, family: str, host: str = "127.0.0.1", port: int = 0
) -> tuple[ModbusServer, int]:
    """The heater of ``home`` behind a port of its own, and that port; the caller closes it."""
    server = _server(HEATERS, family, partial(View, home), rtu=False)
    return server, await server.start(host, port)
