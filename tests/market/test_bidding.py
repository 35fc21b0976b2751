"""Curves become tenders: never more than the curve allows, never churn, never a self-cross."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.trade import Side
from gateway.market.bidding import BidPolicy, Bids, Increment, tenders_for
from gateway.store.book import TenderState
from tests.market.values import RULES, curve, state

POLICY = BidPolicy()


def sell(quantity: int, price: int) -> Increment:
    return Increment(Side.SELL, quantity, price)


def test_each_rise_of_the_curve_is_one_tender() -> None:
    bids = tenders_for(curve((40, 500), (90, 1200)), RULES, [], 0, POLICY)
    assert bids == Bids((), (sell(500, 4000), sell(700, 9000)))


def test_the_same_plan_sends_nothing() -> None:
    out = [state("a", 500, 4000), state("b", 700, 9000)]
    assert tenders_for(curve((40, 500), (90, 1200)), RULES, out, 0, POLICY) == Bids()


def test_fills_count_from_the_lowest_price_on() -> None:
    out = [state("b", 700, 9000)]
    assert tenders_for(curve((40, 500), (90, 1200)), RULES, out, 500, POLICY) == Bids()


def test_a_part_fill_counts_with_its_rest() -> None:
    out = [state("a", 500, 4000, filled=200), state("b", 700, 9000)]
    assert tenders_for(curve((40, 500), (90, 1200)), RULES, out, 200, POLICY) == Bids()


def test_a_move_within_a_lot_or_the_threshold_is_left_alone() -> None:
    out = [state("a", 500, 4000)]
    assert tenders_for(curve((40.5, 509)), RULES, out, 0, POLICY) == Bids()
    assert tenders_for(curve((38.5, 510)), RULES, out, 0, POLICY) == Bids()


def test_more_energy_is_one_more_tender() -> None:
    out = [state("a", 500, 4000)]
    assert tenders_for(curve((40, 800)), RULES, out, 0, POLICY) == Bids((), (sell(300, 4000),))


def test_a_moved_price_replaces() -> None:
    out = [state("a", 500, 4000)]
    assert tenders_for(curve((60, 500)), RULES, out, 0, POLICY) == Bids(("a",), (sell(500, 6000),))


def test_less_energy_takes_back_and_offers_the_rest() -> None:
    out = [state("a", 500, 4000)]
    assert tenders_for(curve((40, 200)), RULES, out, 0, POLICY) == Bids(("a",), (sell(200, 4000),))


def test_one_watt_hour_too_much_is_taken_back() -> None:
    out = [state("a", 500, 4000)]
    assert tenders_for(curve((40, 499)), RULES, out, 0, POLICY).cancel == ("a",)


def test_an_unanswered_tender_counts_and_is_not_cancelled() -> None:
    out = [state("a", 500, 4000, answered=False)]
    assert tenders_for(curve((90, 500)), RULES, out, 0, POLICY) == Bids()
    assert tenders_for(curve((90, 600)), RULES, out, 0, POLICY) == Bids((), (sell(100, 9000),))


def test_while_cancels_are_closed_open_tenders_count() -> None:
    out = [state("a", 500, 4000)]
    bids = tenders_for(curve((90, 600)), RULES, out, 0, POLICY, may_cancel=False)
    assert bids == Bids((), (sell(100, 9000),))


def test_an_empty_curve_takes_everything_back() -> None:
    out = [state("a", 500, 4000), state("b", 100, 9000)]
    assert set(tenders_for(curve(), RULES, out, 0, POLICY).cancel) == {"a", "b"}


def test_a_refused_tender_is_not_sent_again_unchanged() -> None:
    out = [state("a", 500, 4000, accepted=False)]
    assert tenders_for(curve((40, 500)), RULES, out, 0, POLICY) == Bids()
    assert tenders_for(curve((40, 520)), RULES, out, 0, POLICY).create == (sell(520, 4000),)


def test_the_slack_of_a_lot_is_taken_from_the_dearest() -> None:
    out = [state("a", 510, 4000)]
    bids = tenders_for(curve((40, 500), (90, 1000)), RULES, out, 0, POLICY)
    assert bids == Bids((), (sell(490, 9000),))


def test_what_cannot_be_taken_back_uses_up_the_cheapest_plan() -> None:
    out = [state("a", 500, 4000, answered=False)]
    bids = tenders_for(curve((60, 300), (90, 600)), RULES, out, 0, POLICY)
    assert bids == Bids((), (sell(100, 9000),))


def test_one_that_bids_too_little_stands_in_no_eagerer_ones_way() -> None:
    buying = BidPolicy(allow_buy=True)
    stuck = state("s", 600, 3800, side=Side.BUY)
    wish = curve((38, -3900), (76, -2800))
    bids = tenders_for(wish, RULES, [stuck], -900, buying, may_cancel=False)
    assert bids.create == (
        Increment(Side.BUY, 1900, 7600),
        Increment(Side.BUY, 500, 3800),
    ), "a car that draws more is bought for, though the cheap bid of before is still out"


def test_one_lot_more_is_no_reason_where_lots_may_be_traded_alone() -> None:
    fine = replace(RULES, min_quantity_wh=10)
    out = [state("a", 500, 4000)]
    assert tenders_for(curve((40, 510)), fine, out, 0, POLICY) == Bids()
    assert tenders_for(curve((40, 520)), fine, out, 0, POLICY) == Bids((), (sell(20, 4000),))
    assert tenders_for(curve((40, 10)), fine, [], 0, POLICY) == Bids((), (sell(10, 4000),))


def test_the_rest_of_a_step_goes_with_the_next_one() -> None:
    out = [state("a", 480, 4000)]
    bids = tenders_for(curve((40, 520), (90, 600)), RULES, out, 0, POLICY)
    assert bids == Bids((), (sell(120, 9000),))


def test_a_tender_that_carries_a_crumb_is_left_alone() -> None:
    """What was sent for a crumb and the next step together is still right the next time."""
    out = [state("a", 30, 0)]
    wish = curve((0, 50), (3, 100))
    bids = tenders_for(wish, RULES, out, 0, POLICY)
    assert bids == Bids((), (sell(70, 300),))
    assert tenders_for(wish, RULES, after(out, bids), 0, POLICY) == Bids()


def test_a_far_tender_does_not_stand_for_a_crumb() -> None:
    buying = BidPolicy(allow_buy=True)
    stuck = state("t0", 120, 300, side=Side.BUY, answered=False)
    out = [stuck, state("t1", 50, 50, side=Side.BUY)]
    wish = curve((3, -220), (3, -160))
    bids = tenders_for(wish, RULES, out, 0, buying)
    assert bids.cancel == ("t1",)
    assert tenders_for(wish, RULES, after(out, bids), 0, buying) == Bids()


def test_crumbs_wait_for_the_next_price() -> None:
    bids = tenders_for(curve((10, 30), (20, 64), (30, 99)), RULES, [], 0, POLICY)
    assert bids.create == (sell(60, 2000),)


def test_the_user_floor_and_the_band() -> None:
    floor = BidPolicy(floor_ticks=7000)
    assert tenders_for(curve((40, 500)), RULES, [], 0, floor).create == (sell(500, 7000),)
    assert tenders_for(
        curve((-900, 500)), RULES, [], 0, BidPolicy(floor_ticks=-(10**9))
    ).create == (sell(500, -25_000),)
    assert tenders_for(curve((5000.01, 500)), RULES, [], 0, POLICY).create == ()
    assert tenders_for(curve((5000, 500)), RULES, [], 0, POLICY).create == (sell(500, 500_000),)


def test_a_floor_that_rises_a_little_is_kept_to_the_tick() -> None:
    out = [state("a", 500, 4000)]
    bids = tenders_for(curve((40, 500)), RULES, out, 0, BidPolicy(floor_ticks=4001))
    assert bids == Bids(("a",), (sell(500, 4001),))


def test_prices_snap_up_for_a_sell_and_down_for_a_buy() -> None:
    coarse = replace(RULES, tick_per_mwh=Decimal("0.25"))
    bids = tenders_for(curve((40.1, -100), (50.1, 100)), coarse, [], 0, BidPolicy(allow_buy=True))
    assert bids.create == (sell(100, 5025), Increment(Side.BUY, 100, 4000))


def test_large_increments_are_split() -> None:
    bids = tenders_for(curve((40, 6010)), RULES, [], 0, POLICY)
    assert [b.quantity_wh for b in bids.create] == [2500, 2500, 1010]


def test_buying_needs_leave() -> None:
    wish = curve((10, -2000), (40, -500))
    assert tenders_for(wish, RULES, [], 0, POLICY) == Bids()
    bids = tenders_for(wish, RULES, [], 0, BidPolicy(allow_buy=True))
    assert bids.create == (Increment(Side.BUY, 500, 4000), Increment(Side.BUY, 1500, 1000))


def test_no_self_cross_with_what_cannot_be_taken_back() -> None:
    stuck = state("b", 100, 6000, side=Side.BUY, answered=False)
    bids = tenders_for(curve((50, 500), (70, 900)), RULES, [stuck], 0, BidPolicy(allow_buy=True))
    assert bids.create == (sell(400, 7000),)
    stuck = state("s", 100, 3000, answered=False)
    bids = tenders_for(curve((35, -300)), RULES, [stuck], 0, BidPolicy(allow_buy=True))
    assert bids.create == ()


steps = st.lists(
    st.tuples(st.floats(-400, 6000, allow_nan=False), st.integers(-4000, 4000)),
    max_size=6,
).map(lambda raw: tuple(zip(sorted(p for p, _ in raw), sorted(n for _, n in raw), strict=True)))


@st.composite
def states(draw: st.DrawFn) -> list[TenderState]:
    out = []
    for i in range(draw(st.integers(0, 5))):
        quantity = draw(st.integers(5, 250)) * 10
        answered = draw(st.booleans())
        out.append(
            state(
                f"t{i}",
                quantity,
                draw(st.integers(-25_000, 500_000)),
                side=draw(st.sampled_from(Side)),
                answered=answered,
                accepted=not answered or draw(st.booleans()),
                cancelling=answered and draw(st.booleans()),
                filled=draw(st.integers(0, quantity // 10)) * 10,
            )
        )
    return out


def after(out: list[TenderState], bids: Bids) -> list[TenderState]:
    """What is out when every cancel and every new tender has been accepted."""
    left = [s for s in out if s.tender.tender_id not in bids.cancel]
    new = [
        state(f"n{i}", b.quantity_wh, b.price_ticks, side=b.side) for i, b in enumerate(bids.create)
    ]
    return left + new


@given(
    steps, states(), st.integers(-300, 300), st.booleans(), st.booleans(), st.integers(-500, 9000)
)
def test_properties(
    raw: tuple[tuple[float, int], ...],
    out: list[TenderState],
    position_lots: int,
    buy: bool,
    may_cancel: bool,
    floor: int,
) -> None:
    position, policy = position_lots * 10, BidPolicy(floor_ticks=floor, allow_buy=buy)
    wish = curve(*raw)
    bids = tenders_for(wish, RULES, out, position, policy, may_cancel=may_cancel)
    for b in bids.create:
        assert b.quantity_wh % RULES.lot_wh == 0
        assert RULES.min_quantity_wh <= b.quantity_wh <= RULES.max_quantity_wh
        assert RULES.floor_ticks <= b.price_ticks <= RULES.cap_ticks
        assert b.side is Side.BUY or b.price_ticks >= floor
        assert buy or b.side is Side.SELL
    assert may_cancel or not bids.cancel
    assert len(set(bids.cancel)) == len(bids.cancel)
    _never_more_than_the_top(raw, out, position, bids)
    _no_self_cross(out, bids)
    # and then it is quiet: the same curve asks for nothing more to be taken back
    again = tenders_for(wish, RULES, after(out, bids), position, policy, may_cancel=may_cancel)
    assert again.cancel == ()


def _never_more_than_the_top(
    raw: tuple[tuple[float, int], ...], out: list[TenderState], position: int, bids: Bids
) -> None:
    for side in Side:
        top = max((side.sign * n for _, n in raw), default=0)
        done = max(0, side.sign * position)
        left = sum(s.open_wh for s in after(out, bids) if s.tender.side is side)
        new = sum(b.quantity_wh for b in bids.create if b.side is side)
        if new:
            assert done + left <= top


def _no_self_cross(out: list[TenderState], bids: Bids) -> None:
    book = [s for s in after(out, bids) if s.open_wh]
    new = {s.tender.tender_id for s in book if s.tender.tender_id.startswith("n")}
    sells = [s.tender for s in book if s.tender.side is Side.SELL]
    buys = [s.tender for s in book if s.tender.side is Side.BUY]
    for a in sells:
        for b in buys:
            if a.tender_id in new or b.tender_id in new:
                assert a.price_ticks > b.price_ticks


@given(steps, st.integers(0, 4000))
def test_what_is_offered_at_a_price_is_worth_it(
    raw: tuple[tuple[float, int], ...], position: int
) -> None:
    """At any clearing price the fills never exceed what the curve gives at that price."""
    bids = tenders_for(curve(*raw), RULES, [], position, BidPolicy(floor_ticks=-25_000))
    for price in {b.price_ticks for b in bids.create}:
        sold = position + sum(b.quantity_wh for b in bids.create if b.price_ticks <= price)
        allowed = max((n for p, n in raw if max(p * 100, -25_000) <= price + 1e-3), default=0)
        assert sold <= max(allowed, position)
