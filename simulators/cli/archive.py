"""``energy-sim archive``: an exchange's past as parquet, a day a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("archive")(archive)


def archive(
    state: Annotated[Path, typer.Option(help="folder of the exchange")] = Path("exchange-state"),
    to: Annotated[Path, typer.Option(help="folder of the files")] = Path("exchange-archive"),
) -> None:
    """Write each day that is over to parquet, once; the exchange may run meanwhile.

    Example: energy-sim archive --state exchange-state --to exchange-archive
    """
    from gateway.errors import ConfigError

    try:
        from simulators.exchange.archive import archive as write
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error}: pip install 'home-energy-gateway[archive]'") from None
    days = 0
    for day, rows in write(state, to):
        print(f"{day}: {rows} rows")
        days += 1
    if not days:
        print(f"nothing new: every day that is over is in {to}")
