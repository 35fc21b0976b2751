"""`energy-gateway verify`: let the devices prove that they obey, before anything is steered."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.config.paths import default_config

if TYPE_CHECKING:
    from gateway.config.guard import GuardSettings
    from gateway.verify.home import Asked

_HEARD_S = 90.0  # a charger that has lost the gateway dials again within that, mostly
_LET_GO_S = (
    3.0  # in which a charger that dials in is told that it was let go, before its line is cut
)

_STOP_FIRST = (
    "the gateway runs, and a device takes one master only: stop it (systemctl stop energy-gateway), run this "
    "again, and start it (systemctl start energy-gateway)"
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    devices: Annotated[
        list[str] | None, typer.Argument(metavar="[DEVICE]...", help="default: all not yet proved")
    ] = None,
    config: Annotated[Path, typer.Option(help="the configuration")] = default_config(),
    yes: Annotated[bool, typer.Option("--yes", help="the owner agrees")] = False,
    without_meter: Annotated[
        bool,
        typer.Option(
            "--without-meter", help="a device's own word is enough where no meter sees it"
        ),
    ] = False,
) -> None:
    """Prove that the devices obey: each is told small powers, and what is measured is looked at.

    A battery charges, rests and discharges with 1 kW at most; a charger pauses and gives a few amperes; limits are lowered for a
    moment. It ends at any surprise, and leaves the devices neutral whatever happens. What obeyed is steered from the gateway's
    next start on, for this serial number and firmware. Stop the gateway first.

    Exit 0: all is proved; 1: something failed or could not be tried now; 2: the configuration is wrong or the gateway runs.

    Example: energy-gateway verify inverter --config /etc/energy-gateway/gateway.toml
    """
    from gateway import ending
    from gateway.config.load import load_guard_settings
    from gateway.devices.build import bus_of
    from gateway.errors import ConfigError
    from gateway.guard.bus_lock import BusLocks
    from gateway.guard.lock import lock_state
    from gateway.verify.home import Asked

    settings = load_guard_settings(config)
    try:
        lock = lock_state(Path(settings.state_dir))
    except ConfigError as error:
        raise ConfigError(_STOP_FIRST) from error
    buses = None
    if lock is None:
        raise ConfigError(f"{settings.state_dir}: cannot be written, so no proof could be kept")
    try:
        buses = BusLocks(bus_of(d) for d in settings.devices if d.control)
        ending.run(buses.take_resolved())
        if not yes:
            names = ", ".join(devices or [d.name for d in settings.devices if d.control])
            typer.confirm(f"This steers {names} for some minutes. Go on?", abort=True)
        if not asyncio.run(_with_bridge(config, settings, Asked(devices or (), without_meter))):
            raise typer.Exit(1)
    finally:
        if buses is not None:
            buses.close()
        os.close(lock)


async def _with_bridge(config: Path, settings: GuardSettings, asked: Asked) -> bool:
    """What has no Modbus is read, and what dials in is heard, by a bridge of our own: the gateway's is stopped with it."""
    if not settings.bridged:
        return await _verify(settings, asked)
    from gateway.bridge.serve import Bridge
    from gateway.clock import WallClock
    from gateway.config.credstore import handed_over
    from gateway.config.load import load_bridge_settings
    from gateway.errors import ConfigError

    part, clock = load_bridge_settings(config), WallClock()
    name = f"energy-gateway-{part.site.name}-bridge"
    with handed_over(config):
        bridge = Bridge(part.bridged(), part.mqtt, clock, name, part.ocpp)
    try:
        async with bridge.running(clock, part.bridge.port):
            typer.echo(f"waiting for what has no Modbus, up to {_HEARD_S:.0f} s ...")
            await bridge.heard(_HEARD_S)
            good = await _verify(settings, asked)
            await clock.sleep(_LET_GO_S)
            return good
    except* OSError as errors:
        raise ConfigError(
            f"bridge.port = {part.bridge.port}: {errors.exceptions[0]}; is the gateway running?"
        ) from errors


async def _verify(settings: GuardSettings, asked: Asked) -> bool:
    from gateway.clock import WallClock
    from gateway.config.guard import FILE
    from gateway.escape import printable
    from gateway.guard.intents import GuardFile
    from gateway.guard.proofs import ProofFolder
    from gateway.systemd import end_now
    from gateway.verify.home import verify_home

    folder = Path(settings.state_dir)
    clock = WallClock(settings.clock_start, settings.clock_rate)
    file, proofs = GuardFile(folder / FILE), ProofFolder(folder)
    work, ended = asyncio.current_task(), asyncio.Event()

    def end() -> None:
        if (
            work is not None and not ended.is_set()
        ):  # once: the release that follows is not cut short
            ended.set()
            work.cancel()

    def told(line: str) -> None:
        print(printable(line), flush=True)

    end_now(end)
    try:
        return await verify_home(settings, asked, clock, file, proofs, told)
    except asyncio.CancelledError:
        print("ended; the devices were let go", flush=True)
        return False
