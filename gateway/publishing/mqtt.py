"""What the broker is told, and when: the state of a home, its ledger, its answers.

State is never queued: while the broker is away only the latest message of each topic is kept, and
all of them are sent when it is back. Ledger events stay in the journal's outbox until the broker
has acknowledged them; they go out in order and, after a loss, again with the same id.

The pump is no participant of the clock: its periods are network time-outs in real seconds, so a
simulated day neither waits for it nor is overtaken (`Publisher.flush`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from gateway import __version__
from gateway.clock import WallClock, pause
from gateway.config.agent_settings import Mqtt
from gateway.errors import BrokerError, ConfigError
from gateway.publishing import rights, topics
from gateway.publishing.broker import Broker, BrokerRefusedError, connection, password, tls_context
from gateway.publishing.command_topics import CommandTopics
from gateway.publishing.commands import Handler
from gateway.publishing.outbox import Outbox
from gateway.publishing.topic_memory import TopicMemory
from gateway.publishing.topics import Message
from gateway.store.journal import Journal
from gateway.supervise import Availability, Backoff, CalmAvailability

log = logging.getLogger(__name__)

_WINDOW = 100  # messages handed to the library at once
_LONGEST_RETRY_S = 3.0  # state is back within 5 s after the broker is


class Publisher:
    """Keeps one home's topics at the broker up to date. Run `run` as a task; hand over `publish`.

    ``devices`` are their names, for ``/info``; without a ``handler`` no commands are taken. ``memory`` is the
    file that knows our retained topics over a restart. Counters: ``sent`` messages, ``losses`` of the broker.
    """

    def __init__(
        self,
        settings: Mqtt,
        site: str,
        journal: Journal,
        devices: Iterable[str] = (),
        handler: Handler | None = None,
        memory: Path | None = None,
    ) -> None:
        topics.check_names(devices := tuple(devices))
        self.base = topics.base_topic(settings.root, site)
        self.sent = 0
        self.losses = 0
        self._settings = settings
        self._outbox = Outbox(journal, self.base)
        self._info = topics.info(self.base, __version__, devices)
        self._identifier = f"energy-gateway-{site}"
        password(settings)  # a file that cannot be read is said at the start
        tls_context(settings)
        self._latest: dict[str, Message] = {self._info.topic: self._info}
        self._dirty: dict[str, None] = {}  # topics to send, in order of their first change
        self._birth = f"{settings.discovery_prefix}/status" if settings.home_assistant else None
        self._memory = TopicMemory(memory)
        self._discovery = f"{settings.discovery_prefix}/device/energy_gateway_{site}_"
        self._devices = devices
        self._commands = CommandTopics(self.base, handler, self.wake, settings.language)
        self._inputs: dict[str, Callable[[bytes], None]] = {}
        self._refused: set[str] = set()  # subscriptions that the broker does not let us make
        self._rights = rights.Rights(self.base, self._say_again)
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._online = asyncio.Event()
        self._closing = False

    @property
    def connected(self) -> bool:
        return self._online.is_set()

    @property
    def heard(self) -> bool:
        """Whether others hear us, as far as we know: the broker is there and hands on what we say."""
        return self.connected and not self._rights.taken

    def listen(self, topic: str, hear: Callable[[bytes], None]) -> None:
        """Hear what others publish on ``topic``, retained or not; before `run`."""
        self._inputs[topic] = hear

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
            commands = group.create_task(self._commands.run(), name="mqtt commands")
            await self._keep_connected()
            commands.cancel()

    async def _keep_connected(self) -> None:
        name = f"MQTT broker {self._settings.host}:{self._settings.port}"
        broker = CalmAvailability(name, clock=WallClock())
        backoff = Backoff(first_s=0.5, longest_s=_LONGEST_RETRY_S)
        said = ""
        while not self._closing:
            try:
                will = topics.status(self.base, online=False)
                async with connection(self._settings, self._identifier, will, self._hear) as link:
                    await self._pump(link, broker, backoff)
            except (BrokerError, ConfigError) as error:  # secrets are read again each time
                first = broker.lost(error)
                self.losses += first
                if not first and isinstance(error, BrokerRefusedError) and str(error) != said:
                    log.warning("%s answers, but %s", broker.name, error)
                said = str(error)
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

    async def _pump(self, link: Broker, broker: Availability, backoff: Backoff) -> None:
        """Send what is due whenever woken. Everything known goes out before we say online."""
        self._say_again()
        self._rights.begin()
        async with self._listening(link) as listener:
            await self._subscribe(link, (self._birth, self._commands.filter, *self._inputs))
            await self._send_latest(link)
            await self._send(link, [topics.status(self.base, online=True)])
            broker.back()
            backoff.reset()
            self._online.set()
            while not self._closing and not listener.done():
                self._wake.clear()
                await self._send_answers(link)
                await self._send_latest(link)
                await self._send_outbox(link)
                if not self._dirty and not self._wake.is_set():
                    self._idle.set()
                await self._wake.wait()

    def _say_again(self) -> None:
        """Everything: the broker may have nothing of it."""
        self._dirty = dict.fromkeys(self._latest)
        self._outbox.begin()
        self.wake()

    async def _watch_rights(self, link: Broker) -> None:
        """For ever: ask for what was refused, and whether we are still heard."""
        say = partial(self._send, link)
        while self._commands.filter:  # without commands there is nothing that would come back
            await self._subscribe(link, tuple(self._refused))
            if self._commands.filter not in self._refused:
                await self._rights.ask(say)
            await pause(rights.EVERY_S)

    @asynccontextmanager
    async def _listening(self, link: Broker) -> AsyncIterator[asyncio.Task[None]]:
        """Listen beside the body; end the body when the connection is lost; say offline at its end.

        The body looks at the listener too: asyncio.wait_for in Python 3.11, which the library
        uses, may swallow a cancellation.
        """
        try:
            async with asyncio.TaskGroup() as group:
                listener = group.create_task(link.until_lost(), name="mqtt listener")
                listener.add_done_callback(lambda _: self._wake.set())
                watching = group.create_task(self._watch_rights(link), name="mqtt rights")
                try:
                    yield listener
                finally:
                    listener.cancel()
                    watching.cancel()
                    with suppress(BrokerError, TimeoutError):
                        async with asyncio.timeout(1):
                            await self._send(link, [topics.status(self.base, online=False)])
        except BaseExceptionGroup as group:
            lost, bugs = group.split(BrokerError)
            if bugs or not lost:
                raise
            raise _first(lost) from lost

    async def _subscribe(self, link: Broker, wanted: Iterable[str | None]) -> None:
        """Only what is for us; a broker that does not let us is still told the home's state."""
        for topic in filter(None, wanted):
            allowed = await link.subscribe(topic)
            if not allowed and topic not in self._refused:
                self._refused.add(topic)
                log.warning(
                    "the MQTT broker does not let us subscribe to %s: give our user the right to"
                    " read it; until then %s",
                    topic,
                    "Home Assistant is not told again when it starts"
                    if topic == self._birth
                    else "what it says is not heard"
                    if topic in self._inputs
                    else "no command arrives",
                )
            elif allowed and topic in self._refused:
                self._refused.discard(topic)
                log.info("the MQTT broker lets us subscribe to %s again", topic)

    def _hear(self, topic: str, payload: bytes, retained: bool) -> None:
        if topic == self._birth and payload == topics.ONLINE:
            self._announce()
        elif self._rights.hear(topic, payload):
            return
        elif topic in self._inputs:
            self._inputs[topic](payload)
        else:
            self._commands.hear(topic, payload, retained)

    def _announce(self) -> None:
        """Home Assistant has started: tell it again what there is."""
        prefix = f"{self._settings.discovery_prefix}/"
        self._dirty |= dict.fromkeys(t for t in self._latest if t.startswith(prefix))
        self.wake()

    async def _send_answers(self, link: Broker) -> None:
        """An answer is forgotten when the broker has it."""
        while answers := self._commands.due(_WINDOW):
            await self._send(link, answers)
            self._commands.sent(len(answers))

    async def _send_latest(self, link: Broker) -> None:
        while self._dirty:
            due = [self._latest[topic] for topic in self._dirty]
            self._dirty.clear()
            self._memory.add(message.topic for message in due if message.retain)
            await self._send(link, due)
        left = sorted(filter(self._is_left_over, self._memory.topics - self._latest.keys()))
        await self._send(link, [Message(topic, b"", 1, True) for topic in left])
        self._memory.forget(left)

    def _is_left_over(self, topic: str) -> bool:
        """Whether a topic of a run before must not stand as if it were new.

        What Home Assistant knows of a device stays until the device has answered and says what it has,
        or is gone from the configuration.
        """
        if not topic.startswith(self._discovery) or not self._birth:
            return True
        part = topic.removeprefix(self._discovery).partition("/")[0]
        if f"{self._discovery}gateway/config" not in self._latest:
            return False  # nothing of this run's discovery was published yet
        owners = (name for name in self._devices if part == name or part.startswith(f"{name}_"))
        return all(f"{self.base}/{name}/state" in self._latest for name in owners)

    async def _send_outbox(self, link: Broker) -> None:
        """Oldest first, a window at a time; what the broker acknowledged leaves the outbox. None while nobody would hear it."""
        while not self._rights.taken and (events := self._outbox.due(_WINDOW)):
            await self._send(link, events)
            self._outbox.acknowledged()
            await self._send_answers(link)  # no answer waits for a long account

    async def _send(self, link: Broker, messages: list[Message]) -> None:
        """Send in order; return when the broker has acknowledged all that ask for it (QoS 1)."""
        for start in range(0, len(messages), _WINDOW):
            window = messages[start : start + _WINDOW]
            await link.publish_all(window)
            self.sent += len(window)


def _first(group: BaseExceptionGroup[BrokerError]) -> BaseException:
    """The first plain error of a group."""
    first: BaseException = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
