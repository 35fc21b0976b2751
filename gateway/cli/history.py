"""energy-gateway history: the past minutes as CSV."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.config.paths import default_config


def register(app: typer.Typer) -> None:
    app.command("history")(history)


def history(
    config: Annotated[Path, typer.Option(help="the gateway's configuration")] = default_config(),
    csv: Annotated[
        Path | None, typer.Option(help="file to write; without it the rows are printed")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="first moment, e.g. 2026-06-01T00:00:00Z")
    ] = None,
    until: Annotated[str | None, typer.Option(help="moment after the last")] = None,
) -> None:
    """Write the recorded minutes as CSV: mean powers (W), state of charge, prices.

    The daemon writes its minutes every quarter of an hour, so the newest may be missing.

    Example: energy-gateway history --since 2026-06-01T00:00:00Z --csv june.csv
    """
    import sys

    from gateway.config.load import load_settings
    from gateway.errors import ConfigError
    from gateway.store.history import History
    from gateway.store.minutes import write_csv

    path = load_settings(config).state_dir / "history.sqlite"
    if not path.exists():
        raise ConfigError(f"{path}: there is no history yet; the daemon makes it (state_dir)")
    first = _moment("--since", since, "1970-01-01T00:00:00Z")
    end = _moment("--until", until, "9999-12-31T00:00:00Z")
    minutes = History(path, read_only=True).minutes(first, end)
    if csv is None:
        write_csv(minutes, sys.stdout.write)
        return
    try:
        with csv.open("w", encoding="utf-8") as file:
            count = write_csv(minutes, file.write)
    except OSError as error:
        raise ConfigError(f"--csv {csv}: cannot be written: {error.strerror}") from error
    sys.stderr.write(f"{count} minutes written to {csv}\n")


def _moment(option: str, text: str | None, default: str) -> datetime:
    from gateway.domain.intervals import parse_utc
    from gateway.errors import ConfigError

    try:
        return parse_utc(text or default)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from error
