"""What all buyers share: once a quarter-hour, tender for the coming hour and report the last one.

A buyer starts below the retail price and comes closer to it with every quarter-hour; what is still
missing before the gate it takes at the retail price. Its tenders end when it wakes again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from gateway.clock import Clock
from gateway.domain.intervals import QUARTER, floor_quarter, iso
from gateway.errors import MarketError
from gateway.supervise import Presence, supervise
from simulators.participants.client import Bid, Client, Posted

_WAKE = timedelta(minutes=8)  # after the quarter-hour: 7 minutes before the next delivery
_LOT_WH = 10
_LEAST_WH = 50
_HORIZON = 4


class Need(Protocol):
    """What makes one buyer different from another. Pure: the same question gives the same answer."""

    @property
    def party_id(self) -> str:
        """Its name at the exchange."""

    def wanted(self, start: datetime, posted: Posted, steps: int) -> Bid | None:
        """Limit and total Wh wanted in the interval, ``steps`` quarter-hours before the last chance."""

    def consumed(self, start: datetime, bought_wh: int) -> int:
        """What the meter counts in the interval, Wh, given what was bought for it."""


class Buyer:
    """One participant's loop over its need."""

    def __init__(self, clock: Clock, url: str, need: Need) -> None:
        self._clock = clock
        self._need = need
        self._client = Client(url, need.party_id)
        self._after = 0
        self._bought: dict[datetime, int] = {}
        self._register_wh = 0

    async def run(self) -> None:
        """Trade for ever; an exchange that is away for a while is met again later."""
        try:
            await supervise(self._need.party_id, self._trade, self._clock)
        finally:
            await self._client.close()

    async def _trade(self, presence: Presence) -> None:
        while True:
            now = self._clock.now()
            wake = floor_quarter(now) + _WAKE
            await self._clock.sleep_until(wake if wake > now else wake + QUARTER)
            await self._turn(floor_quarter(self._clock.now()))
            presence.back()

    async def _turn(self, current: datetime) -> None:
        await self._catch_up()
        await self._report(current - QUARTER)
        await self._tender(current)

    async def _catch_up(self) -> None:
        while fills := await self._client.fills(self._after):
            for fill in fills:
                self._bought[fill.start] = self._bought.get(fill.start, 0) + fill.bought_wh
            self._after = fills[-1].seq

    async def _report(self, start: datetime) -> None:
        """Deliver the reading of the interval that has ended."""
        used = self._need.consumed(start, self._bought.pop(start, 0))
        self._register_wh += used
        await self._client.deliver(start, used, 0, (self._register_wh, 0))

    async def _tender(self, current: datetime) -> None:
        first = current + QUARTER
        posted = await self._client.prices(first, first + _HORIZON * QUARTER)
        bids: list[Bid] = []
        for steps, (start, prices) in enumerate(sorted(posted.items())):
            want = self._need.wanted(start, prices, steps)
            missing = 0 if want is None else want.quantity - self._bought.get(start, 0)
            missing -= missing % _LOT_WH
            if want is None or missing < _LEAST_WH:
                bids.append(Bid(0, 0))
            else:
                bids.append(Bid(want.price, missing))
        if not any(bid.quantity for bid in bids):
            return
        expires = current + _WAKE + QUARTER
        tender_id = f"{self._need.party_id}:{iso(current)}"
        answer = await self._client.stream(tender_id, "BUY", first, bids, expires)
        for bid, created in zip(bids, answer["createdTenders"], strict=True):
            if bid.quantity and created["response"]["responseCode"] != 201:
                raise MarketError(created["response"]["responseDescription"])


def limit(posted: Posted, ceiling: int, steps: int) -> int:
    """A limit that rises to ``ceiling`` (ticks) at the last chance, from between it and export."""
    if steps == 0 or posted.export is None:
        return ceiling
    return ceiling - max(0, ceiling - posted.export) * steps // 8
