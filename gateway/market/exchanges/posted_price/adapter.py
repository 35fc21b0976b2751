"""A retailer that pays a published price: no bidding, the same offer curve read at that price.

Nothing is sent but the question for prices (docs/account.md describes the document). A tender to
sell at or below the interval's export price is a fill at that price at once; one above it rests and
ends with its interval. What is paid is what the meter counted at the posted price, so a deviation
bears no fee, and nothing that this process forgets in a crash is owed by anyone: the trader sends
unanswered tenders again, and reports again what has no settlement yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from gateway.bounded_http import BoundedHttp
from gateway.domain.intervals import Interval, floor_quarter, iso, quarters
from gateway.domain.price import Price
from gateway.domain.trade import (
    CancelAnswer,
    MarketRules,
    Metered,
    Receipt,
    Run,
    Settlement,
    Side,
    Tender,
    TenderAnswer,
    Transaction,
)
from gateway.errors import MarketError
from gateway.market.exchanges import ExchangeAccess, PublishedPrices
from gateway.market.exchanges.bounded import loads, moment, rows, text, understood
from gateway.market.settlement import expected

_LONGEST = timedelta(days=40)  # what is kept in memory
_MOST_ROWS = 4000
_NEVER_TICKS = 10**9  # beyond any price
_MOST_PER_KWH = 10_000


def connect(access: ExchangeAccess) -> PostedPrice:
    """Entry point: nothing is sent before the first question."""
    return PostedPrice(access)


@dataclass
class _Rest:
    """A tender and what of it is not filled; ``answer`` is what was said to it."""

    tender: Tender
    answer: TenderAnswer
    open_wh: int


class PostedPrice:
    """Implements the port `gateway.market.exchanges.Exchange` without an exchange."""

    tells_time = False

    def __init__(self, access: ExchangeAccess) -> None:
        self._access, self._http = access, BoundedHttp(access.tls(), MarketError)
        self._currency = ""
        self._posted: dict[datetime, PublishedPrices] = {}
        self._rests: dict[str, _Rest] = {}
        self._fills: list[Transaction] = []
        self._sequence = 0
        self._metered: dict[datetime, Metered] = {}

    async def rules(self) -> MarketRules:
        now = self._access.clock.now()
        await self._fetch(now, now + timedelta(hours=1))
        zero = timedelta(0)
        return MarketRules(
            market_id="posted-price",
            segment_id="retail",
            currency=self._currency,
            mechanism="CTS_RTP",
            tick_per_mwh=Decimal("0.01"),
            lot_wh=1,
            min_quantity_wh=1,
            max_quantity_wh=10**6,
            floor_ticks=-_NEVER_TICKS,
            cap_ticks=_NEVER_TICKS,
            first_call_lead=zero,
            gate_closure_lead=zero,
            cancel_closure_lead=zero,
            call_period=timedelta(minutes=15),
            guard=zero,
        )

    async def server_time(self) -> datetime:
        """Our own: there is no gate that another clock could close."""
        return self._access.clock.now()

    async def prices(self, start: datetime, end: datetime) -> Sequence[PublishedPrices]:
        await self._fetch(start, end)
        return [self._posted[i.start] for i in _within(start, end) if i.start in self._posted]

    async def create_tenders(self, tenders: Sequence[Tender]) -> Sequence[TenderAnswer]:
        missing = [t.interval for t in tenders if t.interval.start not in self._posted]
        if missing:
            await self._fetch(min(i.start for i in missing), max(i.end for i in missing))
        return [self._take(tender) for tender in tenders]

    async def cancel(self, tender_id: str) -> CancelAnswer:
        rest = self._rests.get(tender_id)
        left = rest.open_wh if rest else 0
        if rest:
            rest.open_wh = 0
        return CancelAnswer(tender_id, left > 0 or rest is None, left, 200, "nobody else knew it")

    async def find_tender(self, tender_id: str) -> TenderAnswer | None:
        rest = self._rests.get(tender_id)
        return rest.answer if rest else None

    async def open_tenders(self) -> Sequence[str]:
        return [name for name, rest in self._rests.items() if rest.open_wh]

    async def signed_tender(self, tender_id: str) -> Tender | None:
        """There is nobody but us."""
        rest = self._rests.get(tender_id)
        return rest.tender if rest else None

    async def transactions(self, after: int) -> Sequence[Transaction]:
        # a previous run may have numbered further than this one
        self._sequence = max(self._sequence, after)
        return [fill for fill in self._fills if fill.sequence > after]

    async def deliver(self, metered: Metered) -> None:
        self._metered.setdefault(metered.interval.start, metered)

    async def settlements(self, start: datetime, end: datetime) -> Sequence[Settlement]:
        due = [m for at, m in sorted(self._metered.items()) if start <= at < end]
        missing = [m.interval for m in due if m.interval.start not in self._posted]
        if missing:
            await self._fetch(missing[0].start, missing[-1].end)
        return [s for m in due if (s := self._settlement(m)) is not None]

    async def attest(self, sequence: int, head: str) -> Receipt | None:
        return None

    async def close(self) -> None:
        await self._http.close()

    def _take(self, tender: Tender) -> TenderAnswer:
        if known := self._rests.get(tender.tender_id):
            return known.answer
        posted = self._posted.get(tender.interval.start)
        price = None if posted is None else _price_for(tender.side, posted)
        if self._access.clock.now() >= tender.interval.start or price is None:
            why = "no price is published" if price is None else "the interval has begun"
            return TenderAnswer(tender.tender_id, False, None, 409, why)
        answer = TenderAnswer(tender.tender_id, True, tender.tender_id, 201, "read at the price")
        good = tender.side.sign * (price - tender.price_ticks) >= 0
        self._rests[tender.tender_id] = _Rest(tender, answer, 0 if good else tender.quantity_wh)
        if good:
            self._sequence += 1
            self._fills.append(
                Transaction(
                    f"{tender.tender_id}-fill",
                    self._sequence,
                    tender.tender_id,
                    tender.interval,
                    tender.side,
                    tender.quantity_wh,
                    price,
                )
            )
        return answer

    def _settlement(self, metered: Metered) -> Settlement | None:
        """Fills and deviations at the posted price: together, what the meter counted at that price."""
        posted = self._posted.get(metered.interval.start)
        fills = [f for f in self._fills if f.interval == metered.interval]
        buying = sum(f.net_wh for f in fills) < 0
        price = _price_for(Side.BUY if buying else Side.SELL, posted) if posted else None
        if posted is None or posted.export_ticks is None or price is None:
            return None
        due = expected(fills, metered.net_wh, price, posted.export_ticks, 0)
        return Settlement(
            f"posted-{iso(metered.interval.start)}",
            metered.interval,
            Run.FINAL,
            due.position_wh,
            due.metered_wh,
            price,
            due.energy_money,
            due.imbalance_money,
            due.uncontracted_money,
            due.fee_money,
        )

    async def _fetch(self, start: datetime, end: datetime) -> None:
        """Ask for the posted prices of the span and keep them."""
        query = {"start": iso(start), "end": iso(end)}
        status, raw = await self._http.ask("GET", self._access.url, query=query)
        if status != 200:
            raise MarketError(f"{self._access.url}: HTTP {status}")
        with understood("a price document"):
            document = loads(raw)
            currency = text(document["currency"])
            found = [
                p for row in rows(document["prices"], _MOST_ROWS) for p in _posted(row, start, end)
            ]
        self._currency = currency
        self._posted |= {row.interval.start: row for row in found}
        self._forget(self._access.clock.now() - _LONGEST)

    def _forget(self, old: datetime) -> None:
        self._posted = {at: p for at, p in self._posted.items() if at >= old}
        self._metered = {at: m for at, m in self._metered.items() if at >= old}
        self._fills = [f for f in self._fills if f.interval.start >= old]
        self._rests = {k: r for k, r in self._rests.items() if r.tender.interval.start >= old}


def _price_for(side: Side, posted: PublishedPrices) -> int | None:
    return posted.export_ticks if side is Side.SELL else posted.import_ticks


def _posted(row: Any, since: datetime, until: datetime) -> Iterator[PublishedPrices]:
    """One row of the document as quarters of the span: an hourly price holds in each of its four."""
    start, end = moment(row["start"]), moment(row["end"])
    if floor_quarter(start) != start or floor_quarter(end) != end or end <= start:
        raise ValueError(f"{iso(start)} to {iso(end)} is not on the quarter-hour grid")
    bought, sold = _ticks(row.get("import_per_kwh")), _ticks(row.get("export_per_kwh"))
    first, last = max(start, floor_quarter(since)), min(end, until)
    for interval in quarters(first, last):
        yield PublishedPrices(interval, bought, sold, sold, sold)


def _ticks(per_kwh: Any) -> int | None:
    if per_kwh is None:
        return None
    price = Decimal(text(per_kwh)) if isinstance(per_kwh, str) else Decimal(per_kwh)
    if not price.is_finite() or abs(price) > _MOST_PER_KWH:
        raise ValueError("that is no price of a kWh")
    return Price.of_kwh(price).ticks


def _within(start: datetime, end: datetime) -> Iterator[Interval]:
    first = floor_quarter(start)
    yield from quarters(first if first == start else first + timedelta(minutes=15), end)
