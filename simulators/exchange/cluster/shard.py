"""A shard: the only process that decides for its parties, in the order of its log.

What a stretch of the log brings is decided in memory, then stored with the position in one
transaction, and only then answered. A shard that was killed begins again where its position stands:
what it had decided since is decided again, by the same book. At a call time it stands still, with
nothing undecided, until the leader has the results.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from nats.aio.msg import Msg

from gateway.clock import pause
from gateway.errors import StorageError
from gateway.supervise import Availability
from simulators.exchange.cluster import wire
from simulators.exchange.cluster.call import HeldCall
from simulators.exchange.cluster.log import Log
from simulators.exchange.cluster.market import ClusterMarket
from simulators.exchange.cluster.market_time import MarketTime
from simulators.exchange.cluster.orders import Orders
from simulators.exchange.cluster.position import Effects, OvertakenError, Position, carry_out
from simulators.exchange.postgres_ledger import POSITION
from simulators.exchange.rows import Batch

log = logging.getLogger(__name__)
_MOST = 4_000  # requests that are stored at once
_REST_S = 0.2
_LOCKS = 7_302_000  # advisory: one process a shard


@dataclass(frozen=True, slots=True)
class Taken:
    """A stretch of the log that is decided and not yet stored."""

    effects: Effects
    answers: list[tuple[str, bytes]]


class Shard:
    """``make`` loads the shard's market from the ledger; it raises StorageError where it cannot. An edge
    waits ``late_s`` for an answer."""

    def __init__(
        self,
        number: int,
        log: Log,
        make: Callable[[], ClusterMarket],
        time: MarketTime,
        late_s: float,
    ) -> None:
        self.number = number
        self._log = log
        self._time, self._late_s = time, late_s
        self._make = make
        self._held: HeldCall | None = None
        self._step = -1
        self._taken = Taken(Effects(), [])

    async def run(self) -> None:
        """For ever. What fails is loaded again from the ledger."""
        await self._log.watch(self.number)
        await self._log.listen(f"call.{self.number}", self._asked)
        storing = Availability(f"shard {self.number}: its log or its store")
        while True:
            try:
                await self._load()
                storing.back()
                while True:
                    await self._go_on()
            except OvertakenError:
                log.warning("shard %d has been taken over; waiting to take it back", self.number)
            except StorageError as error:
                storing.lost(error)
            await pause(_REST_S)

    async def _load(self) -> None:
        self._taken, self._held = Taken(Effects(), []), None
        self._market = self._make()
        if await self._market.postgres.db.hold(_LOCKS + self.number):
            self._market.load()
        marks = self._market.marks
        self._at = Position(int(marks[POSITION]), int(marks["step"]), int(marks["gate"]))
        self._step = self._at.step
        self._orders = Orders(self._market, self._time, self._late_s)
        await self._log.mend(self.number, self._at.seq)

    async def _go_on(self) -> None:
        """One stretch of the log: all that is there now, or up to a call."""
        seq = self._at.seq
        while self._orders.count < _MOST:
            data = await self._log.read(self.number, seq + 1)
            if data is None:
                break
            seq += 1
            message = wire.message(data)
            if isinstance(message, wire.Step):
                await self._store(seq - 1)
                await self._call(message, seq)
                return
            await self._take(message, seq)
        if seq > self._at.seq:
            await self._store(seq)
        else:
            await self._log.news(self.number)

    async def _take(self, message: wire.Message, seq: int) -> None:
        market, taken = self._market, self._taken
        if isinstance(message, wire.Requests):
            outcomes: list[wire.Done | wire.Refused] = []
            await self._orders.expect(message.entries)
            for entry in message.entries:
                if self._orders.must_be_stored_first(entry):
                    await self._store(seq - 1)
                outcomes.append(await self._orders.once(entry))
            answers = wire.Answers(message.batch, outcomes)
            self._taken.answers.append((message.reply, wire.encode(answers)))
        elif isinstance(message, wire.Halt):
            market.marks.pop("halted", None)
            if message.since is not None:
                market.marks["halted"] = message.since
        elif isinstance(message, wire.Revoke):
            canceled = self._revoke(message.party_id)
            taken.answers.append((message.reply, str(canceled).encode()))

    def _revoke(self, party_id: str) -> int:
        market, batch = self._market, Batch()
        party = market.parties.get(party_id)
        if party is None:
            return 0
        market.parties.note(replace(party, revoked=True))
        canceled = market.entry.revoke(party, market.number(), batch)
        self._orders.batches.append(batch)
        self._taken.effects.amended[party_id] = {"revoked": 1}
        self._taken.effects.news = True
        return canceled

    async def _store(self, seq: int, *, step: int | None = None, gate: int | None = None) -> None:
        """What was taken, and the position; then the answers."""
        taken, self._taken = self._taken, Taken(Effects(), [])
        taken.effects.rows += self._orders.rows()
        after = Position(
            seq, self._at.step if step is None else step, self._at.gate if gate is None else gate
        )
        if after == self._at and not taken.effects.rows:
            return
        await carry_out(self._market.postgres, self.number, self._at, after, taken.effects)
        self._at = after
        self._orders.stored()
        for subject, data in taken.answers:
            await self._log.say(subject, data)

    async def _call(self, message: wire.Step, seq: int) -> None:
        """Stand still until the results are there, then fill."""
        if message.when <= self._at.step:
            await self._store(seq)
            return
        self._held = held = HeldCall(self._market, message)
        try:
            called = await held.results
            rows = held.apply(called)
            self._taken.effects.rows += rows
            self._taken.effects.news = True
            await self._store(seq, step=message.when, gate=message.gate)
            self._step = message.when
        finally:
            self._held = None
            held.over.set()

    async def _asked(self, question: Msg) -> None:
        """What the leader wants to know of a call, or that it is over."""
        ask = wire.ask(question.data)
        held = self._held
        if isinstance(ask, wire.Apply) and held is not None and held.when == ask.when:
            held.decide(ask.called)
            await held.over.wait()
            held = None
        if held is None or held.when != ask.when or isinstance(ask, wire.Apply):
            answer: wire.Reply = wire.Elsewhere(self._step)
        else:
            answer = await held.tell(ask)
        await question.respond(wire.encode(answer))
