"""Where the acts of brokers and their guests take place: a running publisher, and what must hold afterwards."""

from __future__ import annotations

import gc
import json
import logging
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.agent.command_handler import CommandHandler, SeenCommands
from gateway.clock import SimClock
from gateway.domain.intervals import iso
from gateway.publishing import topics
from gateway.publishing.commands import Command, CommandResult, done
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from tests.hostile.control import control_beside
from tests.hostile.five import BROKER, Property, Trial
from tests.publishing.conftest import Heard, delivered, listening
from tests.publishing.homes import NOON, snapshot
from tests.waiting import HANG_S

CMD = "energy/home/cmd"
MB = 1024 * 1024
MOST_MEMORY = 12 * MB  # while it happens, this test with its clients included
ANSWERS, MEASURED = f"{CMD}/battery/result", "energy/home/inverter/pv_power_w"
TRUE, STRANGE = (b"3001", b"3042"), b"999999"  # what we measure, and what somebody else says it is


@dataclass
class Home:
    """Does what it is told, and remembers."""

    done: list[Command] = field(default_factory=list)

    async def apply(self, command: Command) -> CommandResult:
        self.done.append(command)
        return done(command, None)


@dataclass
class Stage:
    """Where an act takes place."""

    port: int
    client: aiomqtt.Client
    home: Home
    answers: Heard  # to the command that protects the home
    seen: Heard  # of what is measured

    async def send(self, name: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        await self.client.publish(f"{CMD}/{name}", payload, qos, retain)


def command(value: Any, name: str, **changed: Any) -> bytes:
    return json.dumps(
        {"id": name, "ts": iso(NOON), "ttl_s": 60, "value": value, **changed}
    ).encode()


@asynccontextmanager
async def on_stage(port: int) -> AsyncIterator[Stage]:
    async with (
        aiomqtt.Client("127.0.0.1", port, timeout=HANG_S) as client,
        listening(port, ANSWERS) as answers,
        listening(port, MEASURED) as seen,
    ):
        yield Stage(port, client, Home(), answers, seen)


@pytest.fixture
def handler_of(tmp_path: Path) -> Callable[[Home], CommandHandler]:
    return lambda home: CommandHandler(
        home, SeenCommands(tmp_path / "commands.sqlite"), SimClock(NOON)
    )


async def is_as_usual(stage: Stage, publisher: Publisher, name: str) -> None:
    """Others hear the newest value, and a command that protects the home is carried out."""
    publisher.publish(topics.snapshot_messages(publisher.base, snapshot(42)))
    await delivered(publisher)
    await stage.seen.until(lambda h: b"3042" in h.of(MEASURED))
    await stage.send("battery", command("hold", name))
    mark = f'"{name}","status"'.encode()
    await stage.answers.until(lambda h: any(mark in b for b in h.of(ANSWERS)))
    good = next(b for b in stage.answers.json(ANSWERS) if b["id"] == name and "status" in b)
    assert good["status"] == "ok", good
    assert stage.home.done[-1].id == name


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    gc.collect()  # what a library forgot says so when it is collected
    counted = ("gateway", "asyncio", "mqtt", "aiomqtt")
    said = [(r.name, r.getMessage()) for r in caplog.records if r.name.startswith(counted)]
    # Of the libraries', which the strangers' clients in this process use too, the number counts.
    return [text if name.startswith("gateway") else name for name, text in said]


@asynccontextmanager
async def tried(
    stage: Stage,
    account: Journal,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[None]:
    """What is done inside is an act and its end, after which all is as usual: the five properties hold."""
    trial = Trial(BROKER)
    caplog.set_level(logging.INFO)
    async with control_beside() as control:
        caplog.clear()
        tracemalloc.start()
        try:
            yield
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        await control.ticks(2)
        trial.saw(Property.CONTROL, control.late())
    trial.saw(Property.BACK)
    trial.logged(lines(caplog))
    wrong = (v for v in stage.seen.of(MEASURED) if v not in (*TRUE, STRANGE, b""))
    trial.saw(Property.NUMBERS, wrong)
    trial.saw(Property.NUMBERS, [f"{peak} bytes"] if peak >= MOST_MEMORY else ())
    trial.saw(Property.MONEY, (e for e in account.entries() if e.kind != "note"))
    trial.judge()
