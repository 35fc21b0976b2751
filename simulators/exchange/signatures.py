"""Ed25519 signatures, checked beside the event loop where several wait.

Checking one takes as long as half of everything else about a tender, and needs no interpreter meanwhile:
on a second core it costs the loop nothing. One alone is checked at once, without a hand-over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.clock import pause

Signed = tuple[Ed25519PublicKey, bytes, bytes]  # the key, the signature, what it is of


class Signatures:
    """All that have come since the thread was last free are checked together, in their order."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Signed, asyncio.Future[bool]]] = []
        self._checking: list[tuple[Signed, asyncio.Future[bool]]] = []
        self._busy = False

    async def good(self, key: Ed25519PublicKey, signature: bytes, said: bytes) -> bool:
        """Whether the signature is the key's, of what was said."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(((key, signature, said), told))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._check)  # after all that is ready now
        return await told

    async def settled(self) -> None:
        """Whoever waits now has been told, and has gone on: so nothing that was received before a call
        is decided after it."""
        now = [told for _, told in (*self._checking, *self._waiting) if not told.done()]
        if now:
            await asyncio.wait(now)
            await pause(0)

    def _check(self) -> None:
        taken, self._waiting = self._waiting, []
        self._checking, self._busy = taken, bool(taken)
        if len(taken) == 1:
            self._tell(_checked([taken[0][0]]))
        elif taken:
            asked = [signed for signed, _ in taken]
            work = asyncio.get_running_loop().run_in_executor(None, _checked, asked)
            work.add_done_callback(self._done)

    def _done(self, work: asyncio.Future[list[bool]]) -> None:
        if work.cancelled():  # the loop ends
            for _, told in self._checking:
                told.cancel()
            self._checking, self._busy = [], False
        else:
            self._tell(work.result())

    def _tell(self, found: Sequence[bool]) -> None:
        for (_, told), good in zip(self._checking, found, strict=True):
            if not told.done():  # who asked may have gone
                told.set_result(good)
        self._check()


def _checked(asked: Sequence[Signed]) -> list[bool]:
    found = []
    for key, signature, said in asked:
        try:
            key.verify(signature, said)
        except InvalidSignature:
            found.append(False)
        else:
            found.append(True)
    return found
