"""energy-gateway history: the past minutes as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.config.paths import default_config
from gateway.domain.moments import HELP


def register(app: typer.Typer) -> None:
    app.command("history")(history)


def history(
    config: Annotated[Path, typer.Option(help="the gateway's configuration")] = default_config(),
    csv: Annotated[
        Path | None, typer.Option(help="file to write; without it the rows are printed")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", "--since", help=f"its beginning counts: {HELP}")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", "--until", help="moment after the last, written alike")
    ] = None,
) -> None:
    """Write the recorded minutes as CSV: mean powers (W), state of charge, prices.

    The daemon writes its minutes every quarter of an hour, so the newest may be missing.

    Example: energy-gateway history --from 2026-06-01 --to 2026-07-01 --csv june.csv
    """
    import sys
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from gateway.cli.statement import moment_of
    from gateway.config.load import load_settings
    from gateway.errors import ConfigError
    from gateway.store.history import History
    from gateway.store.home_time import home_now
    from gateway.store.minutes import write_csv

    settings = load_settings(config)
    path, zone = settings.state_dir / "history.sqlite", ZoneInfo(settings.site.time_zone)
    if not path.exists():
        raise ConfigError(f"{path}: there is no history yet; the daemon makes it (state_dir)")
    now = home_now(settings.state_dir, settings.time.start, settings.time.rate)
    first = moment_of("--from", since, now, zone) or datetime(1970, 1, 1, tzinfo=UTC)
    end = moment_of("--to", until, now, zone) or datetime(9999, 12, 31, tzinfo=UTC)
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
