"""The leader: holds the calls over all shards, settles, and is asked by the operator.

There is one, by a lock in PostgreSQL; another one waits to take its place. All that it knows is in
the ledger: a call that it had begun is decided by the same books, and one that it had decided is
told again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from nats.aio.msg import Msg

from gateway.clock import Clock, pause
from gateway.errors import StorageError
from gateway.supervise import Availability
from simulators.exchange.auction import Auction, backstop
from simulators.exchange.clearing import Curves
from simulators.exchange.cluster import position, wire
from simulators.exchange.cluster.clearing import (
    HeldPart,
    Result,
    Rule,
    Sizes,
    clear_over,
    filled,
)
from simulators.exchange.cluster.log import Log
from simulators.exchange.cluster.market import ClusterMarket, calls_of, gate_of
from simulators.exchange.cluster.market_time import tell_time
from simulators.exchange.cluster.settlement import SettlementInPlace
from simulators.exchange.ledger import Ledger
from simulators.exchange.names import call_id
from simulators.exchange.order_book import Resting, columns
from simulators.exchange.postgres_ledger import PostgresLedger
from simulators.exchange.rows import Batch, Call, Session, from_quarter, to_s
from simulators.exchange.terms import LSE_PARTY, PriceSource, Terms

_LOCK = 7_303_000  # advisory: one leader
_REST_S = 0.005  # between two questions to a shard that is not there yet
_ANSWER_S = 30.0
R = TypeVar("R")


class Leader(ClusterMarket):
    """The market of the whole zone; no tender rests here."""

    def __init__(
        self, clock: Clock, ledger: PostgresLedger, source: PriceSource, terms: Terms, log: Log
    ) -> None:
        super().__init__(clock, ledger, source, terms)
        self._log = log
        self._halt_told, self._halting = False, asyncio.Lock()
        self.auction = ShardedAuction(self, log)
        self.settlement = SettlementInPlace(
            terms, self.prices, self.parties, self.marks, self.number
        )

    async def run(self) -> None:
        """See `Market.run`; waits until no other process leads."""
        if await self.postgres.db.hold(_LOCK):
            self.load()
        with suppress(StorageError):  # else before the next call
            await self._tell_halt()
        await tell_time(self._clock, self._log)
        await super().run()

    async def step(self, when: datetime) -> None:
        """See `Market.step`."""
        if await self.postgres.db.hold(_LOCK):  # the connection was lost, and perhaps the lead
            self.load()
            self._halt_told = False
        if not self._halt_told:  # by a former leader that was killed before all shards knew
            await self._tell_halt()
        if self.last_step is None or self.last_step < when:
            await super().step(when)
            await position.announce(self.postgres)

    async def revoke(self, party_id: str) -> int:
        """See `Market.revoke`; the party's shard does it, in its order."""
        party = self.parties.get(party_id)
        if party is None:
            raise ValueError(f"no party {party_id!r}")
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def done(message: Msg) -> None:
            if not told.done():
                told.set_result(int(message.data))

        name = f"revoked.{secrets.token_hex(8)}"
        await self._log.listen(name, done)
        message = wire.Revoke(party_id, self._log.subject(name))
        await self._log.write(party.number % self._log.shards, wire.encode(message), name)
        try:
            async with asyncio.timeout(_ANSWER_S):
                canceled = await told
        except TimeoutError:
            raise StorageError(f"{party_id} will be revoked when its shard is back") from None
        changed = await self.postgres.party(party_id)
        if changed is not None:
            self.parties.note(changed)
        return canceled

    async def _set(self, name: str, value: str | None) -> None:
        """A halt holds from its place in the log of each shard; it is stored before, for a shard that begins
        after that place has it from the ledger."""
        await super()._set(name, value)
        await self._tell_halt()
        await position.announce(self.postgres)

    async def _tell_halt(self) -> None:
        """One after the other, so that each shard hears last what is true last."""
        async with self._halting:
            self._halt_told = False
            said = wire.encode(wire.Halt(self.marks.get("halted")))
            token = secrets.token_hex(8)
            for shard in range(self._log.shards):
                await self._log.write(shard, said, f"halted-{token}")
            self._halt_told = True


class ShardedAuction(Auction):
    """`Auction` over the books of the shards."""

    def __init__(self, market: Leader, log: Log) -> None:
        super().__init__(market.terms, market.prices, market.entry, market.parties, market.number)
        self._market = market
        self._log = log

    async def step(self, when: datetime, ledger: Ledger, *, trading: bool = True) -> None:
        """See `Auction.step`. The shards stand still from their place of the step in the log until
        the results, which are stored before the first of them is told."""
        market, when_s = self._market, to_s(when)
        starts = calls_of(when_s, self._terms) if trading else []
        message = wire.encode(wire.Step(when_s, starts, gate_of(when_s, self._terms)))
        shards = range(self._log.shards)
        await asyncio.gather(*(self._log.write(n, message, f"step-{when_s}") for n in shards))
        called = await position.results(market.postgres, when_s)
        if starts and not called:
            called = await self._decide(when, starts)
        said = wire.Apply(when_s, called)
        await asyncio.gather(*(_applied(self._log, n, said) for n in shards))
        market.renumber()  # what follows is numbered after the fills
        await ledger.append(self.close_gate(when))

    async def _decide(self, when: datetime, starts: Sequence[int]) -> list[wire.Called]:
        makers = {start: self._backstop(start, when) for start in starts}
        ask = wire.AskOccupied(to_s(when))
        told = await asyncio.gather(*(_told(self._log, n, ask) for n in range(self._log.shards)))
        results = await asyncio.gather(
            *(self._clear(start, to_s(when), makers[start][1], told) for start in starts)
        )
        self._market.renumber()  # the calls are numbered after all that they found
        batch = Batch()
        called = []
        for start, result in zip(starts, results, strict=True):
            called.append(self._book(batch, start, when, makers[start], result))
        await position.decide(self._market.postgres, to_s(when), batch, called)
        return called

    def _backstop(self, start: int, when: datetime) -> tuple[list[Resting], HeldPart]:
        lse, begin = self._parties.get(LSE_PARTY), from_quarter(start)
        made = [] if lse is None else backstop(self._prices, lse.number, begin, when)
        return made, HeldPart(call_id(begin, when), columns(made))

    async def _clear(
        self, start: int, when: int, maker: HeldPart, told: Sequence[wire.Reply]
    ) -> Result:
        parts = []
        for shard, occupied in enumerate(told):
            if not isinstance(occupied, wire.ToldOccupied):
                raise StorageError(f"shard {shard} is beyond the call that is held")
            if start in occupied.starts:
                parts.append(ShardPart(self._log, shard, when, start))
        return await clear_over(parts, maker, self._terms.lot_wh)

    def _book(
        self,
        batch: Batch,
        start: int,
        when: datetime,
        maker: tuple[list[Resting], HeldPart],
        result: Result,
    ) -> wire.Called:
        """The rows of a call, but for the fills of the shards."""
        begin, instrument = from_quarter(start), self._entry.book.at(start)
        if begin == when + self._terms.first_call:
            batch.add(Session(self._number(), start, to_s(when), "OPEN"))
        call = Call(self._number(), start, to_s(when), result.price, result.volume)
        batch.add(call)
        resting, part = maker
        wh = filled(part.call_id, part.book, result, self._terms.lot_wh)
        for n in wh.nonzero()[0].tolist():
            batch.add(self.fill(instrument, call, resting[n], int(wh[n])))
        return wire.Called.of(start, call.seq, result)


class ShardPart:
    """A shard's part of one call, asked over the wire until it is there."""

    def __init__(self, log: Log, shard: int, when: int, start: int) -> None:
        self._log, self._shard, self._when, self._start = log, shard, when, start

    async def curves(self) -> Curves:
        ask = wire.AskCurves(self._when, self._start)
        return (await self._ask(ask, wire.ToldCurves)).curves()

    async def sizes(self, price: int) -> tuple[Sizes, Sizes]:
        told = await self._ask(wire.AskSizes(self._when, self._start, price), wire.ToldSizes)
        return told.bids, told.asks

    async def draws(self, price: int, buy: bool, rule: Rule, most: int) -> list[bytes]:
        edge = 0 if rule.edge is None else rule.edge
        rest = rule.lots, rule.total, edge, most
        ask = wire.AskDraws(self._when, self._start, price, buy, *rest)
        return (await self._ask(ask, wire.ToldDraws)).draws

    async def _ask(self, ask: wire.Ask, kind: type[R]) -> R:
        told = await _told(self._log, self._shard, ask)
        if not isinstance(told, kind):
            raise StorageError(f"shard {self._shard} is beyond the call that is held")
        return told


async def _told(log: Log, shard: int, ask: wire.Ask) -> wire.Reply:
    """What a shard says of a call, when it has come to it or is beyond it."""
    there = Availability(f"shard {shard}")
    while True:
        data = await log.ask(f"call.{shard}", wire.encode(ask))
        if data is None:
            there.lost("it does not answer in a call")
        else:
            there.back()
            told = wire.reply(data)
            if not isinstance(told, wire.Elsewhere) or told.step >= ask.when:
                return told
        await pause(_REST_S)


async def _applied(log: Log, shard: int, said: wire.Apply) -> None:
    await _told(log, shard, said)
