"""A call as one shard sees it: its part of the books, held until the leader has the results."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from simulators.exchange.cluster import wire
from simulators.exchange.cluster.clearing import HeldPart, Rule, filled
from simulators.exchange.cluster.market import ClusterMarket
from simulators.exchange.names import call_id
from simulators.exchange.order_book import Resting, columns
from simulators.exchange.rows import Call, Row, from_quarter, from_s


class HeldCall:
    """All calls of one time. Nothing may change the books between its making and `apply`."""

    def __init__(self, market: ClusterMarket, step: wire.Step) -> None:
        self.when = step.when
        self.results: asyncio.Future[Sequence[wire.Called]] = (
            asyncio.get_running_loop().create_future()
        )
        self.over = asyncio.Event()
        self._market = market
        self._gate = step.gate
        self._resting: dict[int, list[Resting]] = {}
        self._parts: dict[int, HeldPart] = {}
        for start in step.starts:
            resting = market.entry.book.at(start).resting(step.when * 1000)
            self._resting[start] = resting
            named = call_id(from_quarter(start), from_s(step.when))
            self._parts[start] = HeldPart(named, columns(resting))

    async def tell(
        self, ask: wire.AskOccupied | wire.AskCurves | wire.AskSizes | wire.AskDraws
    ) -> wire.Reply:
        if isinstance(ask, wire.AskOccupied):
            return wire.ToldOccupied([start for start, orders in self._resting.items() if orders])
        part = self._parts[ask.start]
        if isinstance(ask, wire.AskCurves):
            return wire.ToldCurves.of(await part.curves())
        if isinstance(ask, wire.AskSizes):
            return wire.ToldSizes(*await part.sizes(ask.price))
        rule = Rule(ask.lots, ask.total, ask.edge)
        return wire.ToldDraws(await part.draws(ask.price, ask.buy, rule, ask.most))

    def decide(self, called: Sequence[wire.Called]) -> None:
        """The results, which may be told several times."""
        if not self.results.done():
            self.results.set_result(called)

    def apply(self, called: Sequence[wire.Called]) -> list[Row]:
        """The fills of this shard; and its gates are closed."""
        market = self._market
        rows: list[Row] = []
        market.renumber()  # fills are numbered after the calls
        for one in called:
            part, resting = self._parts[one.start], self._resting[one.start]
            call = Call(one.seq, one.start, self.when, one.price, one.volume)
            instrument = market.entry.book.at(one.start)
            instrument.last_call_s = self.when
            wh = filled(part.call_id, part.book, one.result(), market.terms.lot_wh)
            rows += [
                market.auction.fill(instrument, call, resting[n], int(wh[n]))
                for n in wh.nonzero()[0].tolist()
            ]
        market.marks["step"], market.marks["gate"] = str(self.when), str(self._gate)
        market.entry.last_closed = self._gate
        market.entry.book.close_through(self._gate)
        market.renumber()
        return rows
