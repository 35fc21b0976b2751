"""What all participants share: once a quarter-hour, tender for the coming hour, report the last one.

Each gives its need for the next four intervals as tranches (a demand curve falls with the price, so
it takes more than one). A tender ends when its owner wakes again; what was traded is deducted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway.clock import Clock
from gateway.domain.intervals import QUARTER, floor_quarter, iso
from gateway.errors import MarketError
from gateway.supervise import Availability, supervise
from simulators.participants.client import Bid, Client, Posted, Venue
from simulators.participants.meter import Meter

_WAKE = timedelta(minutes=8)  # after the quarter-hour: 7 minutes before the next delivery
_AHEAD = timedelta(hours=6)
_REMEMBERED = timedelta(days=1)
_TOO_LATE = 4  # FIX 103
_LOT_WH = 10
_LEAST_WH = 50
INTERVALS = 4
NOTHING = Bid(0, 0)


@dataclass(frozen=True, slots=True)
class View:
    """What a participant knows when it decides: prices from the interval that starts at ``first``.

    ``traded`` is the Wh bought + or sold - by interval, those of the last day included.
    """

    first: datetime
    posted: Sequence[Posted]
    traded: Mapping[datetime, int]


class Need(Protocol):
    """What makes one participant different from another; it must repeat exactly with its seed."""

    @property
    def party_id(self) -> str:
        """Its name at the exchange."""

    @property
    def side(self) -> str:
        """BUY or SELL."""

    @property
    def horizon(self) -> int:
        """How many intervals of prices it looks at, at least `INTERVALS`."""

    def tranches(self, view: View) -> Sequence[Sequence[Bid]]:
        """Price and Wh wanted (or offered) in each of the next four intervals, best price first."""

    def metered(self, start: datetime, traded_wh: int) -> tuple[int, int]:
        """Import and export that the meter counts in the interval, Wh, given what was traded."""


class Participant:
    """One party's loop over its need."""

    def __init__(self, venue: Venue, need: Need, meter: Meter) -> None:
        self._clock: Clock = venue.clock
        self._need = need
        self._meter = meter
        self._client = Client(venue, need.party_id)
        self._after = 0
        self._traded: dict[datetime, int] = {}
        self._posted: dict[datetime, Posted] = {}

    async def run(self) -> None:
        """Trade for ever; an exchange that is away for a while is met again later."""
        try:
            await supervise(self._need.party_id, self._trade, self._clock)
        finally:
            await self._client.close()

    async def _trade(self, availability: Availability) -> None:
        while True:
            now = self._clock.now()
            wake = floor_quarter(now) + _WAKE
            await self._clock.sleep_until(wake if wake > now else wake + QUARTER)
            current = floor_quarter(self._clock.now())
            await self._catch_up(current)
            await self._report(current - QUARTER)
            await self._tender(current)
            availability.back()

    async def _catch_up(self, current: datetime) -> None:
        more = True
        while more:
            fills, more = await self._client.fills(self._after)
            for fill in fills:
                self._traded[fill.start] = self._traded.get(fill.start, 0) + fill.bought_wh
                self._after = fill.seq
        self._traded = {s: wh for s, wh in self._traded.items() if s >= current - _REMEMBERED}

    async def _report(self, start: datetime) -> None:
        """Deliver the reading of the interval that has ended."""
        counted = self._need.metered(start, self._traded.get(start, 0))
        if any(counted):
            await self._client.deliver(self._meter.count(start, *counted))

    async def _tender(self, current: datetime) -> None:
        first = current + QUARTER
        view = View(first, await self._prices(first), self._traded)
        for number, bids in enumerate(self._open(first, self._need.tranches(view))):
            if any(bid.quantity for bid in bids):
                name = f"{self._need.party_id}:{iso(current)}:{number}"
                await self._send(name, first, bids, current + _WAKE + QUARTER)

    async def _prices(self, first: datetime) -> list[Posted]:
        """Posted prices over the horizon. They never change once known, so they are asked for once."""
        starts = [first + n * QUARTER for n in range(self._need.horizon)]
        unknown = [s for s in starts if s not in self._posted or self._posted[s].retail is None]
        if unknown:
            self._posted = {s: p for s, p in self._posted.items() if s >= first}
            self._posted |= await self._client.prices(unknown[0], starts[-1] + _AHEAD)
        return [self._posted[start] for start in starts]

    def _open(self, first: datetime, tranches: Sequence[Sequence[Bid]]) -> Sequence[Sequence[Bid]]:
        """The tranches less what is traded already, which the best-priced ones had first."""
        sign = 1 if self._need.side == "BUY" else -1
        done = [max(0, sign * self._traded.get(first + n * QUARTER, 0)) for n in range(INTERVALS)]
        left: list[list[Bid]] = []
        for tranche in tranches:
            bids = []
            for n, bid in enumerate(tranche):
                used = min(done[n], bid.quantity)
                done[n] -= used
                rest = (bid.quantity - used) // _LOT_WH * _LOT_WH
                bids.append(Bid(bid.price, rest) if rest >= _LEAST_WH else NOTHING)
            left.append(bids)
        return left

    async def _send(
        self, tender_id: str, first: datetime, bids: Sequence[Bid], expires: datetime
    ) -> None:
        answer = await self._client.stream(tender_id, self._need.side, first, bids, expires)
        for bid, created in zip(bids, answer["createdTenders"], strict=True):
            late = created["ordRejReason"] == _TOO_LATE  # at a fast rate an hour is soon over
            if bid.quantity and created["response"]["responseCode"] != 201 and not late:
                raise MarketError(created["response"]["responseDescription"])


def rising(posted: Posted, ceiling: int, steps: int) -> int:
    """A buyer's limit: it rises to ``ceiling`` (ticks) at the last chance, ``steps`` from now."""
    if steps == 0 or posted.export is None:
        return ceiling
    return ceiling - max(0, ceiling - posted.export) * steps // 8


def falling(posted: Posted, steps: int) -> int | None:
    """A seller's limit: it falls to the export price at the last chance."""
    if posted.export is None or posted.retail is None:
        return None
    return posted.export + (posted.retail - posted.export) * steps // 8
