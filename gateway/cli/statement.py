"""energy-gateway statement: the account of any span, its proof, and what the exchange says of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from gateway.config.paths import default_config
from gateway.domain.moments import HELP

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.config.settings import Settings
    from gateway.domain.trade import Transaction
    from gateway.market.account import Statement
    from gateway.market.exchanges import Exchange
    from gateway.store.book import Book
    from gateway.store.journal import Journal

NO_MARKET = "--reconcile needs a configuration with [market]"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("statement")(statement)


def statement(  # noqa: PLR0913, PLR0917 - each is an option of the command line
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
    as_json: Annotated[bool, typer.Option("--json", help="everything, as JSON")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="one line an interval")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="recompute the whole hash chain first")
    ] = False,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="compare with the exchange's account")
    ] = False,
) -> None:
    """Print the account: fills, deliveries, settlements, corrections and exact totals.

    In a home without an exchange it is the retailer's bill. It reads beside the running daemon.
    With --verify it ends with 1 where the chain is broken, with --reconcile where the accounts differ.

    Example: energy-gateway statement --from 2026-06-01 --to 2026-07-01 --csv
    """
    import sys

    from gateway.errors import ConfigError
    from gateway.store.book import Book
    from gateway.store.journal import Journal

    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other")
    settings = _settings(config, state)
    journal = Journal(_journal_path(settings, state), read_only=True)
    try:
        if verify:
            count = journal.verify()
            sys.stderr.write(f"{count} entries, the chain is whole; head {journal.head[1]}\n")
        if settings is not None and settings.market is None and not journal.book.last_sequence:
            if reconcile:
                raise ConfigError(NO_MARKET)
            _bill(settings, state, (start, end), (as_json, as_csv))
            return
        zone = ZoneInfo(settings.site.time_zone) if settings else ZoneInfo("UTC")
        found = _account(settings, journal, zone, start, end)
        if found is None:
            _nothing_yet(as_json)
        else:
            _print(found[0], zone, (as_json, as_csv))
        if reconcile:
            account, book = found or (None, Book())
            _reconcile(settings, book, (account.start, account.end) if account else None)
    finally:
        journal.close()


def _print(account: Statement, zone: ZoneInfo, form: tuple[bool, bool]) -> None:
    """As JSON, as CSV, or as a person reads it."""
    import json

    from gateway.market import statement_formats

    as_json, as_csv = form
    if as_json:
        print(json.dumps(statement_formats.as_json(account), indent=2))
        return
    table = (
        statement_formats.as_csv(account) if as_csv else statement_formats.as_text(account, zone)
    )
    print(table, end="")


def _bill(
    settings: Settings,
    state: Path | None,
    span: tuple[str | None, str | None],
    form: tuple[bool, bool],
) -> None:
    """A home without an exchange waits for no settlement: its account is the retailer's bill."""
    from gateway.cli.bill import By, account_of, show

    found = account_of(settings, state or settings.state_dir, *span)
    if found is None:
        _nothing_yet(form[0])
        return
    show(found, settings.tariff.currency, By.DAY if form[1] else By.MONTH, form)


def _settings(config: Path, state: Path | None) -> Settings | None:
    """The configuration; None only where the folder is given and there is no file."""
    from gateway.config.load import load_settings

    return None if state is not None and not config.exists() else load_settings(config)


def _journal_path(settings: Settings | None, state: Path | None) -> Path:
    from gateway.errors import ConfigError

    folder = state or (settings.state_dir if settings else Path())
    path = folder / "journal.sqlite"
    if not path.exists():
        raise ConfigError(f"{path}: there is no journal; --state names the daemon's state_dir")
    return path


def _account(
    settings: Settings | None, journal: Journal, zone: ZoneInfo, start: str | None, end: str | None
) -> tuple[Statement, Book] | None:
    """None where nothing is metered or traded yet, and the whole account is asked for."""
    from datetime import UTC, datetime

    from gateway.bill.fees import demand_money, fees_money
    from gateway.bill.home import PublishedPrices
    from gateway.errors import ConfigError
    from gateway.market.account import RetailPrices, book_of, statement
    from gateway.market.retail import retail_prices

    now = _now(settings)
    first, last = moment_of("--from", start, now, zone), moment_of("--to", end, now, zone)
    if first and last and last <= first:
        raise ConfigError(f"--to {end} is not after --from {start}")
    earliest, latest = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    book = book_of(journal.entries(), first or earliest, last or latest)
    spans = [m.interval for m in book.metered.values()]
    spans += [t.interval for t in book.transactions.values()]
    if not spans and not (first and last):
        if first or last:
            raise ConfigError("no interval is metered or traded in this span")
        return None
    first = first or min(span.start for span in spans)
    last = last or max(span.end for span in spans)
    if settings is None:
        return statement(book, first, last, lambda _: RetailPrices(None, None)), book
    prices = retail_prices(settings.tariff, zone, PublishedPrices(book, settings.tariff))
    fees = fees_money(settings.tariff, zone, first, last)
    fees += demand_money(settings.tariff, zone, book.metered.values())
    return statement(book, first, last, prices, settings.tariff.currency, fees), book


def _nothing_yet(as_json: bool) -> None:
    """A home of the first minutes has an account, and it is empty; that is no fault."""
    import sys

    sys.stderr.write("no interval is metered or traded yet\n")
    if as_json:
        print("null")


def moment_of(option: str, text: str | None, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The beginning of what a person means by ``text``, UTC; raises ConfigError."""
    from gateway.domain.moments import first_of
    from gateway.errors import ConfigError

    if text is None:
        return None
    try:
        return first_of(text, now, zone)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from error


def _now(settings: Settings | None) -> datetime:
    """The home's time."""
    from gateway.clock import WallClock
    from gateway.store.home_time import home_now

    if settings is None:
        return WallClock().now()
    return home_now(settings.state_dir, settings.time.start, settings.time.rate)


def _reconcile(
    settings: Settings | None, book: Book, span: tuple[datetime, datetime] | None
) -> None:
    """Say every difference, over all that the exchange knows where no ``span`` is given; exit 1 if
    there is one."""
    import asyncio
    import sys

    from gateway.clock import WallClock
    from gateway.errors import ConfigError
    from gateway.market.connect import open_exchange
    from gateway.market.reconcile import differences

    if settings is None or settings.market is None:
        raise ConfigError(NO_MARKET)
    market = settings.market

    async def ask() -> list[str]:
        exchange = open_exchange(market, WallClock())
        try:
            fills = await _all_fills(exchange)
            start, end = span or _known_to(fills)
            settled = await exchange.settlements(start, end)
        finally:
            await exchange.close()
        return differences(book, fills, settled, start, end)

    found = asyncio.run(ask())
    for line in found:
        sys.stderr.write(line + "\n")
    if found:
        sys.stderr.write(f"the accounts differ in {len(found)} points\n")
        raise typer.Exit(1)
    sys.stderr.write("the exchange's account is the same\n")


async def _all_fills(exchange: Exchange) -> list[Transaction]:
    """One answer has some thousands at most."""
    fills: list[Transaction] = []
    while more := await exchange.transactions(fills[-1].sequence if fills else 0):
        fills += more
    return fills


def _known_to(fills: list[Transaction]) -> tuple[datetime, datetime]:
    """From the first fill, or as far back as an exchange may still settle."""
    from gateway.clock import WallClock
    from gateway.domain.intervals import QUARTER, floor_quarter
    from gateway.market.settling import LATEST

    until = floor_quarter(WallClock().now()) + QUARTER
    starts = [fill.interval.start for fill in fills]
    return min([until - LATEST, *starts]), max([until, *(start + QUARTER for start in starts)])
