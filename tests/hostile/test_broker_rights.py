"""A broker whose access rules change under a running publisher: mosquitto reads another list (SIGHUP), and says nothing of it.

It acknowledges what it throws away and hands on no command. That must be said once, and all must be as usual when the rights are back:
what changed meanwhile is heard, and no row of the account is lost that was written when it was known.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.agent.command_handler import CommandHandler
from gateway.publishing import topics
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from simulators.broker import BrokerHandle, find_mosquitto, start_broker
from tests.hostile.broker_stage import (  # noqa: F401 - a fixture
    Home,
    handler_of,
    is_as_usual,
    on_stage,
    tried,
)
from tests.publishing.conftest import (  # noqa: F401 - fixtures
    connected,
    delivered,
    journal,
    listening,
    mqtt,
    patience,
    running,
)
from tests.publishing.homes import NOON, snapshot
from tests.waiting import HANG_S

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")

ALL = "topic readwrite #\nuser home\ntopic readwrite #\n"
RULES = {
    "nothing may be read": "topic readwrite #\nuser home\ntopic write #\n",
    "nothing may be written": "topic readwrite #\nuser home\ntopic read #\n",
    "only strange topics": "topic readwrite #\nuser home\ntopic readwrite strange/#\n",
    "commands may not be read": "topic readwrite #\nuser home\ntopic write energy/#\ntopic readwrite homeassistant/#\n",
    "an empty list": "",
}
LOST, BACK = "our right to publish and to hear is lost", "our right to publish and to hear is back"


class Broker:
    """A mosquitto with an access list that can be replaced."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "rules"
        self._write(ALL)

    async def start(self) -> BrokerHandle:
        self.handle = await start_broker(config=[f"acl_file {self._file}"])
        return self.handle

    def rules(self, text: str) -> None:
        self._write(text)
        assert self.handle.pid is not None
        os.kill(self.handle.pid, signal.SIGHUP)

    def _write(self, text: str) -> None:
        self._file.write_text(text)
        self._file.chmod(0o644)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.publishing.rights.EVERY_S", 0.02)
    monkeypatch.setattr("gateway.publishing.rights.ANSWER_S", 1.0)


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """mosquitto drops root's rights before it reads its list."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    return tmp_path


async def until(true: Callable[[], bool]) -> None:
    """A machine that keeps the broker waiting may lose and find the rights by itself: the state counts, not the line."""
    async with asyncio.timeout(HANG_S):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("taken", RULES)
async def test_rights_that_are_taken_away_and_given_back(
    taken: str,
    protocol: str,
    journal: Journal,  # noqa: F811
    open_folder: Path,
    handler_of: Callable[[Home], CommandHandler],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = Broker(open_folder)
    port = (await broker.start()).port
    settings = mqtt(port, username="home", protocol=protocol)
    async with on_stage(port) as stage, listening(port, "energy/home/ledger/event") as rows:
        handler = handler_of(stage.home)
        publisher = Publisher(settings, "home", journal, ["inverter"], handler, open_folder / "t")
        async with running(publisher):
            await connected(publisher)
            publisher.publish(topics.snapshot_messages(publisher.base, snapshot(1)))
            await delivered(publisher)
            await until(lambda: publisher._rights._heard_ever and publisher.heard)
            async with tried(stage, journal, caplog):
                broker.rules(RULES[taken])
                await until(lambda: not publisher.heard)
                journal.append("note", {"while": taken}, NOON)
                publisher.publish(topics.snapshot_messages(publisher.base, snapshot(42)))
                await publisher.flush(HANG_S)
                assert journal.unsent_count() == 1, "it would be thrown away"
                broker.rules(ALL)
                await until(lambda: publisher.heard)
                await stage.seen.until(lambda h: b"3042" in h.of("energy/home/inverter/pv_power_w"))
                await rows.until(lambda h: taken in str(h.of("energy/home/ledger/event")))
                await is_as_usual(stage, publisher, "good")
            assert publisher.losses == 0
    await broker.handle.close()


async def test_a_right_that_was_never_there_is_said_and_the_home_is_published(
    journal: Journal,  # noqa: F811
    open_folder: Path,
    handler_of: Callable[[Home], CommandHandler],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """mosquitto agrees to a subscription of which it will never hand on anything."""
    broker = Broker(open_folder)
    port = (await broker.start()).port
    broker.rules(RULES["commands may not be read"])
    async with on_stage(port) as stage:
        handler = handler_of(stage.home)
        settings = mqtt(port, username="home")
        publisher = Publisher(settings, "home", journal, ["inverter"], handler, open_folder / "t")
        async with tried(stage, journal, caplog), running(publisher):
            await connected(publisher)
            await until(lambda: LOST in caplog.text)
            journal.append("note", {"of": "now"}, NOON)
            await delivered(publisher)
            assert journal.unsent_count() == 0
            broker.rules(ALL)
            await until(lambda: BACK in caplog.text)
            await is_as_usual(stage, publisher, "good")
    await broker.handle.close()
