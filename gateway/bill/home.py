"""The home's bill from its account: what it cost, and what it would have cost otherwise. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from gateway.bill.account import Bill, PricePair, Published, Quarter, bill, prices, published_of
from gateway.bill.otherwise import Known, known, without_battery, without_sun, without_us
from gateway.config.tariff import PublishedPrice, Tariff, WholesalePrice
from gateway.domain.flows import Flow
from gateway.domain.intervals import Interval
from gateway.domain.plan import BatterySpec
from gateway.domain.trade import MONEY_PER_UNIT, money_text
from gateway.store.book import Book
from gateway.tariff import TariffRules

LEAST_KNOWN = 0.9  # of the metered quarters, for a comparison to be shown
_CENT = MONEY_PER_UNIT // 100


@dataclass(frozen=True, slots=True)
class HomeBill:
    """One span. What the home pays is +; ``market_money`` is what an exchange paid (+), ``programme_money`` a programme for
    its dispatches, both taken off in the total.

    A comparison is None while too little of the span can be compared: its flows and all prices are known. ``stored_difference_wh`` is what the battery
    would hold more at the end without us.
    """

    bill: Bill
    market_money: int
    without_battery: int | None
    without_gateway: int | None
    without_sun: int | None
    metered: int
    estimated: int
    compared: int
    stored_difference_wh: float = 0.0
    programme_money: int = 0
    programme_unknown: int = 0  # dispatched quarters of which nobody knows yet what they earned

    @property
    def total_money(self) -> int:
        return self.bill.total_money - self.market_money - self.programme_money

    @property
    def saved_money(self) -> int | None:
        """What it would have cost more without the gateway."""
        return None if self.without_gateway is None else self.without_gateway - self.total_money


@dataclass(frozen=True, slots=True)
class Bills:
    """The two that are shown all the time."""

    today: HomeBill
    month: HomeBill


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What the known quarters would have been, one for each of them, from the first on without a break: so days
    add up to their month."""

    without_battery: Sequence[Quarter]
    without_gateway: Sequence[Quarter]
    without_sun: Sequence[Quarter]
    more_stored_wh: Sequence[float]  # without the gateway, after each

    @classmethod
    def of(cls, rows: Sequence[Known], battery: BatterySpec | None, car_power_w: float) -> Self:
        ours, more = without_us(rows, battery, car_power_w)
        return cls(without_battery(rows), ours, without_sun(rows), more)


@dataclass(frozen=True, slots=True)
class Account:
    """All that bills are made from."""

    rules: TariffRules
    metered: Mapping[datetime, Quarter]
    gaps: tuple[Quarter, ...]
    published: Mapping[datetime, Published]
    market_money: Mapping[datetime, int]
    estimated: frozenset[datetime]
    known: tuple[Known, ...]
    otherwise: Otherwise
    starts: tuple[datetime, ...]  # of `metered`, in order
    credits: Mapping[datetime, int | None] = field(default_factory=dict)
    seen: dict[Interval, PricePair] = field(default_factory=dict)

    def of(self, start: datetime, end: datetime) -> HomeBill:
        """The bill of the quarters that start in the half-open span."""
        earlier = self._month(start) if self.rules.tariff.demand_charge_per_kw > 0 else start
        within, before = self._metered(start, end), self._metered(earlier, start)
        rows, rows_before = self._known(start, end), self._known(earlier, start)
        compared = [n for n in range(rows.start, rows.stop) if self._priced(n)]
        awaited = rows.stop - 1 - compared[-1] if compared else 0  # prices come an hour later, some
        enough = len(compared) >= LEAST_KNOWN * (len(within) - awaited) > 0
        gaps = [g for g in self.gaps if start <= g.interval.start < end]

        def charged(now: Mapping[datetime, Quarter], past: Mapping[datetime, Quarter]) -> Bill:
            quarters, earlier = [*now.values(), *gaps], list(past.values())
            return bill(quarters, (start, end), self.rules, self.published, self.seen, earlier)

        def cost(instead: Sequence[Quarter]) -> int | None:
            if not enough:
                return None
            now = within | _by_start([instead[n] for n in compared])
            return charged(now, before | _by_start(instead[rows_before])).total_money

        earned = [self.credits[at] for at in within if at in self.credits]

        return HomeBill(
            bill=charged(within, before),
            market_money=sum(self.market_money.get(at, 0) for at in within),
            without_battery=cost(self.otherwise.without_battery),
            without_gateway=cost(self.otherwise.without_gateway),
            without_sun=cost(self.otherwise.without_sun),
            metered=len(within),
            estimated=len(self.estimated & within.keys()),
            compared=len(compared),
            stored_difference_wh=self.otherwise.more_stored_wh[rows.stop - 1] if enough else 0.0,
            programme_money=sum(money for money in earned if money is not None),
            programme_unknown=earned.count(None),
        )

    def _priced(self, n: int) -> bool:
        """Whether the known quarter has all prices that it, or what it would have been, needs: energy without a price
        on one side only would pass for a saving."""
        interval = self.known[n].quarter.interval
        other = self.otherwise
        ways = [
            self.metered[interval.start],
            other.without_battery[n],
            other.without_gateway[n],
            other.without_sun[n],
        ]
        if interval not in self.seen:
            self.seen[interval] = prices(interval, self.rules, self.published)
        bought, sold = self.seen[interval]
        return (bought is not None or not any(q.import_wh for q in ways)) and (
            sold is not None or not any(q.export_wh for q in ways)
        )

    def _month(self, moment: datetime) -> datetime:
        """When the local month of ``moment`` began."""
        here = moment.astimezone(self.rules.zone)
        first = here.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return first.astimezone(moment.tzinfo)

    def _metered(self, start: datetime, end: datetime) -> dict[datetime, Quarter]:
        first, last = bisect_left(self.starts, start), bisect_left(self.starts, end)
        return {at: self.metered[at] for at in self.starts[first:last]}

    def _known(self, start: datetime, end: datetime) -> slice:
        """Which of the known rows those are."""
        first = bisect_left(self.known, start, key=_start)
        return slice(first, bisect_left(self.known, end, key=_start))


def _by_start(quarters: Sequence[Quarter]) -> dict[datetime, Quarter]:
    return {quarter.interval.start: quarter for quarter in quarters}


def _start(row: Known) -> datetime:
    return row.quarter.interval.start


def account(
    book: Book,
    rules: TariffRules,
    flows: Iterable[Flow],
    battery: BatterySpec | None = None,
    car_power_w: float = 0.0,
) -> Account:
    """From the journal's book (its own, or of any span by `book_of`) and the flows beside it."""
    published = published_prices(book, rules.tariff)
    raw: dict[datetime, Quarter] = {}
    metered: dict[datetime, Quarter] = {}
    market: dict[datetime, int] = {}
    for at, quantity in book.metered.items():
        raw[at] = Quarter(quantity.interval, quantity.import_wh, quantity.export_wh)
        metered[at] = _without_trade(raw[at], book.position_wh(quantity.interval))
    for settled in book.settlements.values():
        at = settled.interval.start
        market[at] = market.get(at, 0) + settled.total_money
    for at in market.keys() & metered.keys():  # what is given to the grid is the exchange's matter
        metered[at] = Quarter(metered[at].interval, metered[at].import_wh, 0)
    gaps = tuple(
        Quarter(Interval(gap.since, gap.until), gap.import_wh, gap.export_wh)
        for gap in book.gaps
        if gap.until > gap.since and (gap.import_wh or gap.export_wh)
    )
    rows = tuple(known(raw.values(), flows))
    return Account(
        rules,
        metered,
        gaps,
        published,
        market,
        frozenset(at for at, m in book.metered.items() if m.quality.value == "estimated"),
        rows,
        Otherwise.of(rows, battery, car_power_w),
        tuple(sorted(metered)),
        {at: _credited(body) for at, body in book.credits.items()},
    )


def _credited(body: Mapping[str, Any]) -> int | None:
    return None if body["money"] is None else int(body["money"])


def published_prices(book: Book, tariff: Tariff) -> dict[datetime, Published]:
    """What was published for the tariff, by interval: what follows a feed is of the feed, the rest of the exchange."""
    made = {at: published_of(body) for at, body in book.prices.items()}
    followed = {
        name: price.feed is not None
        for name, price in (("import", tariff.import_price), ("export", tariff.export_price))
        if isinstance(price, PublishedPrice)
    }
    markets = [
        p for p in (tariff.import_price, tariff.export_price) if isinstance(p, WholesalePrice)
    ]
    followed["market"] = any(price.feed is not None for price in markets)
    for at in made.keys() | book.retail.keys():
        ours, theirs = published_of(book.retail.get(at, {})), made.get(at, Published())
        sides = zip(Published._fields, ours, theirs, strict=True)
        made[at] = Published(
            *(
                own if followed.get(name.removesuffix("_per_kwh")) else other
                for name, own, other in sides
            )
        )
    return made


def _without_trade(quarter: Quarter, position_wh: int) -> Quarter:
    """What is left for the retailer where energy was bought or sold at an exchange."""
    if not position_wh:
        return quarter
    net = quarter.export_wh - quarter.import_wh - position_wh
    return Quarter(quarter.interval, max(-net, 0), max(net, 0))


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
        "quarters": {
            "metered": found.metered,
            "estimated": found.estimated,
            "compared": found.compared,
        },
    }
