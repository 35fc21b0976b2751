"""``energy-sim load``: light homes by the thousand, every answer checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("load")(load)


def load(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    homes: Annotated[int, typer.Option(min=1, help="how many")] = 100,
    hours: Annotated[float, typer.Option(min=0.25, help="simulated hours")] = 24.0,
    signed: Annotated[bool, typer.Option("--signed", help="tokens and signed documents")] = False,
    url: Annotated[str | None, typer.Option(help="an exchange that runs; else its own")] = None,
    rate: Annotated[float, typer.Option(min=0.001, help="of the exchange at --url")] = 1.0,
    credentials: Annotated[Path | None, typer.Option(help="folder of home-0.json ...")] = None,
    ca: Annotated[Path | None, typer.Option(help="CA of an exchange over TLS")] = None,
    state: Annotated[Path | None, typer.Option(help="folder of its own exchange")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="write the figures there")
    ] = None,
) -> None:
    """Play light homes at an exchange and check every answer; prints what it carried.

    Starts an exchange of its own on the simulated clock unless --url names one.

    Example: energy-sim load --homes 300 --signed --hours 24 --json load.json
    """
    import asyncio
    import json

    from gateway.errors import ConfigError
    from simulators.load.light_home import WrongAnswerError
    from simulators.load.run import Load, as_json, run_load

    asked = Load(
        homes, hours, signed, url, rate=rate, credentials=credentials, ca_file=ca, folder=state
    )
    try:
        result = as_json(asyncio.run(run_load(asked)))
    except BaseExceptionGroup as group:
        wrong, _ = group.split((WrongAnswerError, ConfigError))
        if wrong is None:
            raise
        print(_first(wrong))
        raise typer.Exit(1) from None
    text = json.dumps(result, indent=2)
    print(text)
    if json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
