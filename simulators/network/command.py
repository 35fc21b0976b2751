"""The command from the first bar to the exit code: play, check against public figures, write."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.clock import WallClock
from gateway.errors import ConfigError
from simulators.network.fast import ADVICE, HAS_NUMBA
from simulators.network.public_data import data_folder
from simulators.network.report import report_html
from simulators.network.result import as_json
from simulators.network.study import (
    SWITCHED,
    Request,
    check,
    orders,
    run_orders,
    supply_of,
    turned,
)
from simulators.network.validation import validate


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is written where."""

    report: Path | None
    json: Path | None
    switches: bool
    prove_days: int = 0


def run_command(request: Request, outputs: Outputs) -> int:
    """Exit code: 0 if all parties' money sums to zero, else 1."""
    clock = WallClock()
    check(request)
    for option, path in (("--report", outputs.report), ("--json", outputs.json)):
        if path is not None and str(path) != "-" and not path.absolute().parent.is_dir():
            raise ConfigError(f"{option} {path}: cannot be written: its folder does not exist")
        if path is not None and path.is_dir():
            raise ConfigError(f"{option} {path}: cannot be written: it is a folder; name a file")
    folder = data_folder(request.data)
    console = Console(stderr=str(outputs.json) == "-", highlight=False)
    if not HAS_NUMBA:
        console.print(ADVICE)
    found = _play(request, console)
    validation = [check.as_json() for check in validate(request.scenario, found, folder)]
    if outputs.prove_days:
        from simulators.network.proof import compare  # noqa: PLC0415 - it loads the whole gateway

        console.print(f"Playing a full gateway for {outputs.prove_days} days ...")
        validation += [check.as_json() for check in compare(outputs.prove_days)]
    turns = _turns(request, console) if outputs.switches and outputs.report is not None else []
    document = as_json(request, found, validation, turns, clock.monotonic())
    _show(document, console)
    if outputs.report is not None:
        _write("--report", outputs.report, report_html(document, found))
    if outputs.json is not None:
        _write("--json", outputs.json, json.dumps(document, indent=1) + "\n")
    return 0 if document["zero_sum_error"] == 0 else 1


def _play(request: Request, console: Console) -> list[dict[str, Any]]:
    wanted = orders(request, supply_of(request))
    years = (
        f"{request.years[0]}"
        if len(request.years) == 1
        else f"{request.years[0]}..{request.years[-1]}"
    )
    console.print(
        f"{request.homes:,} homes, {years}, {request.seeds} seeds;"
        f" {request.played_rows:,} homes simulated one by one in each year and seed."
    )
    with Progress(
        TextColumn("{task.description}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console,
    ) as bar:  # fmt: skip
        task = bar.add_task("seeds", total=len(wanted))
        return run_orders(wanted, request.dask, lambda: bar.advance(task))


def _turns(request: Request, console: Console) -> list[dict[str, Any]]:
    """The answers with each switch turned once."""
    found = []
    with Progress(
        TextColumn("{task.description}"), BarColumn(40), MofNCompleteColumn(), console=console
    ) as bar:
        task = bar.add_task("switches", total=len(SWITCHED) + 1)
        for name in (None, *SWITCHED):
            found.append(asdict(turned(request, name)))
            bar.advance(task)
    return found


def _show(document: dict[str, Any], console: Console) -> None:
    gain = document["loop_gain"]
    table = Table("storage homes", "USD per kWh and year, from prices", "eight seeds in ten")
    for row in document["saturation"]:
        table.add_row(
            f"{row['homes']:,}",
            f"{row['usd_per_kwh_year']:.1f}",
            f"{row['low']:.1f} to {row['high']:.1f}",
        )
    console.print(table)
    terms = ", ".join(f"{name} {gain[name]:+.4f}" for name in gain if name != "total")
    console.print(f"Loop gain a year: {gain['total']:+.4f} ({terms})")
    for row in document["validation"]:
        _line(row, console)
    console.print(f"All parties' money sums to {document['zero_sum_error']:g} USD.")


def _line(row: dict[str, Any], console: Console) -> None:
    word = {True: "pass", False: "FAIL", None: "not checked"}[row["pass"]]
    console.print(
        f"{word:>11}  {row['name']}: {row['got']}, expected {row['expected']} ({row['source']})"
    )


def _write(option: str, path: Path, text: str) -> None:
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{option} {path}: cannot be written: {error.strerror}") from None
