"""A broker and its guests who mean harm: the home is published, and commands of others are carried out.

Each act is done to a running publisher, or stands at the broker before it starts. Afterwards another
client hears the home's newest value, a command is answered, and the log has at most five lines more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import aiomqtt
import pytest

from gateway.agent.command_handler import CommandHandler
from gateway.domain.intervals import iso
from gateway.publishing import topics
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from simulators.broker import BrokerHandle
from tests.hostile.broker_stage import (  # noqa: F401 - a fixture
    CMD,
    MB,
    MEASURED,
    STRANGE,
    Home,
    Stage,
    command,
    handler_of,
    is_as_usual,
    on_stage,
    tried,
)
from tests.hostile.mqtt_stream import publish_large
from tests.publishing.conftest import (  # noqa: F401 - fixtures
    Heard,
    broker,
    connected,
    delivered,
    journal,
    mqtt,
    patience,
    running,
)
from tests.publishing.homes import NOON, snapshot
from tests.waiting import HANG_S


async def large(stage: Stage) -> None:
    await publish_large(stage.port, f"{CMD}/battery", 64 * MB)


async def large_and_retained(stage: Stage) -> None:
    await publish_large(stage.port, f"{CMD}/battery", 64 * MB, retain=True)


async def large_beside_the_commands(stage: Stage) -> None:
    await publish_large(stage.port, "energy/home/status/x", 64 * MB, retain=True)


async def many_large(stage: Stage) -> None:
    for n in range(30):  # more than a broker lets stand unacknowledged
        await publish_large(stage.port, f"{CMD}/x{n}", 200_000)


async def many_topics_below_ours(stage: Stage) -> None:
    for n in range(3000):
        await stage.client.publish(f"energy/home/junk/{n}", b"x" * 500, 0, True)


async def many_retained_commands(stage: Stage) -> None:
    for n in range(1000):
        await stage.send(f"x{n}", command(True, f"r{n}"), 0, retain=True)
    await stage.send("last", b"{}", 1, retain=True)


async def burst(stage: Stage) -> None:
    for n in range(2000):
        await stage.send("trading", command(True, f"b{n}"), 0)


async def burst_of_one_id(stage: Stage) -> None:
    for _ in range(1000):
        await stage.send("trading", command(True, "same"), 0)


async def nested(stage: Stage) -> None:
    for payload in (b"[" * 1024, b'{"id":"n","value":' + b"[" * 900, b'{"a":' * 200):
        await stage.send("trading", payload)


async def numbers(stage: Stage) -> None:
    for value in ("1e400", "-1e400", "9" * 900, "NaN", "Infinity", "1e-999999999", "0" * 900):
        for name in ("backup_reserve_pct", "price_floor", "export_limit_w", "departure"):
            text = f'{{"id":"n{len(value)}","ts":"{iso(NOON)}","value":{value}}}'
            await stage.send(name, text.encode())
            await stage.send(name, command(value, f"t{len(value)}")[:1024])


async def texts(stage: Stage) -> None:
    for payload in (
        b"\xff\xfe\x00",
        b'{"id":"\\ud800","value":1}',
        command("\x1b[2J\n<script>", "esc"),
        command("a\u202eb\u2028", "bidi"),
        b"\x00" * 1024,
        b"null",
        b'"\\ud83d"',
    ):
        await stage.send("battery", payload)


async def names(stage: Stage) -> None:
    """What a broker refuses of these ends the sender's connection, not ours."""
    for name in ("\x1b[31mred", "a\tb", "\u202eevil", "x" * 60_000, "result", " "):
        with suppress(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", stage.port) as sender:
                await sender.publish(f"{CMD}/{name}", command(1, "n"), 0)


async def times(stage: Stage) -> None:
    for ts in (
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "1e99",
        10**30,
        "2026-06-01T12:00:00+23:59",
    ):
        for ttl_s in (60, 1e308, -1, 3600):
            await stage.send("trading", command(True, "t", ts=ts, ttl_s=ttl_s))


async def births(stage: Stage) -> None:
    for _ in range(500):
        await stage.client.publish("homeassistant/status", b"online", 0)


async def large_birth(stage: Stage) -> None:
    await publish_large(stage.port, "homeassistant/status", 64 * MB, retain=True)


async def forged_answers(stage: Stage) -> None:
    for n in range(500):
        await stage.send("battery/result", command("ok", f"f{n}"), 0)


async def a_thief_of_our_name(stage: Stage) -> None:
    for _ in range(30):
        async with aiomqtt.Client("127.0.0.1", stage.port, identifier="energy-gateway-home"):
            await asyncio.sleep(0)


async def discoveries_of_strangers(stage: Stage) -> None:
    """Devices that claim to be ours, and ours that are overwritten or cleared."""
    for name in ("evil", "inverter", "gateway", "inverter_meter", "x" * 200):
        topic = f"homeassistant/device/energy_gateway_home_{name}/config"
        await stage.client.publish(topic, b'{"command_topic": "x"}' * 50, 1, True)
        await stage.client.publish(topic, b"", 1, True)


async def states_of_strangers(stage: Stage) -> None:
    """Our own topics, said by somebody else: retained lies, and an availability that flaps."""
    for n in range(100):
        await stage.client.publish(MEASURED, STRANGE, 0, True)
        await stage.client.publish(
            "energy/home/status", b"offline" if n % 2 else b"online", 0, True
        )


async def half_sessions(stage: Stage) -> None:
    """Connections that say hello and no more, or nonsense, beside ours."""
    for hello in (
        b"\x10\xff\xff\xff\x7f",
        b"\x10\x00",
        b"\x30\x05\x00\x03a/b",
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        for _ in range(10):
            _, writer = await asyncio.open_connection("127.0.0.1", stage.port)
            writer.write(hello)
            with suppress(ConnectionError):
                await writer.drain()
            writer.close()


Act = Callable[[Stage], Awaitable[None]]
WHILE_WE_RUN: list[Act] = [
    large, large_and_retained, large_beside_the_commands, many_large, many_topics_below_ours,
    many_retained_commands, burst, burst_of_one_id, nested, numbers, texts, names, times, births,
    large_birth, forged_answers, a_thief_of_our_name,
    discoveries_of_strangers, states_of_strangers, half_sessions,
]  # fmt: skip
BEFORE_WE_START: list[Act] = [
    large_and_retained, large_beside_the_commands, large_birth, many_topics_below_ours,
    many_retained_commands,
]  # fmt: skip


@pytest.mark.parametrize("act", WHILE_WE_RUN, ids=lambda act: act.__name__)
async def test_while_we_run(
    act: Act,
    broker: BrokerHandle,  # noqa: F811
    journal: Journal,  # noqa: F811
    tmp_path: Path,
    handler_of: Callable[[Home], CommandHandler],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with on_stage(broker.port) as stage:
        publisher = Publisher(
            mqtt(broker.port), "home", journal, ["inverter"], handler_of(stage.home), tmp_path / "t"
        )
        async with running(publisher):
            await connected(publisher)
            publisher.publish(topics.snapshot_messages(publisher.base, snapshot(1)))
            await delivered(publisher)
            async with tried(stage, journal, caplog):
                await act(stage)
                await is_as_usual(stage, publisher, "good")


@pytest.mark.parametrize("act", BEFORE_WE_START, ids=lambda act: act.__name__)
async def test_before_we_start(
    act: Act,
    broker: BrokerHandle,  # noqa: F811
    journal: Journal,  # noqa: F811
    tmp_path: Path,
    handler_of: Callable[[Home], CommandHandler],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port, timeout=HANG_S) as client:
        await act(Stage(broker.port, client, Home(), Heard(), Heard()))
    for start in range(2):  # every start meets it
        async with on_stage(broker.port) as stage:
            handler = handler_of(stage.home)
            publisher = Publisher(
                mqtt(broker.port), "home", journal, ["inverter"], handler, tmp_path / "t"
            )
            async with tried(stage, journal, caplog), running(publisher):
                await connected(publisher)
                await is_as_usual(stage, publisher, f"start{start}")
