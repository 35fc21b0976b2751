"""Commands that come from the broker, and their answers until the broker has them.

Nothing waits in a line: each command goes to the handler at once, in the order of arrival, and beside the
others that wait for their read-back. What is refused is answered like what is done.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from gateway.languages.sentences import told
from gateway.publishing import topics
from gateway.publishing.commands import MAX_BYTES, Handler
from gateway.publishing.topics import Message

log = logging.getLogger(__name__)

_MOST_ANSWERS = 10_000  # not yet sent; beyond it the newest are lost, and that is said


# Mistakes of a program, of interest to nobody else; and there may be many of them.
_OF_PROGRAMS = frozenset({"busy", "too_large", "unknown_command", "malformed", "retained"})


class CommandTopics:
    """Below ``<base>/cmd``. ``wake`` is called when there is an answer to send; people are told in ``language``,
    programs by code."""

    def __init__(
        self, base: str, handler: Handler | None, wake: Callable[[], None], language: str
    ) -> None:
        self._start, self._language = f"{base}/cmd/", language
        self._base, self._handler, self._wake = base, handler, wake
        self._answers: deque[Message] = deque()
        self._group: asyncio.TaskGroup | None = None
        self._lost = 0

    @property
    def filter(self) -> str | None:
        """What to subscribe to: the names of commands and nothing below them."""
        return f"{self._start}+" if self._handler else None

    async def run(self) -> None:
        """Until cancelled; a command that is being carried out outlives the connection it came by."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    def hear(self, topic: str, payload: bytes, retained: bool) -> bool:
        """Whether it was for us; an empty payload only clears a retained command."""
        name = topic.removeprefix(self._start)
        if name == topic or "/" in name or self._handler is None:
            return False
        if payload and self._group is not None:
            answer = self._answer(self._handler, name, payload[: MAX_BYTES + 1], retained)
            self._group.create_task(answer)
        return True

    def due(self, most: int) -> list[Message]:
        """The oldest answers; say `sent` when the broker has them."""
        return [self._answers[n] for n in range(min(most, len(self._answers)))]

    def sent(self, count: int) -> None:
        """The broker has the oldest ``count``."""
        for _ in range(count):
            self._answers.popleft()

    async def _answer(self, handler: Handler, name: str, payload: bytes, retained: bool) -> None:
        result = await handler.handle(name, payload, retained)
        if len(self._answers) < _MOST_ANSWERS:
            self._answers.append(topics.result_message(self._base, name, result.body()))
            if result.status != "ok" and result.code not in _OF_PROGRAMS:
                why = "" if result.message is None else told(self._language, result.message)
                about = {"command": name, "code": result.code, "message": why}
                self._answers.append(topics.event_message(self._base, "command_refused", about))
            self._lost = 0
        else:
            self._lost += 1
            if self._lost == 1:
                log.warning(
                    "%d answers to commands wait for the broker; further ones are lost",
                    _MOST_ANSWERS,
                )
        self._wake()
