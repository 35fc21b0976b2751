"""`energy-sim study`: does trade feed storage? Homes, sites, makers and a data centre in one market."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(study)


def study(  # noqa: PLR0913, PLR0917 - the options that the command has
    scenario: Annotated[
        Path | None, typer.Argument(help="TOML file with the assumptions to change")
    ] = None,
    homes: Annotated[int, typer.Option(help="homes that could have storage", min=1)] = 1_000_000,
    years: Annotated[str, typer.Option(help="one year, or first..last")] = "2023..2030",
    seeds: Annotated[int, typer.Option(help="weathers and peoples", min=1, max=10_000)] = 5,
    report: Annotated[Path | None, typer.Option(help="write the report (HTML) here")] = None,
    json: Annotated[Path | None, typer.Option(help="write the numbers here ('-': print)")] = None,
    data: Annotated[
        Path | None, typer.Option(help="folder of public data (default: HEG_SHARED/data)")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(help="homes simulated one by one (default: all, or a sample)", min=1),
    ] = None,
    dask: Annotated[str | None, typer.Option(help="address of a Dask scheduler")] = None,
    prove: Annotated[
        int, typer.Option(help="lay the light home beside a full gateway for so many days", min=0)
    ] = 0,
    switches: Annotated[bool, typer.Option(help="also turn each assumption's switch once")] = True,
) -> None:
    """Play years of a market with homes that store and trade, and say whether that feeds itself.

    Example: energy-sim study --homes 1000000 --years 2023..2030 --seeds 20 --report study.html
    """
    from gateway.errors import ConfigError
    from simulators.network.command import Outputs, run_command
    from simulators.network.scenario import Scenario
    from simulators.network.scenario_file import load_scenario
    from simulators.network.study import Request

    first, _, last = years.partition("..")
    try:
        span = tuple(range(int(first), int(last or first) + 1))
    except ValueError:
        raise ConfigError(f"--years {years}: write one year or two, as in 2023..2030") from None
    if not span or span[0] < 2023 or span[-1] > 2050:
        raise ConfigError(f"--years {years}: from 2023 to 2050, the first before the last")
    chosen = Scenario() if scenario is None else load_scenario(scenario)
    request = Request(chosen, homes, span, seeds, data, dask, rows)
    raise typer.Exit(run_command(request, Outputs(report, json, switches, prove)))
