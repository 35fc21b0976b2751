"""One request, one answer, one document: idempotency by key.

A request that changes something is decided once. Document, evidence and effects are one batch; it
is answered when that is durable. The same key again gets the same answer, made again from what is
stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

from gateway.errors import StorageError
from simulators.exchange import problems
from simulators.exchange.evidence import Stored, fresh
from simulators.exchange.ledger import Ledger, Registered
from simulators.exchange.names import hash63, name_hash
from simulators.exchange.rows import Batch, Document, Evidence
from simulators.exchange.terms import epoch_ms


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request: who asks, the document, when it was received, the compact JWS if it was one."""

    party: Registered
    body: bytes
    now: datetime
    signed: bytes | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What was decided: HTTP status, what the answer needs beyond the document, and the rows.

    ``name`` is the tenderId that the document is about, ``stream`` whether it tenders for several
    intervals.
    """

    seq: int
    status: int
    result: Any
    batch: Batch
    name: str | None = None
    stream: bool = False


# Asks the ledger what it must, then numbers the document and decides without waiting for anything.
Decide = Callable[[Request], Awaitable[Decision]]


class Requests:
    """Carries requests out once."""

    def __init__(self, ledger: Ledger, number: Callable[[], int]) -> None:
        self._ledger = ledger
        self._number = number
        self._under_way: dict[int, list[asyncio.Future[Stored]]] = {}  # and who waits for the same

    async def once(
        self, operation: str, key: str, request: Request, decide: Decide
    ) -> tuple[Stored, bool]:
        """What is stored of the request, and whether it was carried out before."""
        hashed = key_hash(request.party.party_id, operation, key)
        if (others := self._under_way.get(hashed)) is not None:
            first: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
            others.append(first)
            return same(await first, operation, key, request), True
        waiting: list[asyncio.Future[Stored]] = []
        self._under_way[hashed] = waiting
        try:
            if (found := await self._ledger.document(hashed)) is not None:
                stored, replayed = same(found[1], operation, key, request), True
            else:
                stored, batch = await self.decided(operation, key, hashed, request, decide)
                await self._ledger.append(batch)
                replayed = False
        except BaseException as error:
            told = error if isinstance(error, Exception) else StorageError("it was cut off")
            for other in (one for one in waiting if not one.done()):
                other.set_exception(told)
            raise
        finally:
            del self._under_way[hashed]
        for other in (one for one in waiting if not one.done()):
            other.set_result(stored)
        return stored, replayed

    async def decided(
        self, operation: str, key: str, hashed: int, request: Request, decide: Decide
    ) -> tuple[Stored, Batch]:
        """A request that was not carried out before: what is to be stored of it, and all its rows.

        A Problem where it is not carried out and may be sent again with the same key."""
        try:
            decision = await decide(request)
        except problems.Problem as problem:
            if problem.status in (400, 429, 503):
                raise  # not carried out, may be sent again with the same key
            refusal = {
                "kind": problem.kind,
                "detail": problem.detail,
                "reject": problem.reject,
            }
            decision = Decision(self._number(), problem.status, refusal, Batch())
        stored = Stored(
            operation=operation,
            key=key,
            received_ms=epoch_ms(request.now),
            status=decision.status,
            result=decision.result,
            payload=request.body,
            signed=request.signed,
        )
        seq, stream = decision.seq, int(decision.stream)
        party, name = request.party.number, decision.name
        named = None if name is None else name_hash(party, name)
        document = Document(seq, party, hashed, stream, named, name)
        return stored, Batch([document, Evidence(seq, fresh(stored)), *decision.batch.rows])


def key_hash(party_id: str, operation: str, key: str) -> int:
    """63 bits that name a request; what is found by it is compared before it is believed."""
    return hash63(f"{party_id}|{operation}|{key}")


def same(stored: Stored, operation: str, key: str, request: Request) -> Stored:
    """The stored request, if it is this one; spelling does not make another request."""
    known = (stored.operation, stored.key) == (operation, key)
    if not known or fingerprint(stored.payload) != fingerprint(request.body):
        raise problems.key_reused()
    return stored


def fingerprint(body: bytes) -> bytes:
    """The document with sorted keys, hashed."""
    try:
        text = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise problems.malformed("the body is not JSON") from None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
