"""The link to the broker; the only file that knows an MQTT library.

State is never queued: while the broker is away only the latest message of each topic is kept, and
all of them are sent when it is back. Ledger events stay in the journal's outbox until the broker
has acknowledged them; they go out in order and, after a loss, again with the same id.

The pump is no participant of the clock: its periods are network time-outs in real seconds, so a
simulated day neither waits for it nor is overtaken (`Publisher.flush`).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

import aiomqtt

from gateway import __version__
from gateway.config.secrets import credential
from gateway.config.settings import Mqtt
from gateway.config.tls import client_tls
from gateway.errors import BrokerError, ConfigError
from gateway.journal.store import Journal
from gateway.publishing import topics
from gateway.publishing.commands import MAX_BYTES
from gateway.publishing.desk import CommandDesk
from gateway.publishing.outbox import Outbox
from gateway.publishing.topics import Message
from gateway.supervise import Backoff, Presence

_WINDOW = 100  # messages handed to the library at once
_MOST_WAITING = 100  # commands not yet carried out, and answers not yet sent
_MOST_HEARD = 2000  # not yet looked at; a former life's retained topics come all at once
_ANSWER_S = 5.0  # an acknowledgement that takes longer counts as a lost broker
_KEEPALIVE_S = 15
_LONGEST_RETRY_S = 3.0  # state is back within 5 s after the broker is

# Small messages and an acknowledgement to wait for: with Nagle's algorithm each round takes 40 ms.
_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


_quiet = logging.getLogger("mqtt.library")  # it logs each failure; we say once what is lost
_quiet.setLevel(logging.CRITICAL)


@asynccontextmanager
async def _connection(
    settings: Mqtt, identifier: str, will: Message | None
) -> AsyncIterator[_Client]:
    """A connected client; the library's errors become `BrokerError` with a plain reason."""
    client = _Client(
        settings.host,
        settings.port,
        username=settings.username,
        password=_password(settings),
        identifier=identifier,
        protocol=_PROTOCOLS[settings.protocol],
        will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None,
        keepalive=_KEEPALIVE_S,
        timeout=_ANSWER_S,
        max_queued_incoming_messages=_MOST_HEARD,
        socket_options=[_NO_DELAY],
        logger=_quiet,
        tls_context=tls_context(settings),
    )
    try:
        async with client:
            yield client
    except aiomqtt.MqttError as error:
        raise BrokerError(_reason(error, settings)) from error


async def try_broker(settings: Mqtt) -> None:
    """Connect once and leave nothing behind; raises BrokerError with a plain reason, or ConfigError."""
    async with _connection(settings, "energy-gateway-check", None):
        pass


class Publisher:
    """Keeps one home's topics at the broker up to date. Run `run` as a task; hand over `publish`.

    ``devices`` are their names, for ``/info``; without a ``desk`` no commands are taken. Counters: ``sent`` messages, ``losses`` of the broker.
    """

    def __init__(
        self,
        settings: Mqtt,
        site: str,
        journal: Journal,
        devices: Iterable[str] = (),
        desk: CommandDesk | None = None,
    ) -> None:
        topics.check_names(devices := tuple(devices))
        self.base = topics.base_topic(settings.root, site)
        self.sent = 0
        self.losses = 0
        self._settings = settings
        self._outbox = Outbox(journal, self.base)
        self._info = topics.info(self.base, __version__, devices)
        self._identifier = f"energy-gateway-{site}"
        _password(settings)  # a file that cannot be read is said at the start
        tls_context(settings)
        self._latest: dict[str, Message] = {self._info.topic: self._info}
        self._dirty: dict[str, None] = {}  # topics to send, in order of their first change
        self._desk = desk
        self._birth = f"{settings.discovery_prefix}/status" if settings.home_assistant else None
        self._inbox: asyncio.Queue[tuple[str, bytes, bool]] = asyncio.Queue(_MOST_WAITING)
        self._answers: deque[Message] = deque(maxlen=_MOST_WAITING)
        self._swept = asyncio.Event()
        self._leftovers: set[str] = set()  # retained by a former life, kept up to date by nobody
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._online = asyncio.Event()
        self._closing = False

    @property
    def connected(self) -> bool:
        return self._online.is_set()

    def publish(self, messages: Iterable[Message]) -> None:
        """Hand messages over; returns at once. What has not changed is not sent again."""
        for message in messages:
            if self._latest.get(message.topic) != message:
                self._latest[message.topic] = message
                self._dirty[message.topic] = None
        self.wake()

    def wake(self) -> None:
        """Look at the outbox soon: the journal has new entries."""
        self._idle.clear()
        self._wake.set()

    async def wait_connected(self, timeout_s: float = 5.0) -> bool:
        """Wait (real seconds) for the broker; False when it did not come in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._online.wait()
        return self.connected

    async def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until the broker has all that was handed over and the outbox is empty.

        Returns at once with False while the broker is away, and after ``timeout_s`` real seconds.
        A simulated day calls it once a tick, so that it does not outrun the broker.
        """
        if not self.connected:
            return False
        self.wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        return self.connected and self._idle.is_set()

    async def close(self, timeout_s: float = 3.0) -> None:
        """Send what is left, say offline and let `run` return."""
        await self.flush(timeout_s)
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Connect, pump, and connect again when the broker is lost; returns after `close`."""
        async with asyncio.TaskGroup() as group:
            # Outlives a connection: a command that is being carried out is not broken off by it.
            commands = group.create_task(self._carry_out(), name="mqtt commands")
            await self._keep_connected()
            commands.cancel()

    async def _keep_connected(self) -> None:
        broker = Presence(f"MQTT broker {self._settings.host}:{self._settings.port}")
        backoff = Backoff(first_s=0.5, longest_s=_LONGEST_RETRY_S)
        while not self._closing:
            try:
                will = topics.status(self.base, online=False)
                async with _connection(self._settings, self._identifier, will) as client:
                    await self._pump(client, broker, backoff)
            except (BrokerError, ConfigError) as error:  # secrets are read again each time
                self.losses += broker.lost(error)
            finally:
                self._online.clear()
                self._idle.set()  # nobody waits for a broker that is away
            await self._pause(0 if self._closing else backoff.next())

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._closing:
                    self._wake.clear()
                    await self._wake.wait()

    async def _pump(self, client: _Client, broker: Presence, backoff: Backoff) -> None:
        """Send what is due whenever woken. Everything known goes out before we say online."""
        self._dirty = dict.fromkeys(self._latest)
        self._outbox.begin()
        async with self._listening(client) as listener:
            await self._sweep(client)
            await self._subscribe(client)
            await self._send_latest(client)
            await self._clear_leftovers(client)
            await self._send(client, [topics.status(self.base, online=True)])
            broker.back()
            backoff.reset()
            self._online.set()
            while not self._closing and not listener.done():
                self._wake.clear()
                await self._send_latest(client)
                await self._send_outbox(client)
                await self._send_answers(client)
                if not self._dirty and not self._wake.is_set():
                    self._idle.set()
                await self._wake.wait()

    @asynccontextmanager
    async def _listening(self, client: _Client) -> AsyncIterator[asyncio.Task[None]]:
        """Listen beside the body; end the body when the connection is lost; say offline at its end.

        The body looks at the listener too: asyncio.wait_for in Python 3.11, which the library
        uses, may swallow a cancellation.
        """
        try:
            async with asyncio.TaskGroup() as group:
                listener = group.create_task(self._listen(client), name="mqtt listener")
                listener.add_done_callback(lambda _: self._wake.set())
                try:
                    yield listener
                finally:
                    listener.cancel()
                    with suppress(aiomqtt.MqttError, TimeoutError):
                        async with asyncio.timeout(1):
                            await self._send(client, [topics.status(self.base, online=False)])
        except BaseExceptionGroup as group:
            lost, bugs = group.split(aiomqtt.MqttError)
            if bugs or not lost:
                raise
            raise BrokerError(_reason(_first(lost), self._settings)) from lost

    async def _sweep(self, client: _Client) -> None:
        """Once a life: learn what the broker still holds of a former one.

        It must not stand as if it were new. What is retained comes before the echo of our own
        ``info``; a broker that does not let us read our topics is not waited for.
        """
        if self._swept.is_set():
            return
        everything = f"{self.base}/#"
        await client.subscribe(everything, qos=1)
        await self._send(client, [self._info])
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_S):
                await self._swept.wait()
        self._swept.set()
        await client.unsubscribe(everything)

    async def _clear_leftovers(self, client: _Client) -> None:
        old = sorted(self._leftovers - self._latest.keys())
        self._leftovers.clear()
        await self._send(client, [Message(topic, b"", 1, True) for topic in old])

    async def _subscribe(self, client: _Client) -> None:
        if self._birth:
            await client.subscribe(self._birth, qos=1)
        if self._desk:
            await client.subscribe(f"{self.base}/cmd/+", qos=1)

    async def _listen(self, client: _Client) -> None:
        async for message in client.messages:
            topic, payload = str(message.topic), bytes(message.payload or b"")
            if not self._swept.is_set():
                self._hear_former(topic, message.retain)
            elif topic == self._birth:
                if payload == topics.ONLINE:
                    self._announce()
            elif topic.startswith(f"{self.base}/cmd/") and payload and not self._inbox.full():
                # An empty payload only clears a retained command.
                self._inbox.put_nowait((topic, payload[: MAX_BYTES + 1], message.retain))

    def _hear_former(self, topic: str, retained: bool) -> None:
        if not retained:
            if topic == self._info.topic:
                self._swept.set()
        elif topic != f"{self.base}/status" and not topic.startswith(f"{self.base}/cmd/"):
            self._leftovers.add(topic)

    def _announce(self) -> None:
        """Home Assistant has started: tell it again what there is."""
        prefix = f"{self._settings.discovery_prefix}/"
        self._dirty |= dict.fromkeys(t for t in self._latest if t.startswith(prefix))
        self.wake()

    async def _carry_out(self) -> None:
        while self._desk:
            topic, payload, retained = await self._inbox.get()
            name = topic.rsplit("/", 1)[-1]
            result = await self._desk.handle(name, payload, retained)
            self._answers.append(topics.result_message(self.base, name, result.body()))
            self.wake()

    async def _send_answers(self, client: _Client) -> None:
        """An answer is forgotten when the broker has it, or when too many wait."""
        while self._answers:
            answer = self._answers[0]
            await self._send(client, [answer])
            if self._answers and self._answers[0] is answer:
                self._answers.popleft()

    async def _send_latest(self, client: _Client) -> None:
        while self._dirty:
            due = [self._latest[topic] for topic in self._dirty]
            self._dirty.clear()
            await self._send(client, due)

    async def _send_outbox(self, client: _Client) -> None:
        """Oldest first, a window at a time; what the broker acknowledged leaves the outbox."""
        while events := self._outbox.due(_WINDOW):
            await self._send(client, events)
            self._outbox.acknowledged()

    async def _send(self, client: _Client, messages: list[Message]) -> None:
        """Send in order; return when the broker has acknowledged all that ask for it (QoS 1)."""
        for start in range(0, len(messages), _WINDOW):
            window = messages[start : start + _WINDOW]
            await client.publish_all(window)
            self.sent += len(window)


class _Client(aiomqtt.Client):
    """aiomqtt waits for each message with a task; this waits once for many."""

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


def _password(settings: Mqtt) -> str | None:
    """The broker's password, or None for a broker without."""
    password = credential("mqtt_password", settings.password_file, "mqtt.password_file")
    if password is not None and settings.username is None:
        raise ConfigError("mqtt.username is missing: a password without a user name is not sent")
    return password


def tls_context(settings: Mqtt) -> ssl.SSLContext | None:
    """How the broker is checked, and who we are; None without TLS."""
    if settings.tls:
        return client_tls("mqtt", settings.ca_file, settings.cert_file, settings.key_file)
    if settings.cert_file is not None:
        raise ConfigError("mqtt.cert_file is shown with TLS only: set mqtt.tls = true")
    return None


_PROTOCOLS = {"3.1.1": aiomqtt.ProtocolVersion.V311, "5": aiomqtt.ProtocolVersion.V5}
_REFUSED = {4, 5, 134, 135}  # CONNACK codes: bad user name or password, not authorised (3.1.1, 5)


def _first(group: BaseExceptionGroup[aiomqtt.MqttError]) -> BaseException:
    """The first plain error of a group."""
    first: BaseException = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _reason(error: BaseException, settings: Mqtt) -> str:
    """One line that says what the person can do about it."""
    text = str(error)
    if isinstance(error, aiomqtt.MqttCodeError):
        code = getattr(error.rc, "value", error.rc)
        if code in _REFUSED:
            return "it refuses mqtt.username and the password"
    if "SSL" in text or "certificate" in text:
        return f"TLS does not fit (mqtt.tls, mqtt.ca_file, mqtt.cert_file): {text}"
    if settings.tls and "reset" in text:
        return f"{text}; perhaps this port has no TLS (mqtt.tls, mqtt.port)"
    if "timed out" in text and not settings.tls:
        return "it does not answer; perhaps it wants TLS (mqtt.tls = true)"
    if "timed out" in text and settings.cert_file is None:
        return "it does not answer; perhaps it asks for our certificate (mqtt.cert_file)"
    return text
