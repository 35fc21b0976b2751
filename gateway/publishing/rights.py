"""Whether the broker still lets us speak and hear.

A broker whose access rules change under a connection says nothing: it acknowledges what it throws away (MQTT 3.1.1 has no other
word), and hands on no command. So now and then we say something to ourselves, on a topic among those of the commands.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from gateway.clock import WallClock
from gateway.publishing.topics import Message
from gateway.supervise import CalmAvailability

EVERY_S, ANSWER_S = 60.0, 5.0  # real seconds
_SILENT = 2  # times in a row: a single one may have been lost behind a burst of commands
_LOST = (
    "nothing of what we say is handed on to us; give our user the right to write %s/# and to read %s/cmd/+; "
    "until then no command arrives, and what others see may be old"
)


class Rights:
    """``returned`` is called when they are back: what was thrown away has to be said again."""

    def __init__(self, base: str, returned: Callable[[], None]) -> None:
        self.topic = f"{base}/cmd/echo"
        self._returned = returned
        self._state = CalmAvailability("our right to publish and to hear", clock=WallClock())
        self._lost = _LOST % (base, base)
        self._word = b""
        self._heard = asyncio.Event()
        self._heard_ever, self._silent = False, 0

    @property
    def taken(self) -> bool:
        """Whether what is said now is heard by nobody, as far as we know: a broker that never let us hear ourselves may hand it to others."""
        return self._heard_ever and self._silent >= _SILENT

    def begin(self) -> None:
        """A new connection: nothing is known of it."""
        self._heard_ever, self._silent = False, 0

    def hear(self, topic: str, payload: bytes) -> bool:
        """Whether it is of our topic, by whomever it was said."""
        if topic != self.topic:
            return False
        if payload == self._word:
            self._heard.set()
        return True

    async def ask(self, say: Callable[[list[Message]], Awaitable[None]]) -> None:
        """Once; ``say`` publishes. Raises BrokerError when the connection is lost."""
        self._word = secrets.token_hex(8).encode()
        self._heard.clear()
        await say([Message(self.topic, self._word, 1, False)])
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await self._heard.wait()
        self._judge(self._heard.is_set())

    def _judge(self, heard: bool) -> None:
        if heard:
            were_taken, self._heard_ever, self._silent = self.taken, True, 0
            self._state.back()
            if were_taken:
                self._returned()
        else:
            self._silent += 1
            if self._silent >= _SILENT:
                self._state.lost(self._lost)
