"""The home's bill from its account: what it cost, and what it would have cost otherwise. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

from gateway.bill.account import Bill, Prices, Published, Quarter, bill, first_of, published_of
from gateway.bill.columns import Quarters, or_0
from gateway.bill.otherwise import (
    Alone,
    Known,
    Netted,
    known,
    without_battery,
    without_sun,
    without_us,
)
from gateway.config.tariff import PublishedPrice, Tariff, WholesalePrice
from gateway.domain.flows import Flow
from gateway.domain.heat import Heaters
from gateway.domain.intervals import Interval
from gateway.domain.plan import BatterySpec
from gateway.domain.trade import MONEY_PER_UNIT, Metered, MeterQuality, money_text
from gateway.store.book import Book
from gateway.tariff import TariffRules

LEAST_KNOWN = 0.9  # of the metered quarters, for a comparison to be shown
_CENT = MONEY_PER_UNIT // 100
_ADDED = tuple(f.name for f in fields(Bill))[2:]  # all but the span
_NO_HEATERS: Heaters = {}


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a comparison knows of the home: its battery, what a car takes at most, its boilers."""

    battery: BatterySpec | None = None
    car_power_w: float = 0.0
    heaters: Heaters = field(default_factory=dict)


class Beginning(NamedTuple):
    """From where on an account is made, and what the battery would have held more there without us."""

    since: datetime
    more_wh: float


_AT_FIRST = Beginning(datetime.min.replace(tzinfo=UTC), 0.0)


class Instead(NamedTuple):
    """What a span would have cost otherwise; a quarter of it that cannot be compared counts as it was."""

    without_battery: int
    without_gateway: int
    without_sun: int


@dataclass(frozen=True, slots=True)
class HomeBill:
    """One span. What the home pays is +; ``market_money`` is what an exchange paid (+), ``programme_money`` a programme for
    its dispatches, both taken off in the total.

    A quarter is ``compared`` where its flows and all its prices are known; ``awaited`` are the newest, whose prices are still
    to come. ``stored_difference_wh`` is what the battery would hold more at the end without us, ``heat_difference_wh`` the water
    of its boilers (electric Wh). Bills of days add up (`added`).
    """

    bill: Bill
    market_money: int
    instead: Instead
    metered: int
    estimated: int
    compared: int
    awaited: int = 0
    stored_difference_wh: float = 0.0
    heat_difference_wh: float = 0.0
    programme_money: int = 0
    programme_unknown: int = 0  # dispatched quarters of which nobody knows yet what they earned

    @property
    def total_money(self) -> int:
        return self.bill.total_money - self.market_money - self.programme_money

    @property
    def comparable(self) -> bool:
        """Whether enough of the span is known for a comparison to be shown."""
        return self.compared >= LEAST_KNOWN * (self.metered - self.awaited) > 0

    @property
    def without_battery(self) -> int | None:
        return self.instead.without_battery if self.comparable else None

    @property
    def without_gateway(self) -> int | None:
        return self.instead.without_gateway if self.comparable else None

    @property
    def without_sun(self) -> int | None:
        return self.instead.without_sun if self.comparable else None

    @property
    def saved_money(self) -> int | None:
        """What it would have cost more without the gateway."""
        return None if self.without_gateway is None else self.without_gateway - self.total_money


def added(parts: Sequence[HomeBill]) -> HomeBill:
    """One bill of spans that follow one another; there is at least one."""
    bills, last = [part.bill for part in parts], parts[-1]
    return HomeBill(
        bill=Bill(
            bills[0].start,
            bills[-1].end,
            *(sum(getattr(b, name) for b in bills) for name in _ADDED),
        ),
        market_money=sum(p.market_money for p in parts),
        instead=Instead(*map(sum, zip(*(p.instead for p in parts), strict=True))),
        metered=sum(p.metered for p in parts),
        estimated=sum(p.estimated for p in parts),
        compared=sum(p.compared for p in parts),
        awaited=last.awaited,
        stored_difference_wh=last.stored_difference_wh,
        heat_difference_wh=last.heat_difference_wh,
        programme_money=sum(p.programme_money for p in parts),
        programme_unknown=sum(p.programme_unknown for p in parts),
    )


@dataclass(frozen=True, slots=True)
class Shares:
    """What of the energy used did not come from the grid, %; None = not known."""

    today: float | None = None
    month: float | None = None
    year: float | None = None


@dataclass(frozen=True, slots=True)
class Bills:
    """Those that are shown all the time, of the local day, month and year so far; each begins where counting did, if it began within."""

    today: HomeBill
    month: HomeBill
    year: HomeBill
    self_sufficiency_pct: Shares = field(default_factory=Shares)


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What the known quarters would have been, one for each of them, from the first on without a break: so days
    add up to their month."""

    without_battery: Netted
    alone: Alone
    without_sun: Netted

    @property
    def without_gateway(self) -> Netted:
        return self.alone.netted


@dataclass(frozen=True, slots=True)
class Account:
    """All that bills are made from. ``market_money`` is of each of the ``metered``, whose energy is what an exchange left for the retailer."""

    book: Book
    rules: TariffRules
    metered: Quarters
    gaps: tuple[Quarter, ...]
    market_money: Sequence[int]
    estimated: frozenset[datetime]
    known: Known
    otherwise: Otherwise
    prices: Prices
    credits: Mapping[datetime, int | None] = field(default_factory=dict)

    def of(self, start: datetime, end: datetime) -> HomeBill:
        """The bill of the quarters that start in the half-open span."""
        of_month = self.rules.tariff.demand_charge_per_kw > 0
        earlier = first_of("month", start, self.rules) if of_month else start
        within, before = self.metered.between(start, end), self.metered.between(earlier, start)
        rows, rows_before = self._known(within), self._known(before)
        compared = bytes(map(self._priced, rows))  # of each known row
        awaited = len(compared) - 1 - compared.rfind(1) if any(compared) else 0  # prices come later
        gaps = [g for g in self.gaps if start <= g.interval.start < end]

        def charged(now: Iterable[Quarter], past: Iterable[Quarter]) -> Bill:
            return bill(chain(now, gaps), (start, end), self.rules, self.prices, past)

        def cost(instead: Netted) -> int:
            now = self._with(instead, within, rows, compared)
            return charged(now, self._with(instead, before, rows_before)).total_money

        last = rows.stop - 1
        starts = (self.metered.starts[n] for n in within)
        earned = [self.credits[at] for at in starts if at in self.credits]
        other = self.otherwise
        return HomeBill(
            bill=charged(self._with(None, within), self._with(None, before)),
            market_money=sum(self.market_money[n] for n in within),
            instead=Instead(
                cost(other.without_battery), cost(other.without_gateway), cost(other.without_sun)
            ),
            metered=len(within),
            estimated=sum(start <= at < end for at in self.estimated),
            compared=sum(compared),
            awaited=awaited,
            stored_difference_wh=or_0(other.alone.more_stored_wh[last]) if rows else 0.0,
            heat_difference_wh=or_0(other.alone.more_heat_wh[last]) if rows else 0.0,
            programme_money=sum(money for money in earned if money is not None),
            programme_unknown=earned.count(None),
        )

    def at(self, rules: TariffRules) -> Account:
        """The same quarters at another tariff."""
        prices = Prices(rules, PublishedPrices(self.book, rules.tariff))
        return replace(self, rules=rules, prices=prices)

    def _with(
        self, instead: Netted | None, which: range, rows: range = range(0), compared: bytes = b""
    ) -> Iterator[Quarter]:
        """The metered ones of ``which``, and in the place of the known ``rows`` (of those that are ``compared``, where
        that is told) what they would have been."""
        row, chosen = rows.start, instead or ()
        for n in which:
            while row < rows.stop and self.known.numbers[row] < n:
                row += 1
            there = row < rows.stop and self.known.numbers[row] == n
            if there and (not compared or compared[row - rows.start]):
                yield chosen[row]
            else:
                yield self.metered[n]

    def _priced(self, row: int) -> bool:
        """Whether the known quarter has all prices that it, or what it would have been, needs: energy without a price
        on one side only would pass for a saving."""
        number, other = self.known.numbers[row], self.otherwise
        bought, sold = self.prices.of(self.metered.interval(number))
        if bought is not None and sold is not None:
            return True
        instead = (other.without_battery, other.without_gateway, other.without_sun)
        nets = [way.nets_wh[row] for way in instead]
        took = self.metered.import_wh[number] or max(nets) > 0
        gave = self.metered.export_wh[number] or min(nets) < 0
        return not (bought is None and took) and not (sold is None and gave)

    def _known(self, which: range) -> range:
        """The known rows of those metered."""
        numbers = self.known.numbers
        return range(bisect_left(numbers, which.start), bisect_left(numbers, which.stop))


def account(
    book: Book,
    rules: TariffRules,
    flows: Iterable[Flow],
    battery: BatterySpec | None = None,
    car_power_w: float = 0.0,
    heaters: Heaters = _NO_HEATERS,
) -> Account:
    """From the journal's book (its own, or of any span by `book_of`) and the flows beside it."""
    return account_from(_AT_FIRST, book, rules, flows, Equipment(battery, car_power_w, heaters))


def account_from(
    begin: Beginning, book: Book, rules: TariffRules, flows: Iterable[Flow], home: Equipment
) -> Account:
    """The same from a moment on."""
    counted, metered = Quarters(), Quarters()
    estimated: set[datetime] = set()
    for at in sorted(at for at in book.metered if at >= begin.since):
        row = book.metered[at]
        counted.add(at, row.interval, row.import_wh, row.export_wh)
        left = _without_trade(row, book.position_wh(row.interval))
        metered.add(at, row.interval, left.import_wh, left.export_wh)
        if row.quality is MeterQuality.ESTIMATED:
            estimated.add(at)
    market = [0] * len(metered)
    for settled in book.settlements.values():
        n = metered.number(settled.interval.start)
        if n is not None:
            market[n] += settled.total_money
            metered.export_wh[n] = 0  # what is given to the grid is the exchange's matter
    gaps = tuple(
        Quarter(Interval(gap.since, gap.until), gap.import_wh, gap.export_wh)
        for gap in book.gaps
        if gap.until > gap.since and (gap.import_wh or gap.export_wh)
    )
    rows = known(counted, flows, home.heaters.keys())
    return Account(
        book,
        rules,
        metered,
        gaps,
        market,
        frozenset(estimated),
        rows,
        Otherwise(
            without_battery(rows),
            without_us(
                rows, home.battery, home.car_power_w, home.heaters, rules.zone, begin.more_wh
            ),
            without_sun(rows),
        ),
        Prices(rules, PublishedPrices(book, rules.tariff)),
        {at: _credited(body) for at, body in book.credits.items()},
    )


def _credited(body: Mapping[str, Any]) -> int | None:
    return None if body["money"] is None else int(body["money"])


class PublishedPrices(Mapping[datetime, Published]):
    """What was published for the tariff, by the start of the interval, read from the book when it is asked for: what
    follows a feed is of the feed, the rest of the exchange."""

    def __init__(self, book: Book, tariff: Tariff) -> None:
        self._book = book
        bought, sold = tariff.import_price, tariff.export_price
        markets = [p for p in (bought, sold) if isinstance(p, WholesalePrice)]
        self._of_feed = (
            isinstance(bought, PublishedPrice) and bought.feed is not None,
            isinstance(sold, PublishedPrice) and sold.feed is not None,
            any(price.feed is not None for price in markets),
        )

    def __getitem__(self, at: datetime) -> Published:
        if at not in self:
            raise KeyError(at)
        ours = published_of(self._book.retail.get(at, {}))
        theirs = published_of(self._book.prices.get(at, {}))
        sides = zip(self._of_feed, ours, theirs, strict=True)
        return Published(*(own if of_feed else other for of_feed, own, other in sides))

    def __contains__(self, at: object) -> bool:
        return at in self._book.retail or at in self._book.prices

    def __iter__(self) -> Iterator[datetime]:
        return iter(self._book.retail.keys() | self._book.prices.keys())

    def __len__(self) -> int:
        return len(self._book.retail.keys() | self._book.prices.keys())


def _without_trade(counted: Metered, position_wh: int) -> Quarter:
    """What is left for the retailer where energy was bought or sold at an exchange."""
    if not position_wh:
        return Quarter(counted.interval, counted.import_wh, counted.export_wh)
    net = counted.export_wh - counted.import_wh - position_wh
    return Quarter(counted.interval, max(-net, 0), max(net, 0))


def cents(money: int | None) -> str | None:
    """To the cent, half away from zero, as a bill says it."""
    if money is None:
        return None
    whole = (abs(money) + _CENT // 2) // _CENT * _CENT
    return money_text(whole if money > 0 else -whole)


def as_json(found: HomeBill, currency: str) -> dict[str, Any]:
    """For programs: amounts as decimal text, + is what the home pays."""
    lines = found.bill
    return {
        "start": lines.start.isoformat(),
        "end": lines.end.isoformat(),
        "currency": currency,
        "import_wh": lines.import_wh,
        "export_wh": lines.export_wh,
        "unpriced_wh": lines.unpriced_wh,
        "energy": cents(lines.energy_money),
        "feed_in": cents(lines.feed_in_money),
        "standing": cents(lines.standing_money),
        "demand": cents(lines.demand_money),
        "market": cents(-found.market_money),
        "programme": cents(-found.programme_money),
        "programme_unknown_quarters": found.programme_unknown,
        "total": cents(found.total_money),
        "without_battery": cents(found.without_battery),
        "without_gateway": cents(found.without_gateway),
        "without_sun": cents(found.without_sun),
        "saved": cents(found.saved_money),
        "stored_difference_wh": round(found.stored_difference_wh),
        "heat_difference_wh": round(found.heat_difference_wh),
        "quarters": {
            "metered": found.metered,
            "estimated": found.estimated,
            "compared": found.compared,
        },
    }
