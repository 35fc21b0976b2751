"""The MQTT library where it waits too much, trusts a broker too far, or leaves something behind.

aiomqtt waits for each message with a task, in both directions; `Client` waits once for many. And it looks
after the socket itself, for a broker that breaks the protocol in the middle of an answer leaves the library with a
socket that is written to for ever, or with one whose number is another's by then.

It reaches into both libraries where they have no door: what is received, where bytes come from, and when
the socket is watched. The tests against a real broker and a false one (`tests/hostile/test_false_broker.py`) see when they change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import aiomqtt

from gateway.publishing.packet_limit import PacketLimit
from gateway.publishing.topics import Message

Hear = Callable[[str, bytes, bool], None]  # topic, payload, whether it was retained
HUNG_UP = "it hung up before it answered"


class Client(aiomqtt.Client):
    """One connection, used once; ``hear`` is called at once with whatever comes."""

    def __init__(self, hear: Hear, hostname: str, port: int, **options: Any) -> None:
        super().__init__(hostname, port, **options)
        self._hear = hear
        limit = PacketLimit(self._client._sock_recv)
        self._client._sock_recv = limit.recv  # type: ignore[method-assign]

    async def __aenter__(self) -> Self:
        """The library forgets a loss that comes with the broker's consent in one read."""
        lost = self._disconnected
        try:
            await super().__aenter__()
            if lost.done():
                raise aiomqtt.MqttError("it ended the connection at once") from lost.exception()
        except BaseException:
            self._let_go()
            raise
        return self

    async def __aexit__(self, *error: Any) -> None:
        try:
            await super().__aexit__(*error)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """The library leaves the socket of a connection that went wrong to the collector, and why to asyncio's log."""
        if self._disconnected.done():
            self._disconnected.exception()
        if self._misc_task is not None:
            self._misc_task.cancel()
        self._client._sock_close()

    async def publish_all(self, messages: Sequence[Message]) -> None:
        """Send in order of QoS; return when the last is acknowledged, and so all before it.

        A broker must acknowledge in the order in which it received (MQTT 3.1.1, 4.6). One that
        does not counts as lost, and everything is sent again.
        """
        *others, last = sorted(messages, key=lambda message: message.qos)
        sent = [self._client.publish(*message) for message in others]
        await self.publish(*last)
        if not all(message.rc == 0 and message.is_published() for message in sent):
            raise aiomqtt.MqttError("the broker does not acknowledge in order")

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        """The library would queue it, and drop what does not fit. A topic that is no text is none of ours."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._hear(topic, bytes(message.payload or b""), bool(message.retain))

    def _on_disconnect(self, *words: Any) -> None:
        """The library waits for an answer to its hello also when the broker has hung up."""
        if self._connected.done():
            super()._on_disconnect(*words)
        else:
            self._connected.set_exception(aiomqtt.MqttError(HUNG_UP))
            self._connected.exception()  # nobody may wait for it any more

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        """As the library's, which asks the loop from any thread, so later; by then it may be written or closed."""

        def write() -> None:
            try:
                client.loop_write()
            except (OSError, ValueError) as error:
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)
            if sock.fileno() >= 0 and not client.want_write():
                self._loop.remove_writer(sock)

        def register() -> None:
            if sock.fileno() >= 0 and client.want_write():
                self._loop.add_writer(sock, write)

        self._loop.call_soon_threadsafe(register)

    def _on_socket_close(self, client: Any, userdata: Any, sock: Any) -> None:
        """The library's own, and nothing waits any more to write on a number that will be another socket's."""
        super()._on_socket_close(client, userdata, sock)
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)
