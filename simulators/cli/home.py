"""energy-sim home: the simulated home alone, so that a gateway can be tried against it by hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.clock import Clock
    from simulators.devices.serve import Ports
    from simulators.home import Home


def register(app: typer.Typer) -> None:
    app.command(name="home")(home)


def home(  # noqa: PLR0913, PLR0917 - each argument is an option of the command line
    port_inverter: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one")] = 5020,
    port_meter: Annotated[int, typer.Option(min=0, max=65535)] = 5021,
    port_charger: Annotated[int, typer.Option(min=0, max=65535)] = 5022,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    data: Annotated[Path | None, typer.Option(help="CSV of a real home and its prices")] = None,
    seed: Annotated[int, typer.Option(help="of weather, people and car")] = 0,
    start: Annotated[str | None, typer.Option(help="UTC, e.g. 2026-06-01T06:00:00Z")] = None,
    rate: Annotated[float, typer.Option(help="simulated seconds per second")] = 1.0,
) -> None:
    """Run a home with inverter, battery, meter and wall box on Modbus TCP until Ctrl-C."""
    import asyncio

    from gateway.clock import WallClock
    from gateway.errors import ConfigError
    from simulators.data import read_csv
    from simulators.devices.serve import Ports
    from simulators.home import Home, Scenario

    if not rate > 0:
        raise ConfigError(f"--rate is {rate:g}; it must be above 0")
    recording = read_csv(data) if data else None
    begin = _start(start, recording.start if recording else None)
    clock = WallClock(begin, rate)
    scenario = Scenario(begin or clock.now(), seed=seed, recording=recording)
    ports = Ports(port_inverter, port_meter, port_charger)
    try:
        asyncio.run(_run(Home(clock, scenario), clock, host, ports))
    except KeyboardInterrupt:
        print("stopped")


def _start(text: str | None, default: datetime | None) -> datetime | None:
    from gateway.domain.intervals import parse_utc
    from gateway.errors import ConfigError

    if text is None:
        return default
    try:
        return parse_utc(text)
    except ValueError:
        raise ConfigError(
            f"--start is {text!r}; write a UTC time like 2026-06-01T06:00:00Z"
        ) from None


async def _run(simulated: Home, clock: Clock, host: str, ports: Ports) -> None:
    from gateway.clock import every
    from gateway.errors import ConfigError
    from simulators.devices.serve import serve_home

    try:
        servers = await serve_home(simulated, host, ports)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}: {error.strerror or error}; choose other --port-... values"
        ) from None
    actual = servers.ports
    print(f"inverter  {host}:{actual.inverter}  unit 1    (SunSpec 1, 103, 120-124, 160)")
    print(f"meter     {host}:{actual.meter}  unit 200  (SunSpec 1, 203; also behind the inverter)")
    print(f"charger   {host}:{actual.charger}  unit 255  (KEBA P30)")
    print("Ctrl-C stops", flush=True)
    try:
        async for _now in every(clock, 3600.0):
            simulated.state()  # keep up, so that a look after hours is quick
    finally:
        await servers.close()
