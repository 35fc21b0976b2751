"""Clearing done the slow, obvious ways: try every price, or sort and merge; share with fractions.

Shares no code with what it judges.
"""

from __future__ import annotations

from fractions import Fraction
from hashlib import sha256

from simulators.exchange.clearing import Order


def price_and_volume(book: list[Order]) -> tuple[int | None, int]:
    """A price supports the market when nobody who is strictly better off there is left over."""
    prices = [o.price for o in book]
    if not prices:
        return None, 0

    def wanted(buy: bool, low: int, high: int) -> int:
        return sum(o.quantity for o in book if o.buy is buy and low <= o.price <= high)

    least, most = min(prices) - 1, max(prices) + 1
    supporting, volume = [], 0
    for p in range(least, most + 1):
        demand, supply = wanted(True, p, most), wanted(False, least, p)
        volume = max(volume, min(demand, supply))
        if wanted(True, p + 1, most) <= supply and wanted(False, least, p - 1) <= demand:
            supporting.append(p)
    if volume == 0:
        return None, 0
    return (supporting[0] + supporting[-1]) // 2, volume


def merged(book: list[Order]) -> tuple[int | None, int]:
    """As `price_and_volume`, for large books: bids falling, asks rising, matched from the top."""
    bids = sorted((o for o in book if o.buy), key=lambda o: -o.price)
    asks = sorted((o for o in book if not o.buy), key=lambda o: o.price)
    bid = ask = volume = 0
    bid_left = bids[0].quantity if bids else 0
    ask_left = asks[0].quantity if asks else 0
    low = high = None
    while bid < len(bids) and ask < len(asks) and bids[bid].price >= asks[ask].price:
        low, high = asks[ask].price, bids[bid].price  # of the last pair that is matched
        matched = min(bid_left, ask_left)
        volume, bid_left, ask_left = volume + matched, bid_left - matched, ask_left - matched
        if not bid_left:
            bid += 1
            bid_left = bids[bid].quantity if bid < len(bids) else 0
        if not ask_left:
            ask += 1
            ask_left = asks[ask].quantity if ask < len(asks) else 0
    if low is None or high is None:
        return None, 0
    if bid < len(bids):
        low = max(low, bids[bid].price)
    if ask < len(asks):
        high = min(high, asks[ask].price)
    return (low + high) // 2, volume


def fills(call_id: str, book: list[Order], lot: int) -> dict[str, int]:
    """Who gets how much: better orders whole, the rest at the price by largest remainder."""
    price, volume = merged(book)
    got: dict[str, int] = {}
    if price is None:
        return got
    for buy in (True, False):
        side = [o for o in book if o.buy is buy]
        better = [o for o in side if (o.price > price if buy else o.price < price)]
        equal = [o for o in side if o.price == price]
        got |= {o.market_order_id: o.quantity for o in better}
        lots = (volume - sum(o.quantity for o in better)) // lot
        total = sum(o.quantity for o in equal)
        exact = {o.market_order_id: Fraction(lots * o.quantity, total) for o in equal}
        whole = {name: int(share) for name, share in exact.items()}
        order = sorted(
            exact,
            key=lambda name: (
                whole[name] - exact[name],
                sha256(f"{call_id}|{name}".encode()).digest(),
            ),
        )
        for name in order[: lots - sum(whole.values())]:
            whole[name] += 1
        got |= {name: lots * lot for name, lots in whole.items()}
    return {name: quantity for name, quantity in got.items() if quantity}
