"""`energy-gateway run`: the daemon. systemd starts it; a person may too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import asyncio

    from gateway.config.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    config: Annotated[Path, typer.Option(help="the configuration")] = Path("gateway.toml"),
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
    log_json: Annotated[bool, typer.Option("--log-json", help="one JSON object a line")] = False,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; it releases all devices before it ends.

    Example: energy-gateway run --config /etc/energy-gateway/gateway.toml
    """
    import asyncio
    import logging

    from gateway.config.load import load_settings
    from gateway.errors import ConfigError
    from gateway.systemd import set_up_logs

    settings = load_settings(config)
    levels = ("debug", "info", "warning", "error")
    if log_level not in levels:
        raise ConfigError(f"--log-level {log_level}: use one of {', '.join(levels)}")
    set_up_logs(getattr(logging, log_level.upper()), as_json=log_json)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    """The gateway as one task that SIGTERM and SIGINT cancel; READY when its loops run."""
    import asyncio
    import signal
    from contextlib import suppress

    from gateway.agent import compose
    from gateway.clock import WallClock
    from gateway.systemd import notify

    clock = WallClock(settings.time.start, settings.time.rate)
    gateway = await compose(settings, clock)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(gateway.run(lambda: notify("READY=1")), name="gateway")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _end_once, task)
        with suppress(asyncio.CancelledError):
            await task
        notify("STOPPING=1")


def _end_once(task: asyncio.Task[None]) -> None:
    """An impatient second signal must not break the release off."""
    if not task.cancelling():
        task.cancel()
