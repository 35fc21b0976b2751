"""`energy-gateway setup`: the set-up as a page, also for a home that is set up already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(setup)


def setup(
    config: Annotated[Path, typer.Option(help="the file to write")] = Path("gateway.toml"),
    host: Annotated[
        str, typer.Option(help="0.0.0.0: from the whole home network, with the token")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free one")] = 8750,
) -> None:
    """Set a home up, or change one, in the browser: devices, battery, car, tariff, broker, password.

    What a person wrote into the file stays, comments too. A running gateway is stopped first: devices that
    take one client only are its own.

    Example: energy-gateway setup --config /etc/energy-gateway/gateway.toml
    """
    from gateway.setup.run import set_up

    if not set_up(config, host, port):
        raise typer.Exit(1)
    typer.echo(f"wrote {config}; now run: energy-gateway check --config {config}")
    typer.echo(f"and, before it may steer a device: energy-gateway verify --config {config}")
