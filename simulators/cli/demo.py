"""`energy-sim demo`: one command, some simulated days, a statement, exit 0 only if all checks hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulators.supply import Counterpart, Supply


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(  # noqa: PLR0913, PLR0917 - the options that the command has
    days: Annotated[int, typer.Option(help="simulated days", min=1, max=365)] = 1,
    seed: Annotated[int, typer.Option(help="weather, people, prices and buyers follow it")] = 1,
    data: Annotated[
        Path | None,
        typer.Option(help="CSV of a real home and real prices (columns: docs/demo.md)"),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="write the numbers here ('-': print)")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="go on after the days, a minute a second, until Ctrl-C")
    ] = False,
    keep: Annotated[Path | None, typer.Option(help="keep state and logs in this folder")] = None,
    broker_port: Annotated[
        int, typer.Option(min=0, max=65535, help="0 = any free one; a broker there is used")
    ] = 0,
    exchange_port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free one")] = 0,
    dashboard_port: Annotated[
        int, typer.Option(min=0, max=65535, help="of the home's page; 0 = any free one")
    ] = 0,
    supply: Annotated[
        Supply,
        typer.Option(help="how the retailer sells: at one price, or dearer the more is asked"),
    ] = Supply.BACKSTOP,
    market: Annotated[
        Counterpart, typer.Option(help="exchange; or none: a home with its retailer only")
    ] = Counterpart.EXCHANGE,
    heater: Annotated[
        bool, typer.Option("--heater", help="a boiler with a rod beside battery and car")
    ] = False,
) -> None:
    """Run a home, its devices, the exchange and its buyers for a day over real sockets.

    Example: energy-sim demo --days 2 --seed 7 --json numbers.json
    """
    from simulators.demo.options import Options
    from simulators.demo.run import run_demo

    kept = keep is not None
    curve = supply is Supply.CURVE
    options = Options(
        days,
        seed,
        data,
        broker_port,
        exchange_port,
        dashboard_port,
        kept,
        curve,
        market is Counterpart.EXCHANGE,
        heater=heater,
    )
    raise typer.Exit(run_demo(options, json, keep, live=live))
