"""From an offer curve to tenders: which open ones to take back, which new ones to send. Pure.

The curve says how much the home would sell in all at each price. Each rise of the curve becomes
one SELL tender at that price (one BUY tender for each fall below zero, where buying is allowed).
What is filled, open or not yet answered counts: the sum never exceeds the top of the curve.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.domain.plan import OfferCurve
from gateway.domain.price import Price
from gateway.domain.trade import MarketRules, Side
from gateway.store.book import TenderState


@dataclass(frozen=True, slots=True)
class BidPolicy:
    """What the user allows. ``floor_ticks`` is the lowest price at which the home ever sells.

    An open tender is left alone while its price is within ``price_threshold_ticks`` of the plan
    and its quantity within one lot.
    """

    floor_ticks: int = 0
    allow_buy: bool = False
    price_threshold_ticks: int = 200


@dataclass(frozen=True, slots=True)
class Increment:
    """One more piece of energy, wanted at ``price_ticks`` or better."""

    side: Side
    quantity_wh: int
    price_ticks: int


@dataclass(frozen=True, slots=True)
class Bids:
    """What to send: tender ids to take back, then increments to offer."""

    cancel: tuple[str, ...] = ()
    create: tuple[Increment, ...] = ()


def tenders_for(
    curve: OfferCurve,
    rules: MarketRules,
    states: Sequence[TenderState],
    position_wh: int,
    policy: BidPolicy,
    *,
    may_cancel: bool = True,
) -> Bids:
    """The changes that bring the tenders of one interval to what ``curve`` asks.

    ``states`` are all tenders of the interval, ``position_wh`` its net fills (sold +). With
    ``may_cancel`` False what is open stays, so it is counted as committed whatever it costs.
    """
    sells = _side(_sell_levels(curve, rules, policy), Side.SELL, rules, states, position_wh)
    sell_bids = _changes(sells, policy, may_cancel)
    if not policy.allow_buy:
        strays = [s.tender.tender_id for s in states if _is_free(s, Side.BUY)] if may_cancel else []
        return _without_self_cross(
            Bids((*sell_bids.cancel, *strays), sell_bids.create), states, rules
        )
    buys = _side(_buy_levels(curve, rules), Side.BUY, rules, states, position_wh)
    buy_bids = _changes(buys, policy, may_cancel)
    both = Bids(sell_bids.cancel + buy_bids.cancel, sell_bids.create + buy_bids.create)
    return _without_self_cross(both, states, rules)


@dataclass(frozen=True, slots=True)
class _Want:
    """One side of one interval: planned increments from the eagerest price on, and what is out."""

    side: Side
    rules: MarketRules
    planned: list[Increment]
    states: list[TenderState]
    budget_wh: int  # the most that may be out, beyond the fills
    refused: frozenset[tuple[int, int]]


def _sell_levels(curve: OfferCurve, rules: MarketRules, policy: BidPolicy) -> list[tuple[int, int]]:
    """(price, total to sell) by rising price; above the cap nothing can be sold at its value."""
    floor = max(rules.floor_ticks, policy.floor_ticks)
    levels = [
        (max(_snap(step.price_per_mwh, rules, up=True), _round(floor, rules, up=True)), step.net_wh)
        for step in curve.steps
        if step.net_wh > 0
    ]
    return [(price, net) for price, net in levels if price <= rules.cap_ticks]


def _buy_levels(curve: OfferCurve, rules: MarketRules) -> list[tuple[int, int]]:
    """(price, total to buy) by falling price."""
    levels = [
        (min(_snap(step.price_per_mwh, rules, up=False), rules.cap_ticks), -step.net_wh)
        for step in reversed(curve.steps)
        if step.net_wh < 0
    ]
    return [(price, net) for price, net in levels if price >= rules.floor_ticks]


def _side(
    levels: list[tuple[int, int]],
    side: Side,
    rules: MarketRules,
    states: Sequence[TenderState],
    position_wh: int,
) -> _Want:
    done = max(0, side.sign * position_wh)
    mine = [s for s in states if s.tender.side is side]
    refused = frozenset(
        (s.tender.quantity_wh, s.tender.price_ticks)
        for s in mine
        if s.answered and not s.accepted and not s.closed
    )
    top = max((net for _, net in levels), default=0)
    planned = _increments(levels, side, rules, done)
    return _Want(side, rules, planned, [s for s in mine if s.open_wh], max(0, top - done), refused)


def _increments(
    levels: list[tuple[int, int]], side: Side, rules: MarketRules, done_wh: int
) -> list[Increment]:
    """Whole lots for each rise of the curve beyond ``done_wh``; a crumb waits for the next price."""
    out: list[Increment] = []
    covered = done_wh
    for price, net in levels:
        quantity = (net - covered) // rules.lot_wh * rules.lot_wh
        if quantity >= max(rules.min_quantity_wh, rules.lot_wh):
            covered += quantity
            out.append(Increment(side, quantity, price))
    return out


@dataclass(slots=True)
class _Piece:
    """One planned increment: what of it is not yet out, and whether a part of it is."""

    price_ticks: int
    left_wh: int
    used: bool = False


def _changes(want: _Want, policy: BidPolicy, may_cancel: bool) -> Bids:
    plan = [_Piece(piece.price_ticks, piece.quantity_wh) for piece in want.planned]
    cancel: list[str] = []
    kept: list[TenderState] = []
    # what cannot be taken back comes first: its energy is gone for everything else
    sign = want.side.sign
    states = sorted(
        want.states, key=lambda s: (_is_free(s, want.side), sign * s.tender.price_ticks)
    )
    for state in states:
        if not (may_cancel and _is_free(state, want.side)):
            _take(_standing_for(plan, state), state.open_wh)
            kept.append(state)
            continue
        near = _near(plan, state, policy, want.rules)
        room_wh = sum(piece.left_wh for piece in near)
        if room_wh == 0 or state.open_wh > room_wh + want.rules.lot_wh:
            cancel.append(state.tender.tender_id)
        else:
            _take(near, state.open_wh)
            kept.append(state)
    cancel += _over_budget(want, kept, may_cancel)
    gone = set(cancel)
    out_wh = sum(s.open_wh for s in kept if s.tender.tender_id not in gone)
    return Bids(tuple(cancel), _new(want, plan, want.budget_wh - out_wh))


def _near(
    plan: list[_Piece], state: TenderState, policy: BidPolicy, rules: MarketRules
) -> list[_Piece]:
    """The pieces that an open tender may stand for: those about its price, with eagerer crumbs.

    None where it sells below the user's floor.
    """
    price, sign = state.tender.price_ticks, state.tender.side.sign
    if state.tender.side is Side.SELL and price < policy.floor_ticks:
        return []

    def about(piece: _Piece) -> bool:
        return abs(piece.price_ticks - price) <= policy.price_threshold_ticks

    def crumb(piece: _Piece) -> bool:
        return sign * piece.price_ticks < sign * price and _too_small(piece, piece.left_wh, rules)

    if not any(about(piece) and piece.left_wh for piece in plan):
        return []
    return [piece for piece in plan if about(piece) or crumb(piece)]


def _standing_for(plan: list[_Piece], state: TenderState) -> list[_Piece]:
    """The pieces in the order in which a tender that cannot be taken back uses them up.

    First those at its price and the less eager: one that bids too little stands in no eagerer one's way,
    which may be filled where it is not. What is left over goes off the eagerer ones, the nearest first.
    """
    price, sign = state.tender.price_ticks, state.tender.side.sign
    eagerer = [piece for piece in plan if sign * piece.price_ticks < sign * price]
    return plan[len(eagerer) :] + eagerer[::-1]


def _too_small(piece: _Piece, quantity_wh: int, rules: MarketRules) -> bool:
    """Whether so much is no tender of its own: below the market's size, or a move within a lot."""
    least = max(rules.min_quantity_wh, rules.lot_wh)
    return quantity_wh < least or (piece.used and quantity_wh <= rules.lot_wh)


def _take(pieces: list[_Piece], quantity_wh: int) -> None:
    """Use pieces up, the eagerest first."""
    for piece in pieces:
        part = min(piece.left_wh, quantity_wh)
        piece.left_wh -= part
        piece.used = piece.used or part > 0
        quantity_wh -= part


def _over_budget(want: _Want, kept: list[TenderState], may_cancel: bool) -> list[str]:
    """Kept tenders that must go, from the least eager on, until the rest is within the curve's top."""
    out: list[str] = []
    total = sum(s.open_wh for s in kept)
    for state in sorted(kept, key=lambda s: want.side.sign * s.tender.price_ticks, reverse=True):
        if total > want.budget_wh and may_cancel and _is_free(state, want.side):
            out.append(state.tender.tender_id)
            total -= state.open_wh
    return out


def _new(want: _Want, plan: list[_Piece], room_wh: int) -> tuple[Increment, ...]:
    """What of the plan is not yet out, within ``room_wh``, in tenders of the market's size."""
    rules, out, crumbs = want.rules, [], 0
    for piece in plan:
        quantity = min(piece.left_wh + crumbs, room_wh) // rules.lot_wh * rules.lot_wh
        if _too_small(piece, quantity, rules):
            crumbs += piece.left_wh
            continue
        crumbs = 0
        for part in _split(quantity, rules):
            if (part, piece.price_ticks) not in want.refused:
                out.append(Increment(want.side, part, piece.price_ticks))
                room_wh -= part
    return tuple(out)


def _split(quantity_wh: int, rules: MarketRules) -> Iterable[int]:
    largest = rules.max_quantity_wh // rules.lot_wh * rules.lot_wh
    while largest > 0 and quantity_wh >= max(rules.min_quantity_wh, rules.lot_wh):
        part = min(quantity_wh, largest)
        yield part
        quantity_wh -= part


def _without_self_cross(bids: Bids, states: Sequence[TenderState], rules: MarketRules) -> Bids:
    """Drop increments that would trade with our own tenders; a sell has precedence over a buy."""
    gone = set(bids.cancel)
    out = [s for s in states if s.open_wh and s.tender.tender_id not in gone]
    best_buy = max(
        (s.tender.price_ticks for s in out if s.tender.side is Side.BUY),
        default=rules.floor_ticks - 1,
    )
    sells = [b for b in bids.create if b.side is Side.SELL and b.price_ticks > best_buy]
    asks = [s.tender.price_ticks for s in out if s.tender.side is Side.SELL]
    best_sell = min(asks + [b.price_ticks for b in sells], default=rules.cap_ticks + 1)
    buys = [b for b in bids.create if b.side is Side.BUY and b.price_ticks < best_sell]
    return Bids(bids.cancel, (*sells, *buys))


def _is_free(state: TenderState, side: Side) -> bool:
    """Whether the tender is known to be open and is not yet being taken back."""
    known = state.answered and state.accepted and not state.cancelling
    return known and state.open_wh > 0 and state.tender.side is side


def _snap(price_per_mwh: float, rules: MarketRules, *, up: bool) -> int:
    """Onto the market's price grid, never to our loss: sells up, buys down."""
    whole = Price.at_least(price_per_mwh) if up else Price.at_most(price_per_mwh)
    return _round(whole.ticks, rules, up=up)


def _round(price_ticks: int, rules: MarketRules, *, up: bool) -> int:
    step = max(1, Price.of_mwh(rules.tick_per_mwh).ticks)
    return -(-price_ticks // step) * step if up else price_ticks // step * step
