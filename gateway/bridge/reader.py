"""The two ways to hear of a device: asked over HTTP again and again, or told by a broker. Each ages alone.

A device that answers nothing, or nonsense, keeps nobody up: its values grow old and are not known any more. That it is
lost is said once, and once that it is back.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Sequence
from typing import Any

from gateway.bounded_http import BoundedHttp
from gateway.bridge.load import Asked, asked_of, sheet
from gateway.bridge.pick import picked
from gateway.bridge.store import Values
from gateway.clock import Clock, every
from gateway.config.agent_settings import Mqtt
from gateway.config.device_settings import DeviceSettings
from gateway.config.secrets import credential
from gateway.errors import BrokerError, ConfigError, RetryableError
from gateway.publishing.broker import connection
from gateway.supervise import Availability, Backoff

log = logging.getLogger(__name__)

MOST_BYTES = 512 * 1024  # of an answer
ANSWER_S = 5.0
_OK = 200


class BridgeError(RetryableError):
    """A device that did not answer, or not what can be read."""


def parsed(body: bytes) -> Any:
    """JSON, or a text that is none; raises BridgeError for what is too deep or no text at all."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BridgeError("its answer is no text") from error
    try:
        return json.loads(text)
    except RecursionError as error:
        raise BridgeError("its answer is too deep") from error
    except ValueError:
        return text.strip()


def taken(values: Values, asked: Asked, document: Any, clock: Clock) -> None:
    """Every reading of one answer."""
    now = clock.now()
    for metric, reading in asked.readings.items():
        values.take(metric, picked(metric, reading, document, now))


async def ask_for_ever(device: DeviceSettings, values: Values, clock: Clock) -> None:
    """One HTTP device."""
    own, http = sheet(device.profile), BoundedHttp(tls_of(device), BridgeError, MOST_BYTES)
    availability = Availability(device.name)
    try:
        async for _ in every(clock, own.poll_s):
            try:
                for asked in asked_of(device):
                    taken(values, asked, await answer(http, device, asked.ask), clock)
                availability.back()
            except BridgeError as error:
                availability.lost(error)
    finally:
        await http.close()


async def answer(http: BoundedHttp, device: DeviceSettings, ask: str) -> Any:
    """What the device says to one request; raises BridgeError."""
    where = f"device {device.name!r}: token_file"
    try:
        token = (credential(f"device_{device.name}", device.token_file, where) or "").strip()
    except (
        ConfigError
    ) as error:  # a file that went away while it ran is this device's trouble alone
        raise BridgeError(str(error)) from error
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    scheme = "https" if device.tls else "http"
    url = f"{scheme}://{device.host}:{device.port}{ask}"
    try:
        async with asyncio.timeout(ANSWER_S):
            status, body = await http.ask("GET", url, query={}, headers=headers)
    except TimeoutError as error:
        raise BridgeError(f"{device.host}: no answer within {ANSWER_S:.0f} s") from error
    if status != _OK:
        raise BridgeError(f"{device.host}: it answers {status} to {ask}")
    return parsed(body)


async def listen_for_ever(
    devices: Sequence[tuple[DeviceSettings, Values]], broker: Mqtt, clock: Clock, name: str
) -> None:
    """All MQTT devices, over one connection."""
    wanted = [(asked, values) for d, values in devices for asked in asked_of(d)]

    def hear(topic: str, payload: bytes, retained: bool) -> None:
        for asked, values in wanted:
            if asked.ask != topic:
                continue
            readings = {
                m: r for m, r in asked.readings.items() if r.time_at or not retained
            }  # what was kept may be of last year: it counts where it says when it was measured
            try:
                taken(values, Asked(topic, readings), parsed(payload[:MOST_BYTES]), clock)
            except BridgeError as error:
                log.debug("%s: %s", topic, error)

    availability, backoff = Availability(f"the broker at {broker.host}"), Backoff(longest_s=30.0)
    while True:
        try:
            async with connection(broker, name, None, hear) as one:
                for topic in {asked.ask for asked, _ in wanted}:
                    if not await one.subscribe(topic):
                        log.warning("the broker does not let us hear %s", topic)
                availability.back()
                backoff.reset()
                await one.until_lost()
        except BrokerError as error:
            availability.lost(error)
        await clock.sleep(backoff.next())


def tls_of(device: DeviceSettings) -> ssl.SSLContext:
    """What its certificate is checked with."""
    return ssl.create_default_context(cafile=str(device.ca_file) if device.ca_file else None)
