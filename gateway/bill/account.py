"""The bill of a span: every metered quarter settled at tariff and feed-in as they are. Exact integers.

Money here is what the home pays: + is owed to the retailer, - is paid by it; 1e-8 currency units. An amount whose
price is not known is in no sum; how much energy that is stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from gateway.bill.fees import demand_money, fees_money
from gateway.domain.intervals import QUARTER, Interval, floor_quarter, quarters
from gateway.domain.price import KWH_PER_MWH, TICKS_PER_UNIT
from gateway.domain.trade import MONEY_PER_UNIT
from gateway.tariff import TariffRules

_WH_PER_KWH = 1000


class Published(NamedTuple):
    """What was published for an interval, per kWh; None = not known."""

    import_per_kwh: Decimal | None = None
    export_per_kwh: Decimal | None = None
    market_per_kwh: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Quarter:
    """What was bought and given to the grid in one interval, Wh."""

    interval: Interval
    import_wh: int
    export_wh: int


@dataclass(frozen=True, slots=True)
class Bill:
    """One span's bill. ``unpriced_wh`` is energy, either way, whose price is not known: it is in no amount."""

    start: datetime
    end: datetime
    import_wh: int
    export_wh: int
    energy_money: int  # bought, grid fee, levies and tax included
    feed_in_money: int  # given to the grid; usually < 0
    standing_money: int
    demand_money: int
    unpriced_wh: int = 0

    @property
    def total_money(self) -> int:
        return self.energy_money + self.feed_in_money + self.standing_money + self.demand_money


PricePair = tuple[Decimal | None, Decimal | None]  # what a kWh costs and earns


def published_of(body: Mapping[str, Any]) -> Published:
    """From the journal: of a feed the exact prices, of an exchange its ticks."""
    return Published(*(_stored(body, name) for name in ("import", "export", "market")))


def _stored(body: Mapping[str, Any], name: str) -> Decimal | None:
    exact = body.get(f"{name}_per_kwh")
    if exact is not None:
        return Decimal(exact)
    ticks = body.get("imbalance_ticks" if name == "market" else f"{name}_ticks")
    return None if ticks is None else Decimal(ticks) / (TICKS_PER_UNIT * KWH_PER_MWH)


class Prices:
    """Of intervals, with one tariff and one publication; what was reckoned once is kept."""

    def __init__(self, rules: TariffRules, published: Mapping[datetime, Published]) -> None:
        self._rules, self._published = rules, published
        self._seen: dict[datetime, PricePair] = {}
        self._pairs: dict[PricePair, PricePair] = {}  # a month has few of most tariffs

    def of(self, interval: Interval) -> PricePair:
        """What a kWh costs and earns; None where that is not known."""
        if interval.end - interval.start != QUARTER:
            return prices(interval, self._rules, self._published)
        found = self._seen.get(interval.start)
        if found is None:
            found = prices(interval, self._rules, self._published)
            found = self._seen[interval.start] = self._pairs.setdefault(found, found)
        return found


def bill(
    metered: Iterable[Quarter],
    span: tuple[datetime, datetime],
    rules: TariffRules,
    priced: Prices,
    before: Iterable[Quarter] = (),
) -> Bill:
    """The bill of the quarters that start in the half-open span, with the fees that fall into it.

    The demand charge is what the span adds to that of ``before``, the quarters of its first month that precede
    it: so days add up to their month.
    """
    start, end = span
    demand = bool(rules.tariff.demand_charge_per_kw)
    within: list[Quarter] = []  # where their peak counts
    energy = feed_in = unpriced = import_wh = export_wh = 0
    for quarter in metered:
        if not start <= quarter.interval.start < end:
            continue
        bought, sold = priced.of(quarter.interval)
        import_wh, export_wh = import_wh + quarter.import_wh, export_wh + quarter.export_wh
        if bought is None:
            unpriced += quarter.import_wh
        elif quarter.import_wh:
            energy += money(quarter.import_wh, bought)
        if sold is None:
            unpriced += quarter.export_wh
        elif quarter.export_wh:
            feed_in -= money(quarter.export_wh, sold)
        if demand:
            within.append(quarter)
    tariff, zone = rules.tariff, rules.zone
    earlier = list(before) if demand else []
    return Bill(
        start,
        end,
        import_wh,
        export_wh,
        energy,
        feed_in,
        -fees_money(tariff, zone, start, end),
        demand_money(tariff, zone, earlier) - demand_money(tariff, zone, [*earlier, *within]),
        unpriced,
    )


def prices(
    interval: Interval, rules: TariffRules, published: Mapping[datetime, Published]
) -> PricePair:
    """What a kWh of the interval costs and earns; None where that is not known, or where it changed within
    (of a span that nobody counted quarter by quarter)."""
    if interval.end - interval.start <= QUARTER:
        return _prices(interval, rules, published)
    first = floor_quarter(interval.start)
    seen = [_prices(each, rules, published) for each in quarters(first, interval.end)]
    bought, sold = {s[0] for s in seen}, {s[1] for s in seen}
    return (
        bought.pop() if len(bought) == 1 else None,
        sold.pop() if len(sold) == 1 else None,
    )


def _prices(
    interval: Interval, rules: TariffRules, published: Mapping[datetime, Published]
) -> tuple[Decimal | None, Decimal | None]:
    known = published.get(interval.start, Published())
    return (
        rules.exact_import(interval).at(known.market_per_kwh, known.import_per_kwh),
        rules.exact_export(interval).at(known.market_per_kwh, known.export_per_kwh),
    )


def money(quantity_wh: int, per_kwh: Decimal) -> int:
    """The nearest whole unit of money."""
    return round(per_kwh * quantity_wh * MONEY_PER_UNIT / _WH_PER_KWH)


def periods(
    start: datetime, end: datetime, rules: TariffRules, by: str
) -> Sequence[tuple[datetime, datetime]]:
    """The local days, months or years of a span, cut at its ends."""
    cuts = [start]
    while cuts[-1] < end:
        cuts.append(min(_next(cuts[-1], rules, by), end))
    return list(pairwise(cuts))


def first_of(by: str, moment: datetime, rules: TariffRules) -> datetime:
    """When the local month or year of ``moment`` began."""
    here = moment.astimezone(rules.zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (here if by == "month" else here.replace(month=1)).astimezone(moment.tzinfo)


def _next(moment: datetime, rules: TariffRules, by: str) -> datetime:
    """The next local midnight that begins a day, month or year."""
    here = moment.astimezone(rules.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    year, month = here.year, here.month
    match by:
        case "day":
            day = (here.replace(tzinfo=None)).toordinal() + 1
            following = datetime.fromordinal(day).replace(tzinfo=rules.zone)
        case "month":
            following = here.replace(day=1, year=year + month // 12, month=month % 12 + 1)
        case _:
            following = here.replace(day=1, month=1, year=year + 1)
    return following.astimezone(moment.tzinfo)
