"""energy-gateway scan, read: look at devices without running the gateway."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gateway.config.paths import default_config

if TYPE_CHECKING:
    from gateway.config.guard import DeviceConfig
    from gateway.domain.readings import Reading
    from gateway.setup.document import ChosenDevice
    from gateway.setup.finder import Finder, Found

Host = Annotated[str, typer.Option(help="name or address of the device")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="where it answers Modbus TCP")]
Unit = Annotated[int | None, typer.Option(min=0, max=255, help="Modbus unit; default by profile")]
_SHOWN_S = 0.2  # between two looks at how far a search is
ProfileKey = Annotated[str, typer.Option("--profile", help="key of `profiles`, or auto")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(scan)
    app.command()(read)


def scan(
    hosts: Annotated[
        list[str],
        typer.Argument(
            metavar="HOST[:PORT]|NETWORK/24...",
            help="one or more; without a port the usual ones are tried",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, write no file")] = False,
    out: Annotated[
        Path, typer.Option(help="configuration to write, or to compare with where it exists")
    ] = default_config(),
    units: Annotated[str, typer.Option(help="unit numbers, e.g. 1,2,10-20")] = "",
) -> None:
    """Find devices, name profile and model, and write a ready gateway.toml.

    One that exists stays as it is: what was found and is not in it yet is printed as tables to add.
    In a network each address is knocked at for two seconds, at the ports that inverters use, and asked for a page by which Shelly meters and plugs tell what they are.

    Example: energy-gateway scan 192.168.1.20 192.168.1.31:1502, or energy-gateway scan 192.168.1.0/24
    """
    from gateway.clock import WallClock
    from gateway.devices.network import places
    from gateway.devices.scan import USUAL_UNITS
    from gateway.errors import ConfigError
    from gateway.escape import printable
    from gateway.setup.finder import Finder

    places(hosts)
    asked = _numbers(units) or USUAL_UNITS
    finder = Finder(WallClock(), units=asked, told=(lambda _: None) if as_json else _say)
    asyncio.run(_search(finder, hosts))
    for problem in finder.problems:
        print(f"error: {printable(str(problem))}", file=sys.stderr)
    if as_json:
        print(json.dumps([_row(one) for one in finder.found.values()], indent=2))
    elif finder.wanted and out.exists():
        _print_new([one.chosen for one in finder.wanted], out)
    elif finder.wanted:
        try:
            out.write_text(_ready([one.chosen for one in finder.wanted]), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{out}: cannot be written: {error.strerror}") from error
        print(f"wrote {out}")
    elif not finder.problems and not finder.found:
        print("no device that we know was found", file=sys.stderr)
    if not finder.found:
        raise typer.Exit(1)


async def _search(finder: Finder, hosts: list[str]) -> None:
    """With a bar of how far it is, where a person looks on."""
    with _bar() as shown:
        async with asyncio.TaskGroup() as group:
            searching = group.create_task(finder.search(hosts, multicast=False), name="search")
            while not searching.done():
                shown(*finder.progress)
                await asyncio.wait((searching,), timeout=_SHOWN_S)


def _ready(devices: list[ChosenDevice]) -> str:
    """A gateway.toml of what was found."""
    from gateway.setup.document import devices_toml

    head = '[site]\nname = "home"\ntime_zone = "UTC"    # e.g. "America/Chicago"\n\n'
    return head + devices_toml(devices)


def _print_new(found: list[ChosenDevice], config: Path) -> None:
    """What of it the configuration does not name yet, as tables to add."""
    from gateway.config.bridged import is_bridged
    from gateway.config.load import text_of
    from gateway.devices.catalogue import all_profiles
    from gateway.errors import ConfigError
    from gateway.setup.document import devices_toml, known_answers

    try:
        _, own = known_answers(text_of(config))
    except ConfigError as error:
        print(f"note: {config}: {error}", file=sys.stderr)
        own = []
    known, named = all_profiles(), set()
    for d in own:
        usual = (
            known[d.profile].communication.unit if d.profile in known and d.unit is None else d.unit
        )
        named.add((d.host, d.port, None if is_bridged(d.profile) else usual))
    new = [d for d in found if d.address not in named]
    if not new:
        print(f"{config} names all of them already")
        return
    print(f"\n{config} stays as it is; to have them too, add:\n")
    print(devices_toml(new, {d.name for d in own}))


def _say(one: Found) -> None:
    """One device, as soon as it is found."""
    from gateway.escape import printable

    c = one.chosen
    at = f"{c.host}:{c.port}" + ("" if c.unit is None else f" unit {c.unit}")
    left = (
        "" if one.wanted else "; it may stand before anything: left out unless you name its address"
    )
    print(f"{at}: {printable(c.says)} -> profile {c.profile}{left}", flush=True)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A bar of what was asked, where a person looks on."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        bar = shown.add_task("looking for devices", total=None)
        yield lambda done, of: shown.update(bar, completed=done, total=of)


def _row(one: Found) -> dict[str, Any]:
    who = one.identity
    return {
        "host": one.chosen.host,
        "port": one.chosen.port,
        "unit": one.chosen.unit,
        "profile": one.chosen.profile,
        "kind": one.kind,
        "manufacturer": who.manufacturer if who else "",
        "model": who.model if who else one.chosen.says,
        "version": who.version if who else "",
        "serial": who.serial if who else "",
    }


def address(text: str) -> tuple[str, int]:
    """HOST or HOST:PORT as both; ConfigError for anything else."""
    from gateway.errors import ConfigError

    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "502")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ConfigError(f"{text!r} is no HOST or HOST:PORT, e.g. inverter.lan:502")
    return host, int(port)


def _numbers(text: str) -> list[int]:
    from gateway.errors import ConfigError

    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()) or int(last or first) > 255:
            raise ConfigError(f"--units {part!r}: write numbers 0..255, e.g. 1,2,10-20")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def read(  # noqa: PLR0913, PLR0917 - one option each
    host: Host,
    port: Port = 502,
    unit: Unit = None,
    profile: ProfileKey = "auto",
    once: Annotated[bool, typer.Option("--once", help="one poll, then end")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print a JSON list a poll")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="seconds between polls")] = 2.0,
    name: Annotated[str, typer.Option(help="how the device is called in the output")] = "device",
    framing: Annotated[str, typer.Option(help="tcp or rtu_over_tcp")] = "tcp",
) -> None:
    """Read a device and print its readings; nothing is ever written to it.

    Example: energy-gateway read --host 192.168.1.20 --once
    """
    from gateway.devices.catalogue import profile as known
    from gateway.errors import ConfigError

    if framing not in ("tcp", "rtu_over_tcp"):
        raise ConfigError(f"--framing {framing!r}: use tcp or rtu_over_tcp")
    known(profile)
    settings = _settings(host, port, unit, profile, name, framing)
    try:
        asyncio.run(_read(settings, once, as_json, every))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _settings(
    host: str, port: int, unit: int | None, profile: str, name: str, framing: str = "tcp"
) -> DeviceConfig:
    from pydantic import ValidationError

    from gateway.config.device_settings import DeviceSettings
    from gateway.errors import ConfigError

    kind: Literal["tcp", "rtu_over_tcp"] = "tcp" if framing == "tcp" else "rtu_over_tcp"
    try:
        return DeviceSettings(
            name=name, profile=profile, host=host, port=port, unit=unit, framing=kind
        ).plain()
    except ValidationError as error:
        fault = error.errors()[0]
        raise ConfigError(f"--{fault['loc'][0]}: {fault['msg']}") from error


async def _read(settings: DeviceConfig, once: bool, as_json: bool, every_s: float) -> None:
    from gateway.clock import WallClock, every
    from gateway.devices.build import build_devices

    clock = WallClock()
    if settings.profile == "auto" and settings.unit is None:
        settings = await _with_unit(settings)
    device = build_devices([settings], None, clock)[0]
    try:
        async for _ in every(clock, every_s):
            readings = await device.poll()
            print(_as_json(device.name, readings) if as_json else _as_table(readings), flush=True)
            if once:
                return
    finally:
        await device.close()


async def _with_unit(settings: DeviceConfig) -> DeviceConfig:
    """The first unit behind the address that we know, where neither unit nor profile is given."""
    from gateway.devices.scan import scan
    from gateway.errors import DeviceError

    looking = scan(settings.host or "", settings.port)
    async with aclosing(looking):  # the device may take one connection only
        async for found in looking:
            return replace(settings, unit=found.unit, profile=found.profile.key)
    raise DeviceError(f"{settings.host}:{settings.port}: no device that we know; name its profile")


def _as_json(device: str, readings: tuple[Reading, ...]) -> str:
    from gateway.domain.intervals import iso

    return json.dumps(
        [
            {
                "device": device,
                "metric": r.metric,
                "value": r.value,
                "unit": r.unit,
                "quality": r.quality.value,
                "time": iso(r.time),
            }
            for r in readings
        ]
    )


def _as_table(readings: tuple[Reading, ...]) -> str:
    rows = [
        f"{r.metric:24} {'-' if r.value is None else r.value:>14} {r.unit:3} {r.quality.value}"
        for r in readings
    ]
    return "\n".join(rows)
