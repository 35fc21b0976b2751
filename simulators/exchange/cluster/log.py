"""The log of a cluster: one JetStream stream a shard, read by its own number, written with a name.

A message's name is its `Nats-Msg-Id`: written again after a doubtful answer it is still there once.
The reader keeps its position itself, in the same transaction as what it did, so the log has no
consumer that could be lost with a node.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from gateway.clock import pause
from gateway.errors import StorageError
from gateway.supervise import Availability
from simulators.exchange.cluster.wire import Filler, encode

T = TypeVar("T")
log = logging.getLogger(__name__)
_FAILURES = (NatsError, APIError, OSError, TimeoutError)
_TRY_S = 1.0  # one try to write or to read
_ASK_S = 2.0  # one question to another process
_WRITE_S = 3.0  # then the asker is told that it may come again
_REST_S = 0.1  # between two tries
_LOOK_S = 0.25  # a reader looks at least so often
_CONNECT: dict[str, Any] = {
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": _REST_S,
    "connect_timeout": 2,
    "ping_interval": 5,
}
_KEPT_S = 3 * 86_400.0
_FILLERS = 500  # that are under way at once
_TWICE_S = 120.0  # so long a name is known


class Log:
    """``prefix`` names the streams; they are of one segment and one number of shards. What cannot be
    written within ``write_s`` is given up."""

    def __init__(
        self,
        servers: Sequence[str],
        prefix: str,
        shards: int,
        replicas: int,
        write_s: float = _WRITE_S,
    ) -> None:
        self._servers = list(servers)
        self._prefix = prefix
        self.shards = shards
        self._replicas = replicas
        self._write_s = write_s
        self._wakes = [asyncio.Event() for _ in range(shards)]
        self._client: Client | None = None
        self._js: JetStreamContext | None = None

    async def open(self) -> None:
        """Connect, for ever if need be; afterwards the client connects again by itself."""

        async def quiet(_error: Exception) -> None:
            """The client goes on by itself; what could not be done is told to who asked for it."""

        reached = Availability(f"the log at {', '.join(self._servers)}")
        while self._client is None:
            client = Client()
            try:
                await _heeding(client.connect(self._servers, error_cb=quiet, **_CONNECT))
                self._client = client
            except _FAILURES as error:
                reached.lost(error)
                await pause(1)
            finally:
                if self._client is None:
                    await client.close()
        reached.back()
        self._js = self._client.jetstream(timeout=_TRY_S)

    async def prepare(self) -> None:
        """Have the streams."""
        for shard in range(self.shards):
            await self._have(shard)

    async def _have(self, shard: int) -> None:
        config = StreamConfig(
            name=self._stream(shard),
            subjects=[self._subject(shard)],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            num_replicas=self._replicas,
            max_age=_KEPT_S,
            duplicate_window=_TWICE_S,
            allow_direct=True,
        )
        await self._try(partial(self._streams.add_stream, config), 60.0)

    def _stream(self, shard: int) -> str:
        return f"{self._prefix}-{self.shards}-{shard}"

    def _subject(self, shard: int) -> str:
        return f"{self._stream(shard)}.log"

    def subject(self, name: str) -> str:
        """A subject beside the log, for questions and answers that nobody keeps."""
        return f"{self._prefix}.{name}"

    @property
    def client(self) -> Client:
        if self._client is None:
            raise StorageError("the log is not open")
        return self._client

    @property
    def _streams(self) -> JetStreamContext:
        if self._js is None:
            raise StorageError("the log is not open")
        return self._js

    async def write(self, shard: int, data: bytes, name: str) -> int:
        """The message's number, when most of the log's nodes have it. StorageError where they do not
        say so in time: it may still be there, and may be written again with its name."""
        ack = await self._try(
            lambda: self._streams.publish(
                self._subject(shard), data, headers={"Nats-Msg-Id": name}
            ),
            self._write_s,
        )
        return int(ack.seq)

    async def _try(self, work: Callable[[], Awaitable[Any]], within_s: float) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while True:
            try:
                return await _heeding(work())
            except _FAILURES as error:
                if loop.time() > deadline:
                    raise StorageError(f"the log cannot be written: {error!r}") from error
                await pause(_REST_S)

    async def read(self, shard: int, seq: int) -> bytes | None:
        """A message by its number; None where it is not there (yet)."""
        try:
            found = await _heeding(self._streams.get_msg(self._stream(shard), seq=seq, direct=True))
        except NotFoundError:
            return None
        except _FAILURES as error:
            raise StorageError(f"the log cannot be read: {error!r}") from error
        return found.data or b""

    async def span(self, shard: int) -> tuple[int, int]:
        """The numbers of the first and the last message that are kept."""
        found = await self._try(lambda: self._streams.stream_info(self._stream(shard)), 60.0)
        return int(found.state.first_seq), int(found.state.last_seq)

    async def mend(self, shard: int, position: int) -> None:
        """A log that has lost its end (its nodes lost power, and did not sync), or is not there any more (they came
        back with empty disks), goes on after what was carried out: a reader at ``position`` would never see what is written below."""
        await self._have(shard)
        first, last = await self.span(shard)
        if first > position + 1:
            raise StorageError(
                f"{self._stream(shard)} begins at {first}, but was carried out up to {position} only:"
                " messages between have been dropped; their senders had no answer"
            )
        if last < position:
            log.warning(
                "%s has lost what came after %d; it was carried out up to %d and goes on from there",
                *(self._stream(shard), last, position),
            )
        # Message by message: a purge up to a number beyond the end breaks a stream of three nodes (2.9.10).
        filler = encode(Filler())
        while last < position:
            numbers = range(last + 1, min(position, last + _FILLERS) + 1)
            names = (f"filler-{number}-of-{position}" for number in numbers)
            last = max(await asyncio.gather(*(self.write(shard, filler, name) for name in names)))

    async def watch(self, shard: int) -> None:
        """Be woken by what is written for a shard."""

        async def wake(_message: Msg) -> None:
            self._wakes[shard].set()

        await _heeding(self.client.subscribe(self._subject(shard), cb=wake))

    async def news(self, shard: int) -> None:
        """Wait for the next message; not for ever, as a waking may be lost."""
        wake = self._wakes[shard]
        try:
            async with asyncio.timeout(_LOOK_S):
                await wake.wait()
        except TimeoutError:
            return
        wake.clear()

    async def ask(self, name: str, data: bytes, timeout_s: float = _ASK_S) -> bytes | None:
        """Ask whoever listens on a subject; None where nobody answers in time."""
        try:
            answer = await _heeding(
                self.client.request(self.subject(name), data, timeout=timeout_s)
            )
        except _FAILURES:
            return None
        return answer.data

    async def listen(self, name: str, heard: Callable[[Msg], Awaitable[None]]) -> None:
        await _heeding(self.client.subscribe(self.subject(name), cb=heard))

    async def say(self, subject: str, data: bytes) -> None:
        """To whoever listens there now; lost where nobody does."""
        try:
            await _heeding(self.client.publish(subject, data))
        except _FAILURES as error:
            log.info("an answer could not be sent: %s", error)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


async def _heeding(work: Awaitable[T]) -> T:
    """``work``, and the end of whoever is cancelled meanwhile.

    The client waits by `asyncio.wait_for`, which until Python 3.12 hands over an answer that comes at
    the same moment as a cancellation, and forgets the cancellation: the task would go on for ever.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        return await work
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
