"""energy-gateway backtest: what a strategy would have earned on past data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from decimal import Decimal

    from gateway.backtest.case import Case
    from gateway.backtest.data import Series
    from gateway.backtest.replay import Asked
    from gateway.backtest.study import Study


def register(app: typer.Typer) -> None:
    app.command("backtest")(backtest)


def backtest(  # noqa: PLR0913, PLR0917 - one parameter an option
    data: Annotated[
        Path | None,
        typer.Option(help="CSV: start,load_wh,pv_wh,rt_price_per_mwh,da_price_per_mwh, 15 min UTC"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="gateway.toml with site, battery, tariff; default: the evaluation case"),
    ] = None,
    strategy: Annotated[str, typer.Option(help="value or greedy")] = "value",
    json: Annotated[Path | None, typer.Option(help="write the result as JSON")] = None,
    schedule: Annotated[Path | None, typer.Option(help="write every interval as CSV")] = None,
    report: Annotated[Path | None, typer.Option(help="write a page with plots (HTML)")] = None,
    sweep: Annotated[bool, typer.Option(help="also other batteries, wear and tariffs")] = False,
    sweep_days: Annotated[
        int, typer.Option(min=1, help="the sweep takes the last days of the data, at most these")
    ] = 42,
    days: Annotated[int | None, typer.Option(min=1, help="only the first days of the data")] = None,
    accept_units: Annotated[
        bool, typer.Option("--accept-units", help="take unusual prices and energies as they stand")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="the home's own past, and what it would have cost if")
    ] = False,
    last: Annotated[int, typer.Option(min=2, max=400, help="with --history: days back")] = 28,
    battery_kwh: Annotated[
        float | None, typer.Option(min=0.5, max=1000, help="with --history: another battery")
    ] = None,
    import_price: Annotated[
        str | None, typer.Option(help="with --history: another price of a kWh, flat")
    ] = None,
    export_price: Annotated[
        str | None, typer.Option(help="with --history: what a kWh fed in would earn")
    ] = None,
    car_kwh: Annotated[
        float | None, typer.Option(min=0, max=200, help="with --history: what the car takes a day")
    ] = None,
    battery_now_kwh: Annotated[
        float | None,
        typer.Option(min=0.5, max=1000, help="with --history: its size now, if not configured"),
    ] = None,
) -> None:
    """Try a strategy on past data, with only what was known at each interval.

    Compares no battery, greedy self-consumption, the strategy, and perfect foresight.
    The capture is (strategy - none) / (perfect foresight - none).

    With --history the past is the home's own, and the comparison that with another battery, tariff or car.

    Example: energy-gateway backtest --data home.csv --report home.html

    Example: energy-gateway backtest --history --battery-kwh 20
    """
    from gateway.backtest.case import case_from, evaluation_case
    from gateway.backtest.data import read_series
    from gateway.errors import ConfigError

    if history == (data is not None):
        raise ConfigError("one of --data FILE and --history is needed")
    if data is None:
        change = (battery_kwh, import_price, export_price, car_kwh)
        _replay(config, _asked(last, change, battery_now_kwh), json)
        return
    files = Files(json, schedule, report)
    files.check()
    series = read_series(data, accept_units=accept_units)
    if days is not None:
        series = series.head(days * 96)
    case = evaluation_case() if config is None else case_from(config)
    _past_data(series, case, strategy, files, sweep_days if sweep else None)


class Files(NamedTuple):
    """Where results are written."""

    json: Path | None
    schedule: Path | None
    report: Path | None

    def check(self) -> None:
        """Before hours of work. Raises ConfigError."""
        from gateway.errors import ConfigError

        for path in self:
            if path is not None and not path.parent.is_dir():
                raise ConfigError(f"{path}: cannot be written: there is no folder {path.parent}")


def _past_data(
    series: Series, case: Case, strategy: str, files: Files, sweep_days: int | None
) -> None:
    """The comparison on a file's data, printed and written."""
    from gateway.backtest.doubts import zero_warning
    from gateway.backtest.page import write_page
    from gateway.backtest.study import summary, write_json, write_schedule

    if warning := zero_warning(series):
        typer.echo(f"warning: {warning}", err=True)
    study = _with_progress(series, case, strategy, strategy)
    result = summary(study)
    _print(result)
    if sweep_days is not None:
        result["sweep"] = _sweep(series.tail(sweep_days * 96), case, strategy)
    if files.json is not None:
        write_json(files.json, result)
    if files.schedule is not None:
        write_schedule(files.schedule, study)
    if files.report is not None:
        write_page(files.report, study, result)


def _asked(
    last: int,
    change: tuple[float | None, str | None, str | None, float | None],
    battery_now_kwh: float | None,
) -> Asked:
    """What --history is asked; ``change`` is battery, import and export price, car."""
    from gateway.backtest.replay import Asked
    from gateway.backtest.what_if import Change

    battery_kwh, bought, sold, car_kwh = change
    prices = _price("--import-price", bought), _price("--export-price", sold)
    return Asked(last, Change(battery_kwh, *prices, car_kwh), battery_now_kwh)


def _replay(config: Path | None, asked: Asked, json: Path | None) -> None:
    """As JSON alone where the file is ``-``."""
    from json import dumps

    from gateway.backtest.replay import lines, replay
    from gateway.backtest.study import write_json
    from gateway.config.paths import default_config

    result = replay(config or default_config(), asked)
    if json == Path("-"):
        print(dumps(result))
        return
    print("\n".join(lines(result)))
    if json is not None:
        write_json(json, result)


def _price(option: str, text: str | None) -> Decimal | None:
    from gateway.errors import ConfigError
    from gateway.setup.quantities import price

    if text is None:
        return None
    try:
        return price(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: {error}") from error


def _with_progress(series: Series, case: Case, strategy: str, label: str) -> Study:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from gateway.backtest.study import compare

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("day {task.fields[day]} of {task.fields[days]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as bar:
        total = len(series)
        task = bar.add_task(label, total=total, day=0, days=-(-total // 96))

        def advance(done: int, _: int) -> None:
            bar.update(task, completed=done, day=-(-done // 96))

        return compare(series, case, strategy, advance)


def _sweep(series: Series, case: Case, strategy: str) -> list[dict[str, Any]]:
    from rich.console import Console
    from rich.progress import Progress

    from gateway.backtest.study import sweep

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sweep")
        rows = sweep(
            series, case, strategy, lambda n, total: bar.update(task, completed=n, total=total)
        )
    names = ("none", "greedy", "ours", "perfect")
    head = f"{'no battery':>12}{'greedy':>10}{'ours':>10}{'perfect':>10}{'capture':>9}"
    print(f"\n{f'sweep, {len(series) // 96} days':<28}{head}")
    for row in rows:
        cells = "".join(f"{row['money'][n]:>{12 if n == 'none' else 10}.2f}" for n in names)
        print(f"{row['case']:<28}{cells}{_share(row['capture']):>9}")
    return rows


def _print(result: dict[str, Any]) -> None:
    money, currency = result["money"], result["currency"]
    print(f"{result['first']} to {result['end']}, {result['intervals']} intervals, {currency}")
    rows = (
        ("no battery", money["none"], None),
        ("greedy self-consumption", money["greedy"], result["capture_greedy"]),
        (f"strategy {result['strategy']}", money["ours"], result["capture"]),
        ("perfect foresight", money["perfect"], 1.0),
    )
    for label, amount, capture in rows:
        share = "" if capture is None else f"   capture {_share(capture)}"
        print(f"  {label:<26}{amount:>10.2f}{share}")
    if result["perfect_note"]:
        print(f"  perfect foresight is {result['perfect_note']}")
    for month in result["months"]:
        print(f"  {month['month']:<26}{month['ours']:>10.2f}   capture {_share(month['capture'])}")


def _share(capture: float | None) -> str:
    return "-" if capture is None else f"{capture:.3f}"
