"""The demo from the first progress bar to the exit code."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import tomlkit
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.clock import WallClock
from gateway.domain.intervals import quarter_of
from gateway.errors import ConfigError
from simulators.demo.bill import BillReport, bill_report, bill_text
from simulators.demo.live import go_on
from simulators.demo.options import Options, gateway_tables
from simulators.demo.report import Report, make_report, opening_state
from simulators.demo.text import statement_text
from simulators.demo.world import World, run_world

CONFIGURATION = "gateway.toml"  # in the kept folder
SETTLED_AFTER = timedelta(minutes=50)  # the last quarter's first settlement is made and fetched


def run_demo(options: Options, json_file: Path | None, keep: Path | None, *, live: bool) -> int:
    """Play the days; 0 if every check holds, 1 if one is broken. Bad options raise ConfigError."""
    options.scenario()  # a bad option or file is said before anything starts
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise ConfigError(f"--json {json_file}: cannot be written: its folder does not exist")
    if json_file is not None and json_file.is_dir():
        raise ConfigError(f"--json {json_file}: cannot be written: it is a folder; name a file")
    quiet = json_file is not None and str(json_file) == "-"
    console = Console(stderr=quiet, highlight=False)
    with _state(keep) as state_dir, _logging_to(state_dir / "demo.log"):
        wall = WallClock()
        reports: list[Report | BillReport] = []

        async def referee(world: World) -> None:
            if keep:
                keep_configuration(world, state_dir)
            report = await _play(world, console)
            reports.append(report)
            _show(report, world, console, json_file, wall.monotonic())
            if live:
                await go_on(world, console)
            else:
                console.print(
                    "With --live it goes on, and serves the home's page: make demo ARGS=--live"
                )

        try:
            asyncio.run(run_world(options, state_dir, referee))
        except KeyboardInterrupt:
            console.print("stopped")
        if keep:
            console.print(
                f"State and logs are in {state_dir}. The commands of a home answer from it, for example:\n"
                f"energy-gateway why 18:15 --config {state_dir / CONFIGURATION}",
                soft_wrap=True,
            )
    return 0 if reports and reports[0].kept else 1


def _what_comes(world: World, zone: ZoneInfo) -> str:
    days = world.options.days
    counterpart = (
        "sells its surplus at an energy exchange, a quarter-hour at a time"
        if world.traded is not None
        else "plans by its retailer's tariff"
    )
    span = "1 day" if days == 1 else f"{days} days"
    return (
        f"A simulated home: solar panels, a 13.5 kWh battery, a car that leaves at seven. The gateway reads and steers them, and {counterpart}."
        f" Modbus TCP, MQTT ({world.broker_kind}) and HTTP are real; time is simulated: {span} from {world.start.astimezone(zone):%d %B %Y}. The statement follows."
    )


def keep_configuration(world: World, folder: Path) -> None:
    """What the home runs with, as its owner would have written it, so that commands can ask it during and after its days."""
    state = (folder / "gateway").absolute()
    tables = gateway_tables(world.at, state, world.scenario.time_zone) | dict(world.options.tables)
    page = world.gateway.agent.page
    if page is not None:
        tables["dashboard"] = {"port": page.port}
    tables["time"] = {"start": world.start}
    (folder / CONFIGURATION).write_text(tomlkit.dumps(tables), encoding="utf-8")


async def _play(world: World, console: Console) -> Report | BillReport:
    """The days that count, then until the last of them is settled."""
    zone = ZoneInfo(world.scenario.time_zone)
    console.print(_what_comes(world, zone))
    total = (world.end + SETTLED_AFTER - world.start).total_seconds()
    with Progress(
        TextColumn("{task.description}"), BarColumn(40), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), console=console,
    ) as bar:  # fmt: skip
        task = bar.add_task("starting", total=total)

        def progress(now: datetime) -> None:
            here = now.astimezone(zone)
            power = world.home.powers()
            text = f"{here:%a %H:%M}  sun {power.pv / 1000:4.1f} kW  battery {world.home.truth().soc_pct:3.0f} %"
            if world.traded is not None:
                sold_wh = world.gateway.agent.journal.book.position_wh(quarter_of(now))
                text += f"  sold {sold_wh:4d} Wh"
            bar.update(task, completed=(now - world.start).total_seconds(), description=text)

        await world.play(world.end, progress)
        opening = opening_state(world)
        await world.play(world.end + SETTLED_AFTER, progress)
    if world.traded is None:
        return bill_report(world, opening)
    return await make_report(world, opening)


def _show(
    report: Report | BillReport,
    world: World,
    console: Console,
    json_file: Path | None,
    seconds: float,
) -> None:
    zone = ZoneInfo(world.scenario.time_zone)
    shown = statement_text(report, zone) if isinstance(report, Report) else bill_text(report, zone)
    console.print(shown)
    console.print(
        f"{report.modbus_reads} Modbus requests and {report.mqtt_messages} MQTT messages"
        f" in {seconds:.1f} s.",
        style="dim",
    )
    if json_file is None:
        return
    text = json.dumps(report.as_json(seconds), indent=2) + "\n"
    if str(json_file) == "-":
        sys.stdout.write(text)
        return
    try:
        json_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--json {json_file}: cannot be written: {error.strerror}") from error


@contextmanager
def _state(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="energy-demo-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--keep {keep}: cannot be made: {error.strerror}") from error
    if any(keep.iterdir()):
        raise ConfigError(f"--keep {keep}: is not empty; a demo begins with an empty folder")
    yield keep


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Everything into a file; a person sees the bar, and what is lost."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
