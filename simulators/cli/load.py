"""``energy-sim load``: light homes by the thousand, every answer checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("load")(load)


def load(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    homes: Annotated[int, typer.Option(min=1, max=100_000, help="light homes")] = 100,
    hours: Annotated[float, typer.Option(min=0.25, max=8_784, help="simulated hours")] = 24.0,
    signed: Annotated[bool, typer.Option("--signed", help="tokens and signed documents")] = False,
    url: Annotated[str | None, typer.Option(help="an exchange that runs; else its own")] = None,
    rate: Annotated[
        float, typer.Option(min=0.001, help="simulated seconds per second of the exchange at --url")
    ] = 1.0,
    credentials: Annotated[
        Path | None,
        typer.Option(
            help="for --url --signed: folder with a credential file a home, home-0.json ..."
        ),
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="for --url https://: PEM file of the CA to trust")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="without --url: folder of its own exchange, kept; default: a temporary one"
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="write the figures there")
    ] = None,
) -> None:
    """Play light homes at an exchange and check every answer; prints what it carried.

    Starts an exchange of its own on the simulated clock unless --url names one. Says how far it is every ten
    seconds, and ends with 1 where an answer was wrong, a call was missed or the account does not add up.

    Example: energy-sim load --homes 300 --signed --hours 24 --json load.json
    """
    import asyncio
    import json
    from functools import partial

    from gateway.errors import ConfigError, GatewayError
    from simulators.load.light_home import WrongAnswerError
    from simulators.load.lock_step import first_of
    from simulators.load.run import Load, as_json, run_load

    if json_file is not None and (json_file.is_dir() or not json_file.parent.is_dir()):
        raise ConfigError(f"--json {json_file}: name a file in a folder that exists")
    if url is None and (credentials is not None or ca is not None or rate != 1.0):
        raise ConfigError("--rate, --credentials and --ca are of an exchange at --url: add --url")
    if url is not None and state is not None:
        raise ConfigError("--state is of an exchange of its own: leave out --state or --url")
    asked = Load(
        *(homes, hours, signed, url, rate, credentials, ca),
        folder=state,
        tell=partial(typer.echo, err=True),
    )
    try:
        result = as_json(asyncio.run(run_load(asked)))
    except (WrongAnswerError, BaseExceptionGroup) as error:
        first = first_of(error)
        if isinstance(first, GatewayError):
            raise first from None
        if not isinstance(first, WrongAnswerError):
            raise
        typer.echo(f"error: {first}", err=True)
        raise typer.Exit(1) from None
    text = json.dumps(result, indent=2)
    print(text)
    if json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")
    _succeeded(result)


def _succeeded(result: Mapping[str, Any]) -> None:
    """Ends with 1 where it did not."""
    if missed := result["missed_calls"]:
        typer.echo(f"error: {missed} calls were missed: too late for this machine", err=True)
    if over := result["zero_sum_error"]:
        typer.echo(f"error: the account does not add up: {over} of 1e-8 USD are over", err=True)
    if missed or over:
        raise typer.Exit(1)
