"""The account of a span of time, exact to the last digit. Pure: entries in, statement out.

Every amount is an integer of 1e-8 currency units until it becomes text. An amount whose price is
not known is None, and so is every sum that it is part of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.intervals import Interval, parse_utc
from gateway.domain.trade import Dispute, Metered, MeterGap, Settlement, Transaction, money_text
from gateway.market.settlement import (
    delivered_wh,
    retail_import_wh,
    retail_money,
    uncontracted_wh,
)
from gateway.store.book import Book, Entry


@dataclass(frozen=True, slots=True)
class RetailPrices:
    """What a Wh costs and earns without trading, in ticks; None = not known."""

    import_ticks: int | None
    export_ticks: int | None


Prices = Callable[[Interval], RetailPrices]


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery interval. Money is to the home, 1e-8 units; the market's part as it was settled."""

    interval: Interval
    tenders: int
    fills: tuple[Transaction, ...]
    settlements: tuple[Settlement, ...]
    metered: Metered | None
    reported: bool
    retail_money: int | None
    without_trading_money: int | None

    @property
    def position_wh(self) -> int:
        return sum(t.net_wh for t in self.fills)

    @property
    def net_wh(self) -> int:
        return self.metered.net_wh if self.metered else 0

    @property
    def delivered_wh(self) -> int:
        return delivered_wh(self.position_wh, self.net_wh)

    @property
    def short_wh(self) -> int:
        """What was sold and not delivered, as far as the interval is metered."""
        return max(self.position_wh, 0) - self.delivered_wh if self.metered else 0

    @property
    def market_money(self) -> int:
        """All settlement rows together: a correction is a reversal and a new row."""
        return sum(s.total_money for s in self.settlements)

    @property
    def settled(self) -> bool:
        """Whether the market owes this interval no first settlement any more."""
        return bool(self.settlements) or not (self.fills or self.metered)


@dataclass(frozen=True, slots=True)
class Statement:
    """The account of a half-open span."""

    start: datetime
    end: datetime
    currency: str
    rows: tuple[Row, ...]
    unanswered: int
    fixed_money: int = 0  # monthly fees that fall into the span, <= 0
    gaps: tuple[MeterGap, ...] = ()  # in no sum: metered, but of no single interval
    disputes: tuple[Dispute, ...] = ()  # in no sum: what the exchange said and we do not believe

    @property
    def market_money(self) -> int:
        return sum(row.market_money for row in self.rows)

    @property
    def retail_money(self) -> int | None:
        return _sum([self.fixed_money, *(row.retail_money for row in self.rows)])

    @property
    def without_trading_money(self) -> int | None:
        return _sum([self.fixed_money, *(row.without_trading_money for row in self.rows)])

    @property
    def net_money(self) -> int | None:
        return _sum([self.market_money, self.retail_money])

    @property
    def unsettled(self) -> int:
        """Metered intervals that wait for the market's first settlement."""
        return sum(not row.settled for row in self.rows)

    @property
    def known_to_exchange(self) -> bool:
        """Whether an exchange has heard of any of it; a home with its retailer alone has none."""
        return any(r.tenders or r.fills or r.settlements or r.reported for r in self.rows)

    def energy_wh(self) -> dict[str, int]:
        """Totals by kind, all >= 0."""
        rows = self.rows
        return {
            "import": sum(r.metered.import_wh for r in rows if r.metered),
            "export": sum(r.metered.export_wh for r in rows if r.metered),
            "sold": sum(max(r.position_wh, 0) for r in rows),
            "bought": sum(max(-r.position_wh, 0) for r in rows),
            "delivered": sum(r.delivered_wh for r in rows),
            "short": sum(r.short_wh for r in rows),
            "uncontracted": sum(uncontracted_wh(r.position_wh, r.net_wh) for r in rows),
            "retail_import": sum(retail_import_wh(r.position_wh, r.net_wh) for r in rows),
        }

    def money(self) -> dict[str, str | None]:
        """Totals as exact decimal text; what the home gets is +."""
        settlements = [s for row in self.rows for s in row.settlements]
        return {
            "currency": self.currency,
            "market": money_text(self.market_money),
            "market_energy": money_text(sum(s.energy_money for s in settlements)),
            "market_imbalance": money_text(sum(s.imbalance_money for s in settlements)),
            "market_uncontracted": money_text(sum(s.uncontracted_money for s in settlements)),
            "market_fee": money_text(sum(s.fee_money for s in settlements)),
            "retail": amount(self.retail_money),
            "without_trading": amount(self.without_trading_money),
            "net": amount(self.net_money),
        }


def book_of(entries: Iterable[Entry], start: datetime, end: datetime) -> Book:
    """The entries of the intervals that start in the half-open span, folded; nothing is forgotten."""
    book = Book()
    for entry in entries:
        at = entry.body.get("start")
        if entry.kind == "checkpoint" or (at is not None and not start <= parse_utc(at) < end):
            continue
        book.add(entry)
    return book


def statement(
    book: Book,
    start: datetime,
    end: datetime,
    prices: Prices,
    currency: str = "USD",
    fixed_money: int = 0,
) -> Statement:
    """What happened in the intervals that start in the half-open span.

    ``book`` is the journal's own for the last weeks, or `book_of` for any span.
    ``without_trading`` values the same metered energy with no position: all import and all export
    at the retailer's prices.
    """
    spans: dict[datetime, Interval] = {}
    tenders: dict[datetime, int] = {}
    fills: dict[datetime, list[Transaction]] = {}
    settlements: dict[datetime, list[Settlement]] = {}
    for state in book.tenders.values():
        spans[state.tender.interval.start] = state.tender.interval
        tenders[state.tender.interval.start] = tenders.get(state.tender.interval.start, 0) + 1
    for fill in book.transactions.values():
        spans[fill.interval.start] = fill.interval
        fills.setdefault(fill.interval.start, []).append(fill)
    for settled in book.settlements.values():
        spans[settled.interval.start] = settled.interval
        settlements.setdefault(settled.interval.start, []).append(settled)
    for metered in book.metered.values():
        spans[metered.interval.start] = metered.interval
    rows = [
        _row(
            book, spans[at], tenders.get(at, 0), fills.get(at, ()), settlements.get(at, ()), prices
        )
        for at in sorted(spans)
        if start <= at < end
    ]
    unanswered = sum(start <= s.tender.interval.start < end for s in book.unanswered())
    known = book.transactions.keys() | book.settlements.keys()
    disputes = tuple(
        replace(d, reason=f"{d.reason}; since corrected") if d.id in known else d
        for d in book.disputes.values()
        if start <= d.interval.start < end
    )
    gaps = tuple(gap for gap in book.gaps if start <= gap.until < end)
    return Statement(start, end, currency, tuple(rows), unanswered, fixed_money, gaps, disputes)


def _row(
    book: Book,
    interval: Interval,
    tenders: int,
    fills: Sequence[Transaction],
    settlements: Sequence[Settlement],
    prices: Prices,
) -> Row:
    position = sum(t.net_wh for t in fills)
    metered, price = book.metered.get(interval.start), prices(interval)
    net = metered.net_wh if metered else 0
    bought = retail_import_wh(position, net)
    retail = _times(bought, price.import_ticks, lambda t: retail_money(position, net, t))
    alone = _sum(
        [
            _times(max(-net, 0), price.import_ticks, lambda t: -max(-net, 0) * t),
            _times(max(net, 0), price.export_ticks, lambda t: max(net, 0) * t),
        ]
    )
    return Row(
        interval,
        tenders,
        tuple(sorted(fills, key=lambda t: t.sequence)),
        tuple(settlements),
        metered,
        interval.start in book.delivered,
        retail,
        alone,
    )


def _times(quantity_wh: int, ticks: int | None, money: Callable[[int], int]) -> int | None:
    """Nothing costs nothing, even where its price is not known."""
    if quantity_wh == 0:
        return 0
    return None if ticks is None else money(ticks)


def _sum(parts: Iterable[int | None]) -> int | None:
    total = 0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def amount(money: int | None) -> str | None:
    """Exact decimal text; None stays None."""
    return None if money is None else money_text(money)
