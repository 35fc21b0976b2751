"""Small makers of market values for the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gateway.domain.intervals import Interval, quarter
from gateway.domain.plan import OfferCurve, OfferStep
from gateway.domain.trade import MarketRules, Side, Tender
from gateway.store.book import TenderState

T0 = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

RULES = MarketRules(
    market_id="test",
    segment_id="zone",
    currency="USD",
    mechanism="MMT_AUCTION",
    tick_per_mwh=Decimal("0.01"),
    lot_wh=10,
    min_quantity_wh=50,
    max_quantity_wh=2500,
    floor_ticks=-25_000,
    cap_ticks=500_000,
    first_call_lead=60 * MINUTE,
    gate_closure_lead=5 * MINUTE,
    cancel_closure_lead=timedelta(minutes=5, seconds=10),
    call_period=5 * MINUTE,
    guard=timedelta(seconds=15),
    deviation_fee_ticks=1000,
)


def curve(*steps: tuple[float, int], start: datetime = T0) -> OfferCurve:
    return OfferCurve(quarter(start), tuple(OfferStep(price, net) for price, net in steps))


def state(
    name: str,
    quantity: int,
    price: int,
    *,
    side: Side = Side.SELL,
    answered: bool = True,
    accepted: bool = True,
    cancelling: bool = False,
    filled: int = 0,
    interval: Interval | None = None,
) -> TenderState:
    where = interval or quarter(T0)
    tender = Tender(name, where, side, quantity, price, where.start - 5 * MINUTE)
    return TenderState(tender, answered, accepted, None, cancelling, False, filled)
