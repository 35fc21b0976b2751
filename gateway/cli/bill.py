"""energy-gateway bill: what the retailer charges, by day, month or year, and what it would have been otherwise."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.config.paths import default_config
from gateway.domain.moments import HELP

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gateway.bill.days import DailyBills
    from gateway.bill.home import HomeBill
    from gateway.config.settings import Settings
    from gateway.tariff import TariffRules


class By(StrEnum):
    """How the span is cut."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bill")(bill)


def bill(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    config: Annotated[Path, typer.Option(help="the gateway's configuration")] = default_config(),
    state: Annotated[
        Path | None, typer.Option(help="folder of the journal; default: state_dir of --config")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help=f"its beginning counts: {HELP}")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="day or moment after the last, written alike")
    ] = None,
    by: Annotated[By, typer.Option("--by", help="one row a day, month or year")] = By.MONTH,
    as_json: Annotated[bool, typer.Option("--json", help="everything, as JSON")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="one line a row")] = False,
) -> None:
    """Print the retailer's bill: what the meter counted at the tariff, fees, taxes and demand charge.

    What is to pay is +. Beside it stands what it would have cost without the battery, without the gateway (the inverter's
    own rule, a car that never waits), and without the sun. It reads beside the running daemon.

    Example: energy-gateway bill --from 2026-06-01 --to 2026-07-01 --by day
    """
    from gateway.config.load import load_settings
    from gateway.errors import ConfigError

    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other")
    settings = load_settings(config)
    found = account_of(settings, state or settings.state_dir, start, end)
    if found is None:
        typer.echo("no interval is metered yet", err=True)
        return
    show(found, settings.tariff.currency, by, (as_json, as_csv))


def show(
    found: tuple[DailyBills, datetime, datetime], currency: str, by: By, form: tuple[bool, bool]
) -> None:
    """Print the bills; ``form``: as JSON, as CSV, or neither."""
    import json

    from gateway.bill.account import periods
    from gateway.bill.home import as_json as row_of

    account, first, last = found
    bills = [account.of(*span) for span in periods(first, last, account.rules, by.value)]
    if form[0]:
        whole = row_of(account.of(first, last), currency)
        print(json.dumps({"rows": [row_of(b, currency) for b in bills], "bill": whole}, indent=2))
    elif form[1]:
        print(_csv(bills, currency), end="")
    else:
        print(text(account, (first, last), bills, currency, by), end="")


def account_of(
    settings: Settings, folder: Path, start: str | None, end: str | None
) -> tuple[DailyBills, datetime, datetime] | None:
    """The account of the span, which is all that is metered by default; None where nothing is."""
    from contextlib import ExitStack
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from gateway.agent.billing import car_power_w, stored_battery
    from gateway.bill.days import DailyBills, day_bills, outdated
    from gateway.bill.home import account
    from gateway.cli.statement import moment_of
    from gateway.errors import ConfigError
    from gateway.market.account import book_of
    from gateway.store.history import History
    from gateway.store.home_time import home_now
    from gateway.store.journal import Journal
    from gateway.store.settings import FILE, SettingsStore
    from gateway.tariff import TariffRules

    path = folder / "journal.sqlite"
    if not path.exists():
        raise ConfigError(f"{path}: there is no journal; --state names the daemon's state_dir")
    zone = ZoneInfo(settings.site.time_zone)
    now = home_now(folder, settings.time.start, settings.time.rate)
    first, last = moment_of("--from", start, now, zone), moment_of("--to", end, now, zone)
    if first and last and last <= first:
        raise ConfigError(f"--to {end} is not after --from {start}")
    earliest, latest = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    with ExitStack() as files:  # looked at beside a running gateway: nothing is made or changed
        journal = Journal(path, read_only=True)
        files.callback(journal.close)
        # the peak of a month counts from its first day on, whichever days are asked for
        month = first.astimezone(zone).replace(day=1, hour=0, minute=0) if first else earliest
        book = book_of(journal.entries(), month.astimezone(UTC), last or latest)
        if not book.metered:
            return None
        first = first or min(book.metered)
        last = last or book.metered[max(book.metered)].interval.end
        rules = TariffRules(settings.tariff, zone)
        since = min(first, *book.metered)
        flows, battery, kept = [], None, []
        if (folder / "history.sqlite").exists():
            history = History(folder / "history.sqlite", read_only=True)
            files.callback(history.close)
            flows, kept = history.flows(since, last), day_bills(history.billed())
        if (folder / FILE).exists():
            store = SettingsStore(folder / FILE, read_only=True)
            files.callback(store.close)
            battery = stored_battery(store)
        power_w, heaters = car_power_w(settings), settings.heaters
        found = account(book, rules, flows, battery, power_w, heaters)
        stale = {day.start for day in outdated(kept, rules)}  # until a gateway has billed them anew
        return (
            DailyBills(
                found, {(day.start, day.end): day.bill for day in kept if day.start not in stale}
            ),
            first,
            last,
        )


COLUMNS = (
    ("import_wh", "bought kWh"), ("export_wh", "given kWh"), ("energy", "energy"), ("feed_in", "feed-in"),
    ("standing", "standing"), ("demand", "demand"), ("market", "market"), ("total", "total"),
    ("without_battery", "no battery"), ("without_gateway", "own rule"), ("without_sun", "no sun"), ("saved", "saved"),
)  # fmt: skip


def text(
    account: DailyBills,
    span: tuple[datetime, datetime],
    bills: Iterable[HomeBill],
    currency: str,
    by: By,
) -> str:
    """The table for people: one row a period, and the whole span last."""
    from gateway.bill.home import as_json as row_of

    whole = account.of(*span)
    rows = [[f"{currency}, to pay +", *(title for _, title in COLUMNS)]]
    for found in [*bills, whole]:
        body = row_of(found, currency)
        name = "all" if found is whole else _name(found, account.rules, by)
        rows.append([name, *(_shown(body[key], key) for key, _ in COLUMNS)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    notes = []
    if whole.programme_money:
        body = row_of(whole, currency)
        notes.append(f"The programme's dispatches: {body['programme']}, in the total.")
    if whole.programme_unknown:
        several = "s" if whole.programme_unknown > 1 else ""
        notes.append(
            f"What the programme pays for {whole.programme_unknown} dispatched quarter-hour{several} is not known"
            " (too few days for a baseline) and is in no amount."
        )
    if whole.bill.unpriced_wh:
        notes.append(f"{whole.bill.unpriced_wh} Wh have no known price and are in no amount.")
    if whole.estimated:
        notes.append(f"{whole.estimated} of {whole.metered} quarter-hours are estimated.")
    if whole.without_gateway is None:
        notes.append(f"Only {whole.compared} of {whole.metered} quarter-hours can be compared.")
    return "\n".join([*lines, *notes]) + "\n"


def _name(found: HomeBill, rules: TariffRules, by: By) -> str:
    """A month or year by its name, and by its days where it is cut."""
    from datetime import timedelta

    from gateway.bill.account import periods

    start, end = found.bill.start, found.bill.end
    first = start.astimezone(rules.zone)
    if by is By.DAY:
        return f"{first:%Y-%m-%d}"
    begin = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begin = begin if by is By.MONTH else begin.replace(month=1)
    whole = periods(begin, begin + timedelta(days=400), rules, by.value)[0]
    if (start, end) == whole:
        return f"{first:%Y-%m}" if by is By.MONTH else f"{first:%Y}"
    last = (end - timedelta(seconds=1)).astimezone(rules.zone)
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def _shown(value: int | str | None, key: str) -> str:
    if value is None:
        return "-"
    return f"{int(value) / 1000:.1f}" if key.endswith("_wh") else str(value)


def _csv(bills: Iterable[HomeBill], currency: str) -> str:
    from gateway.bill.home import as_json as row_of

    names = ["start", "end", "currency", *(key for key, _ in COLUMNS), "unpriced_wh"]
    lines = [",".join(names)]
    for found in bills:
        body = row_of(found, currency)
        lines.append(",".join("" if body[name] is None else str(body[name]) for name in names))
    return "\n".join(lines) + "\n"
