"""energy-gateway limits: what the grid operator asked for, and how it was kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.config.paths import default_config


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("limits")(limits)


def limits(
    config: Annotated[Path, typer.Option(help="the gateway's configuration")] = default_config(),
    csv: Annotated[
        Path | None, typer.Option(help="file to write; without it the rows are printed")
    ] = None,
) -> None:
    """Show the record of the grid operator's limits: each change, the meter then, and what was over it.

    It is kept by the part of the gateway that steers, in the state folder, and only ever added to.

    Example: energy-gateway limits --csv limits.csv
    """
    import csv as table
    import sys

    from gateway.config.load import load_settings
    from gateway.errors import ConfigError
    from gateway.guard.limit_log import COLUMNS, rows

    found = list(rows(load_settings(config).state_dir))
    if csv is None:
        if not found:
            print("no limit of the grid operator was ever heard")
        for row in found:
            print(_line(row))
        return
    try:
        with csv.open("w", encoding="utf-8", newline="") as file:
            writer = table.DictWriter(file, COLUMNS, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(found)
    except OSError as error:
        raise ConfigError(f"--csv {csv}: cannot be written: {error.strerror}") from error
    sys.stderr.write(f"{len(found)} rows written to {csv}\n")


def _line(row: dict[str, str]) -> str:
    limit = f"{row['limit_w']} W" if row["limit_w"] else "no limit"
    until = f" until {row['until']}" if row["until"] else ""
    meter = f"meter {row['grid_w']} W" if row["grid_w"] else "meter not known"
    before = f"before: most {row['most_w']} W, over for {row['over_s']} s" if row["most_w"] else ""
    parts = [f"{row['state']}, {limit}{until}", meter, before, row["note"]]
    return f"{row['time']} {row['source']} {row['direction']}: " + "; ".join(p for p in parts if p)
