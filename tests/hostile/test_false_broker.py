"""A broker that itself misbehaves: it says on the wire what no good one says, to a running publisher.

A proxy before an honest broker says it: `tests/hostile/broker_words.py`. It is said to the running connection and after
(or instead of) each new hello, until we have gone on in spite of it or have come back a few times. Then the broker is
honest again, and all must be as usual.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

from gateway.agent.command_handler import CommandHandler
from gateway.publishing import topics
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from gateway.supervise import Backoff
from simulators.broker import BrokerHandle
from tests.hostile.broker_stage import (  # noqa: F401 - a fixture
    Home,
    handler_of,
    is_as_usual,
    on_stage,
    tried,
)
from tests.hostile.broker_words import WORDS, Word
from tests.publishing.conftest import (  # noqa: F401 - fixtures
    broker,
    connected,
    delivered,
    journal,
    mqtt,
    patience,
    running,
)
from tests.publishing.faults import Proxy, proxy
from tests.publishing.homes import snapshot
from tests.waiting import HANG_S

TIMES = 2  # that we come back while it lasts; more where there is more to say


async def play(word: Word, between: Proxy, publisher: Publisher) -> None:
    """Say it until it is met often enough."""
    wanted = between.connections + max(TIMES, len(word.said))
    measured, said = cycle((42, 1)), cycle(word.said)

    def change(data: bytes) -> bytes:
        if data[:1] != b"\x20":
            return data
        return next(said) if word.instead else data + next(said)

    between.change = change
    if word.instead:
        between.cut()
    else:
        await between.say(word.parts())
    while between.connections < wanted:
        publisher.publish(topics.snapshot_messages(publisher.base, snapshot(next(measured))))
        if publisher.connected and await publisher.flush(HANG_S):
            break
        await asyncio.sleep(0.01)
    between.change = lambda data: data


async def renewed(between: Proxy, publisher: Publisher) -> None:
    """A new connection, whatever became of the one before."""
    between.cut()
    while publisher.connected:
        await asyncio.sleep(0)
    await connected(publisher)


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
async def test_a_broker_that_says(
    word: Word,
    broker: BrokerHandle,  # noqa: F811
    journal: Journal,  # noqa: F811
    tmp_path: Path,
    handler_of: Callable[[Home], CommandHandler],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.publishing.mqtt.Backoff", lambda **_: Backoff(0.02, 0.02))
    async with on_stage(broker.port) as stage, proxy(broker.port) as between:
        settings = mqtt(between.port, protocol=word.protocol)
        handler = handler_of(stage.home)
        publisher = Publisher(settings, "home", journal, ["inverter"], handler, tmp_path / "t")
        async with running(publisher):
            await connected(publisher)
            publisher.publish(topics.snapshot_messages(publisher.base, snapshot(1)))
            await delivered(publisher)
            with monkeypatch.context() as patch:
                if word.stalls or word.instead:
                    patch.setattr("gateway.publishing.broker.ANSWER_S", 0.5)
                    await renewed(between, publisher)
                async with tried(stage, journal, caplog):
                    await play(word, between, publisher)
                    patch.undo()
                    await renewed(between, publisher)
                    await is_as_usual(stage, publisher, "good")
