"""The devices of one simulated home behind their ports."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.devices.hybrid import HybridInverter, Lifetime
from simulators.devices.keba import KebaCharger
from simulators.devices.meter import GridMeter
from simulators.devices.server import ModbusServer
from simulators.home import Home


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports; 0 picks a free one."""

    inverter: int = 0
    meter: int = 0
    charger: int = 0


@dataclass(frozen=True, slots=True)
class Servers:
    """The running servers and the ports on which they really listen.

    The inverter is unit 1 on ``ports.inverter``, the meter unit 200 there and on ``ports.meter``,
    the wall box unit 255 on ``ports.charger``.
    """

    host: str
    ports: Ports
    inverter: ModbusServer
    meter: ModbusServer
    charger: ModbusServer

    @property
    def requests(self) -> int:
        """Modbus requests answered so far, all devices together."""
        return self.inverter.requests + self.meter.requests + self.charger.requests

    async def close(self) -> None:
        """Stop all servers and hang up on their clients."""
        for server in (self.inverter, self.meter, self.charger):
            await server.close()


async def serve_home(
    home: Home,
    host: str = "127.0.0.1",
    ports: Ports | None = None,
    lifetime: Lifetime | None = None,
) -> Servers:
    """Start the Modbus servers of ``home``; OSError when a port is taken."""
    ports = ports or Ports()
    meter = GridMeter(home, lifetime)
    servers = (
        ModbusServer({1: HybridInverter(home, lifetime), 200: meter}),
        ModbusServer({200: meter}),
        ModbusServer({255: KebaCharger(home, lifetime)}),
    )
    actual: list[int] = []
    try:
        for server, port in zip(servers, (ports.inverter, ports.meter, ports.charger), strict=True):
            actual.append(await server.start(host, port))
    except OSError:
        for server in servers:
            await server.close()
        raise
    return Servers(host, Ports(*actual), *servers)
