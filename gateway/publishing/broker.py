"""The wire to the broker; the only file that knows an MQTT library.

Its errors leave as `BrokerError` with a reason that says what a person can do about it.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import aiomqtt

from gateway.config.secrets import credential
from gateway.config.settings import Mqtt
from gateway.config.tls import client_tls
from gateway.errors import BrokerError, ConfigError
from gateway.publishing.topics import Message

ANSWER_S = 5.0  # an acknowledgement that takes longer counts as a lost broker
_MOST_HEARD = 2000  # not yet looked at; a previous run's retained topics come all at once
_KEEPALIVE_S = 15

# Small messages and an acknowledgement to wait for: with Nagle's algorithm each round takes 40 ms.
_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_PROTOCOLS = {"3.1.1": aiomqtt.ProtocolVersion.V311, "5": aiomqtt.ProtocolVersion.V5}
_REFUSED = {4, 5, 134, 135}  # CONNACK codes: bad user name or password, not authorised (3.1.1, 5)

_quiet = logging.getLogger("mqtt.library")  # it logs each failure; we say once what is lost
_quiet.setLevel(logging.CRITICAL)


class Broker:
    """One connection that stands. Every method raises BrokerError when it does not any more."""

    def __init__(self, client: _Client, settings: Mqtt) -> None:
        self._client, self._settings = client, settings

    async def publish_all(self, messages: Sequence[Message]) -> None:
        """Send; return when the broker has acknowledged all that ask for it (QoS 1)."""
        with _translated(self._settings):
            await self._client.publish_all(messages)

    async def subscribe(self, topic: str) -> None:
        with _translated(self._settings):
            await self._client.subscribe(topic, qos=1)

    async def unsubscribe(self, topic: str) -> None:
        with _translated(self._settings):
            await self._client.unsubscribe(topic)

    async def heard(self) -> AsyncIterator[tuple[str, bytes, bool]]:
        """Topic, payload and whether it was retained, of all that comes."""
        with _translated(self._settings):
            async for message in self._client.messages:
                yield str(message.topic), bytes(message.payload or b""), message.retain


@asynccontextmanager
async def connection(
    settings: Mqtt, identifier: str, will: Message | None
) -> AsyncIterator[Broker]:
    """A connected broker. Raises ConfigError for a secret or certificate that cannot be used."""
    client = _Client(
        settings.host,
        settings.port,
        username=settings.username,
        password=password(settings),
        identifier=identifier,
        protocol=_PROTOCOLS[settings.protocol],
        will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None,
        keepalive=_KEEPALIVE_S,
        timeout=ANSWER_S,
        max_queued_incoming_messages=_MOST_HEARD,
        socket_options=[_NO_DELAY],
        logger=_quiet,
        tls_context=tls_context(settings),
    )
    with _translated(settings):
        async with client:
            yield Broker(client, settings)


async def try_broker(settings: Mqtt) -> None:
    """Connect once and leave nothing behind; raises BrokerError with a plain reason, or ConfigError."""
    async with connection(settings, "energy-gateway-check", None):
        pass


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


def password(settings: Mqtt) -> str | None:
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


@contextmanager
def _translated(settings: Mqtt) -> Iterator[None]:
    try:
        yield
    except aiomqtt.MqttError as error:
        raise BrokerError(_reason(error, settings)) from error


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
