"""An edge: speaks HTTP, checks who signed, and hands what parties ask to their shards by the log.

It keeps nothing: any number of edges serve the same market, and one that dies takes with it only
what it had not answered, which its senders send again.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from dataclasses import dataclass, field

from nats.aio.msg import Msg

from gateway.errors import StorageError
from simulators.exchange.cluster import wire
from simulators.exchange.cluster.log import Log
from simulators.exchange.evidence import Stored
from simulators.exchange.ledger import Ledger
from simulators.exchange.requests import Decide, Request, Requests
from simulators.exchange.terms import epoch_ms

_MOST = 500  # requests in one message of the log
_MOST_BYTES = 500_000  # half of what a message may have
Outcome = wire.Done | wire.Refused


@dataclass(slots=True)
class _Waiting:
    entry: wire.Entry
    outcome: asyncio.Future[Outcome]


@dataclass(slots=True)
class _Lane:
    """What waits to be written for one shard: all that comes while the last message is written."""

    waiting: list[_Waiting] = field(default_factory=list)
    something: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> list[_Waiting]:
        """What goes into one message; who has given up comes again by himself."""
        self.waiting = [one for one in self.waiting if not one.outcome.done()]
        size, count = 0, 0
        for one in self.waiting[:_MOST]:
            size += len(one.entry.body)
            if count and size > _MOST_BYTES:
                break
            count += 1
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken


class LoggedRequests(Requests):
    """Has requests carried out by their shards; takes the place of those that are decided here. Who has
    no answer within ``answer_s`` is told to come again with the same key."""

    def __init__(self, ledger: Ledger, log: Log, answer_s: float) -> None:
        super().__init__(ledger, lambda: 0)
        self._answer_s = answer_s
        self._log = log
        self._name = secrets.token_hex(8)  # of this life of the edge
        self._answers_to = log.subject(f"answers.{self._name}")
        self._lanes = [_Lane() for _ in range(log.shards)]
        self._batches = itertools.count(1)
        self._under_log: dict[int, list[_Waiting]] = {}

    @property
    def unanswered(self) -> int:
        """Requests that wait for their shard."""
        written = (one for batch in self._under_log.values() for one in batch)
        waiting = (one for lane in self._lanes for one in lane.waiting)
        return sum(not one.outcome.done() for one in itertools.chain(written, waiting))

    async def run(self) -> None:
        """Write what waits, for ever."""
        await self._log.listen(f"answers.{self._name}", self._answered)
        async with asyncio.TaskGroup() as group:
            for shard, lane in enumerate(self._lanes):
                group.create_task(self._write(shard, lane), name=f"lane {shard}")

    async def once(
        self, operation: str, key: str, request: Request, decide: Decide
    ) -> tuple[Stored, bool]:
        """See `Requests.once`; the shard of the party decides."""
        party, signed = request.party, request.signed
        entry = wire.Entry(
            operation,
            key,
            party.number,
            party.party_id,
            epoch_ms(request.now),
            request.body if signed is None else signed,
            signed is not None,
        )
        lane = self._lanes[party.number % self._log.shards]
        one = _Waiting(entry, asyncio.get_running_loop().create_future())
        lane.waiting.append(one)
        lane.something.set()
        try:
            async with asyncio.timeout(self._answer_s):
                outcome = await one.outcome
        except TimeoutError:
            raise StorageError(f"no answer to {operation} within {self._answer_s:g} s") from None
        if isinstance(outcome, wire.Refused):
            raise outcome.problem()
        known = outcome.received_ms, outcome.status, outcome.result
        return Stored(operation, key, *known, request.body, signed), outcome.replayed

    async def _write(self, shard: int, lane: _Lane) -> None:
        while True:
            await lane.something.wait()
            lane.something.clear()
            while taken := lane.take():
                await self._write_batch(shard, taken)

    async def _write_batch(self, shard: int, taken: list[_Waiting]) -> None:
        batch = next(self._batches)
        entries = [one.entry for one in taken]
        message = wire.Requests(self._answers_to, batch, entries)
        self._under_log[batch] = taken
        try:
            await self._log.write(shard, wire.encode(message), f"{self._name}-{batch}")
        except StorageError as error:
            self._under_log.pop(batch, None)
            for one in taken:
                if not one.outcome.done():
                    one.outcome.set_exception(error)
        if len(self._under_log) > _MOST:  # of those that nobody will answer any more
            del self._under_log[min(self._under_log)]

    async def _answered(self, message: Msg) -> None:
        answers = wire.answers(message.data)
        taken = self._under_log.pop(answers.batch, [])
        for one, outcome in zip(taken, answers.outcomes, strict=False):
            if not one.outcome.done():
                one.outcome.set_result(outcome)
