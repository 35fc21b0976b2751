"""energy-sim home: the simulated home alone, so that a gateway can be tried against it by hand."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.clock import Clock
    from simulators.devices.faults import Faults
    from simulators.devices.serve import Choice, Ports
    from simulators.physics.home import Home


def register(app: typer.Typer) -> None:
    app.command(name="home")(home)


def home(  # noqa: PLR0913, PLR0917 - each argument is an option of the command line
    port_inverter: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one")] = 5020,
    port_meter: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one")] = 5021,
    port_charger: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one")] = 5022,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    data: Annotated[
        Path | None, typer.Option(help="CSV of a real home and its prices (columns: docs/demo.md)")
    ] = None,
    seed: Annotated[int, typer.Option(help="of weather, people and car")] = 0,
    start: Annotated[
        str | None,
        typer.Option(
            help="begin then, UTC, e.g. 2026-06-01T06:00:00Z; default: now, or the data's begin"
        ),
    ] = None,
    rate: Annotated[float, typer.Option(help="simulated seconds per second")] = 1.0,
    inverter: Annotated[str, typer.Option(help="family; 'list' shows all")] = "fronius",
    meter: Annotated[str, typer.Option(help="family; 'list' shows all")] = "sunspec",
    charger: Annotated[str, typer.Option(help="family; 'list' shows all")] = "keba",
    heater: Annotated[
        str | None, typer.Option(help="family, beside them; 'list' shows all; default: none")
    ] = None,
    port_heater: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one")] = 5023,
    rtu: Annotated[bool, typer.Option(help="RTU frames over TCP")] = False,
    sunspec_base: Annotated[
        int, typer.Option(help="where SunSpec devices put their models: 40000, 0 or 50000")
    ] = 40000,
    prove: Annotated[
        Path | None,
        typer.Option(help="state folder of a gateway: let its devices prove there that they obey"),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="DEVICE:KIND[=VALUE][,probability=P], e.g. inverter:late=2.0"),
    ] = None,
) -> None:
    """Run a home with inverter, battery, meter and wall box on Modbus TCP until Ctrl-C.

    Example: energy-sim home --inverter huawei --rate 60 --fault inverter:late=2.0,probability=0.1
    """
    import asyncio

    from gateway.clock import WallClock
    from gateway.errors import ConfigError
    from simulators.data import read_csv
    from simulators.devices.serve import Choice, Ports, with_heater
    from simulators.physics.home import Home
    from simulators.scenario import Scenario

    if "list" in (inverter, meter, charger, heater):
        _print_families()
        return
    if not rate > 0:
        raise ConfigError(f"--rate is {rate:g}; it must be above 0")
    recording = read_csv(data) if data else None
    begin = _start(start, recording.start if recording else None)
    clock = WallClock(begin, rate)
    scenario = with_heater(Scenario(begin or clock.now(), seed=seed, recording=recording), heater)
    ports = Ports(port_inverter, port_meter, port_charger)
    try:
        choice = Choice(inverter, meter, charger, sunspec_base, rtu)
        if prove is not None:
            _make_folder(prove)
            asyncio.run(_prove(prove, choice))
        simulated = Home(clock, scenario)
        heated = None if heater is None else (heater, port_heater)
        wrong = _faults(fault or [], seed)
        asyncio.run(_run(simulated, clock, (host, ports), choice, wrong, heated))
    except KeyboardInterrupt:
        print("stopped")


def _make_folder(state_dir: Path) -> None:
    from gateway.errors import ConfigError

    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"--prove {state_dir}: no folder can be made there: {error.strerror}"
        ) from None
    if not os.access(state_dir, os.W_OK):
        raise ConfigError(f"--prove {state_dir}: cannot be written; name a folder of yours")


async def _prove(state_dir: Path, choice: Choice) -> None:
    from dataclasses import replace

    from simulators.rehearsal import rehearse_found

    await rehearse_found(state_dir, replace(choice, rtu=False))
    print(f"what obeyed is steered by a gateway with state_dir = {str(state_dir)!r}")


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


def _print_families() -> None:
    from simulators.devices.serve import CHARGERS, HEATERS, INVERTERS, METERS

    for option, families in (
        ("inverter", INVERTERS),
        ("meter", METERS),
        ("charger", CHARGERS),
        ("heater", HEATERS),
    ):
        for name, family in families.items():
            print(f"--{option} {name:<16} {family.about}")


def _faults(texts: list[str], seed: int) -> dict[str, Faults]:
    from gateway.errors import ConfigError
    from simulators.devices.faults import Fault, Faults, parse_fault

    wanted: dict[str, list[Fault]] = {"inverter": [], "meter": [], "charger": []}
    for text in texts:
        device, fault = parse_fault(text)
        if device not in wanted:
            raise ConfigError(f"--fault {text!r}: the device is one of {', '.join(wanted)}")
        wanted[device].append(fault)
    return {device: Faults(faults, seed) for device, faults in wanted.items() if faults}


async def _run(
    simulated: Home,
    clock: Clock,
    where: tuple[str, Ports],
    choice: Choice,
    faults: dict[str, Faults],
    heated: tuple[str, int] | None,
) -> None:
    from contextlib import AsyncExitStack

    from gateway.clock import every
    from gateway.errors import ConfigError
    from simulators.devices.serve import (
        CHARGERS,
        HEATERS,
        INVERTERS,
        METERS,
        serve_heater,
        serve_home,
    )

    host, ports = where
    stack = AsyncExitStack()
    try:
        servers = await serve_home(simulated, host, ports, choice, faults=faults)
        stack.push_async_callback(servers.close)
        heater_port = 0
        if heated is not None:
            server, heater_port = await serve_heater(simulated, heated[0], host, heated[1])
            stack.push_async_callback(server.close)
    except OSError as error:
        await stack.aclose()
        raise ConfigError(
            f"cannot listen on {host}: {error.strerror or error}; choose other --port-... values"
        ) from None
    actual = servers.ports
    print(f"inverter  {host}:{actual.inverter}  {INVERTERS[choice.inverter].about}")
    print(f"meter     {host}:{actual.meter}  {METERS[choice.meter].about}")
    print(f"charger   {host}:{actual.charger}  {CHARGERS[choice.charger].about}")
    if heated is not None:
        print(f"heater    {host}:{heater_port}  {HEATERS[heated[0]].about}")
    print("Ctrl-C stops", flush=True)
    async with stack:
        async for _now in every(clock, 3600.0):
            simulated.state()  # keep up, so that a look after hours is quick
