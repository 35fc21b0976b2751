"""A real broker, a real journal, and a subscriber that remembers what it saw."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.config.agent_settings import Mqtt
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from simulators.broker import BrokerHandle, start_broker
from tests.waiting import HANG_S

START = datetime(2026, 6, 1, 6, tzinfo=UTC)


@dataclass
class Heard:
    """What a subscriber received, in order."""

    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, topic: str, payload: bytes, retained: bool) -> None:
        self.messages.append((topic, payload, retained))
        self._news.set()

    def of(self, topic: str) -> list[bytes]:
        return [payload for name, payload, _ in self.messages if name == topic]

    def json(self, topic: str) -> list[Any]:
        return [json.loads(payload) for payload in self.of(topic)]

    async def until(self, ready: Callable[[Heard], bool]) -> None:
        """Wait for news until ``ready``."""
        async with asyncio.timeout(HANG_S):
            while not ready(self):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def listening(port: int, topic: str = "#", **options: Any) -> AsyncIterator[Heard]:
    heard = Heard()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            heard.add(str(message.topic), message.payload, message.retain)

    options = {"timeout": HANG_S, **options}
    async with aiomqtt.Client("127.0.0.1", port, **options) as client, asyncio.TaskGroup() as group:
        await client.subscribe(topic, qos=1)
        task = group.create_task(listen(client))
        yield heard
        task.cancel()


@asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[Publisher]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(publisher.run())
        try:
            yield publisher
            await publisher.close()
            async with asyncio.timeout(HANG_S):
                await task
        finally:
            task.cancel()


async def connected(publisher: Publisher) -> None:
    """Wait until the publisher has said online."""
    assert await publisher.wait_connected(HANG_S)


async def delivered(publisher: Publisher) -> None:
    """Wait until the broker has all that was handed over, over as many connections as it takes."""
    while not await publisher.flush(HANG_S):
        await connected(publisher)


def mqtt(port: int, **more: Any) -> Mqtt:
    return Mqtt.model_validate({"port": port, **more})


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that a busy machine keeps waiting is not a lost one; tests of lost ones say so."""
    monkeypatch.setattr("gateway.publishing.broker.ANSWER_S", HANG_S)


@pytest.fixture
async def broker() -> AsyncIterator[BrokerHandle]:
    handle = await start_broker()
    yield handle
    await handle.close()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite")
