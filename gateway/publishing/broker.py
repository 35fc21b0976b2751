"""The wire to the broker; with `gateway.publishing.mqtt_client` all that knows an MQTT library.

Its errors leave as `BrokerError` with a reason that says what a person can do about it.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.config.agent_settings import Mqtt
from gateway.config.secrets import credential
from gateway.config.tls import client_tls
from gateway.errors import BrokerError, ConfigError
from gateway.publishing.mqtt_client import HUNG_UP, Client, Hear
from gateway.publishing.packet_limit import MOST_BYTES
from gateway.publishing.topics import Message

ANSWER_S = 5.0  # an acknowledgement that takes longer counts as a lost broker
_KEEPALIVE_S = 15

# Small messages and an acknowledgement to wait for: with Nagle's algorithm each round takes 40 ms.
_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_PROTOCOLS = {"3.1.1": aiomqtt.ProtocolVersion.V311, "5": aiomqtt.ProtocolVersion.V5}
_FAILURE = 128  # from here on a reason code says no (SUBACK of 3.1.1 and 5)
_REFUSED = {
    4,
    5,
    134,
    135,
}  # of an answer to our hello (CONNACK): bad user name or password, not authorised (3.1.1, 5)

_quiet = logging.getLogger("mqtt.library")  # it logs each failure; we say once what is lost
_quiet.setLevel(logging.CRITICAL)


class Broker:
    """One connection that stands. Every method raises BrokerError when it does not any more."""

    def __init__(self, client: Client, settings: Mqtt) -> None:
        self._client, self._settings = client, settings

    async def publish_all(self, messages: Sequence[Message]) -> None:
        """Send; return when the broker has acknowledged all that ask for it (QoS 1)."""
        with _translated(self._settings):
            await self._client.publish_all(messages)

    async def subscribe(self, topic: str) -> bool:
        """Whether the broker lets us. MQTT 5 also tells of what comes while we listen whether it is retained."""
        how: dict[str, Any] = {"qos": 1}
        if self._settings.protocol == "5":
            how = {"options": SubscribeOptions(qos=1, retainAsPublished=True)}
        with _translated(self._settings):
            codes = await self._client.subscribe(topic, **how)
        return all(getattr(code, "value", code) < _FAILURE for code in codes)

    async def until_lost(self) -> None:
        """Wait; raises BrokerError when the connection is lost."""
        with _translated(self._settings):
            async for _ in self._client.messages:  # none come here: `Client` hands them on itself
                pass


@asynccontextmanager
async def connection(
    settings: Mqtt, identifier: str, will: Message | None, hear: Hear | None = None
) -> AsyncIterator[Broker]:
    """A connected broker; ``hear`` is called at once with whatever comes, and must return at once.

    Raises ConfigError for a secret or certificate that cannot be used.
    """
    client = Client(
        hear or _ignore,
        settings.host,
        settings.port,
        username=settings.username,
        password=password(settings),
        identifier=identifier,
        protocol=_PROTOCOLS[settings.protocol],
        will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None,
        keepalive=_KEEPALIVE_S,
        timeout=ANSWER_S,
        properties=_limits() if settings.protocol == "5" else None,
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


def _limits() -> Properties:
    """A broker that speaks MQTT 5 is told what we take, and does not send more."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = MOST_BYTES
    return properties


def _ignore(_topic: str, _payload: bytes, _retained: bool) -> None:
    """Nobody listens."""


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
        refused = _is_refused(error)
        raise (BrokerRefusedError if refused else BrokerError)(_reason(error, settings)) from error


class BrokerRefusedError(BrokerError):
    """It answers, but does not let us in: trying again helps nothing until a person does something."""


def _is_refused(error: BaseException) -> bool:
    """The library's own errors have the same numbers as the broker's words."""
    if not isinstance(error, MqttConnectError):
        return False
    return getattr(error.rc, "value", error.rc) in _REFUSED


def _reason(error: BaseException, settings: Mqtt) -> str:
    """One line that says what the person can do about it."""
    text = str(error)
    if _is_refused(error):
        return "it refuses mqtt.username and the password"
    if "SSL" in text or "certificate" in text:
        return f"TLS does not fit (mqtt.tls, mqtt.ca_file, mqtt.cert_file): {text}"
    if settings.tls and "reset" in text:
        return f"{text}; perhaps this port has no TLS (mqtt.tls, mqtt.port)"
    silent = "timed out" in text or text == HUNG_UP
    if silent and not settings.tls:
        return "it does not answer; perhaps it wants TLS (mqtt.tls = true)"
    if silent and settings.cert_file is None:
        return "it does not answer; perhaps it asks for our certificate (mqtt.cert_file)"
    return "the connection ended" if text.startswith("Disconnected during") else text
