"""What parties ask of a shard, decided one after the other by the code of the one-process exchange."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.errors import StorageError
from simulators.exchange import documents, problems
from simulators.exchange.cluster import wire
from simulators.exchange.cluster.market import ClusterMarket
from simulators.exchange.cluster.market_time import MarketTime
from simulators.exchange.evidence import Stored
from simulators.exchange.jose import split
from simulators.exchange.ledger import Registered
from simulators.exchange.names import name_hash
from simulators.exchange.requests import Decision, Request, key_hash, same
from simulators.exchange.routes import ROUTES, Write
from simulators.exchange.rows import Batch, Delivery, Row, to_quarter
from simulators.exchange.terms import epoch_ms

log = logging.getLogger(__name__)
_WRITES: dict[str, Write] = {r.name: r.write for r in ROUTES if r.write is not None}


class Orders:
    """Decides requests; `rows` gives what is to be stored of them, and `stored` says that it is.

    An edge that has not written a request ``late_s`` after it came has told its sender so."""

    def __init__(self, market: ClusterMarket, time: MarketTime, late_s: float) -> None:
        self._market = market
        self._time = time
        self._late_ms = int(late_s * 1000)
        self._latest_ms = 0  # the highest stamp since this process has read the log
        self.batches: list[Batch] = []
        self.count = 0
        self._fresh: dict[int, Stored] = {}  # decided and not yet stored, by key
        self._delivered: set[tuple[int, int]] = set()  # party and quarter-hour of fresh readings

    def rows(self) -> list[Row]:
        """All rows since the last time."""
        batches, self.batches = self.batches, []
        return [row for batch in batches for row in batch]

    def stored(self) -> None:
        self._fresh.clear()
        self._delivered.clear()
        self._market.settlement.stored()
        self._market.postgres.expect_nothing()
        self.count = 0

    async def expect(self, entries: Sequence[wire.Entry]) -> None:
        """Look all keys and names up at once."""
        keys: list[int] = []
        names: list[int] = []
        for entry in entries:
            keys.append(key_hash(entry.party_id, entry.operation, entry.key))
            names += _names(entry)
        await self._market.postgres.expect(keys, names)

    def must_be_stored_first(self, entry: wire.Entry) -> bool:
        """A meter reading is compared with those of its interval that are stored."""
        if entry.operation != "deliver" or not self._delivered:
            return False
        try:
            document = documents.deliver(_document(entry))
        except (problems.Problem, ValueError, TypeError, RecursionError):
            return False
        metered = self._market.parties.get(document.metered_party_id or entry.party_id)
        start = to_quarter(documents.as_utc(document.interval.dt_start))
        return metered is not None and (metered.number, start) in self._delivered

    async def once(self, entry: wire.Entry) -> wire.Done | wire.Refused:
        """The outcome of one request."""
        self.count += 1
        try:
            return await self._once(entry)
        except problems.Problem as problem:
            return wire.Refused.of(problem)
        except StorageError:
            raise
        except Exception:
            log.exception("%s of %s cannot be decided", entry.operation, entry.party_id)
            return wire.Refused("internal", 500, "the exchange has failed at this", None, None)

    async def _once(self, entry: wire.Entry) -> wire.Done:
        party, market = await self._party(entry), self._market
        now = self._received(entry.received_ms)
        request = Request(party, _document(entry), now, entry.body if entry.signed else None)
        hashed = key_hash(entry.party_id, entry.operation, entry.key)
        known = self._fresh.get(hashed)
        if known is None and (found := await market.ledger.document(hashed)) is not None:
            known = found[1]
        if known is not None:
            return _done(same(known, entry.operation, entry.key, request), replayed=True)
        write = _WRITES[entry.operation]

        async def decide(request: Request) -> Decision:
            return await write.decide(market, request)

        stored, batch = await market.requests.decided(
            entry.operation, entry.key, hashed, request, decide
        )
        self.batches.append(batch)
        self._fresh[hashed] = stored
        self._delivered.update((r.party, r.start) for r in batch if type(r) is Delivery)
        return _done(stored, replayed=False)

    def _received(self, stamp_ms: int) -> datetime:
        """When a request was received: by the stamp of its edge, within what can be true.

        Nothing was received in the future, nor before the last call of this log; and no longer before
        what the log had already than edges wait, or a slow clock would make a late tender one in time."""
        now_ms = epoch_ms(self._market.now())
        if self._time.known:
            stamp_ms = min(stamp_ms, now_ms)
        stamp_ms = max(stamp_ms, self._latest_ms - self._late_ms)
        self._latest_ms = max(self._latest_ms, min(stamp_ms, now_ms))
        last, stamp = self._market.last_step, datetime.fromtimestamp(stamp_ms / 1000, UTC)
        return stamp if last is None else max(stamp, last)

    async def _party(self, entry: wire.Entry) -> Registered:
        party = self._market.parties.get(entry.party_id)
        if party is None:
            party = await self._market.postgres.party(entry.party_id)
            if party is None:
                raise problems.unauthorized("the party is not registered")
            self._market.parties.note(party)
        return party


def _done(stored: Stored, *, replayed: bool) -> wire.Done:
    return wire.Done(stored.received_ms, stored.status, stored.result, replayed)


def _document(entry: wire.Entry) -> bytes:
    return split(entry.body)[1] if entry.signed else entry.body


def _names(entry: wire.Entry) -> list[int]:
    """The hashes under which `known` will look for the tenders of a document."""
    try:
        body = _document(entry)
        if entry.operation == "createTender":
            name = documents.create_tender(body).tender.tender_id
            return [name_hash(entry.party, one) for one in (name, name.rpartition(".")[0]) if one]
        if entry.operation == "createStreamTender":
            tender = documents.create_stream_tender(body).tender
            name, parts = tender.tender_id, documents.stream_parts(tender)
            ids = (f"{name}.{part.stream_uid}" for part in parts)
            return [name_hash(entry.party, one) for one in (name, *ids)]
    except (problems.Problem, ValueError, TypeError, RecursionError):
        return []  # what is wrong with it is said when it is decided
    return []
