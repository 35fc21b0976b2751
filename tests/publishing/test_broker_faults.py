"""The broker dies, flaps, refuses, crawls: no ledger event is lost, order is kept, memory bounded."""

from __future__ import annotations

import logging
import random
import sqlite3
import tracemalloc
from pathlib import Path

import pytest

from gateway.publishing import topics
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from simulators.broker import BrokerHandle
from tests.publishing.conftest import START, Heard, connected, delivered, listening, mqtt, running
from tests.publishing.faults import proxy
from tests.publishing.homes import snapshot
from tests.waiting import eventually

LEDGER = "energy/home/ledger/event"


def in_order_without_loss(heard: Heard, count: int) -> int:
    """First arrivals are 1..count in order and every copy has its id; the number of copies."""
    events = heard.json(LEDGER)
    ids: dict[int, str] = {}
    first = []
    for event in events:
        if event["seq"] not in ids:
            first.append(event["seq"])
        assert ids.setdefault(event["seq"], event["id"]) == event["id"]
    assert first == list(range(1, count + 1))
    assert len(set(ids.values())) == count
    return len(events) - count


async def test_flapping_loses_nothing(broker: BrokerHandle, journal: Journal) -> None:
    rng = random.Random(7)
    async with proxy(broker.port) as between, listening(broker.port, "energy/home/#") as heard:
        publisher = Publisher(mqtt(between.port), "home", journal)
        # Every connection ends somewhere in its acknowledgements (4 bytes each).
        between.cut_after = lambda: rng.randrange(90, 300)
        async with running(publisher):
            for flap in range(5):
                await connected(publisher)
                losses = publisher.losses
                for n in range(60):
                    journal.append("note", {"flap": flap, "n": n}, START)
                publisher.publish(topics.snapshot_messages(publisher.base, snapshot(flap)))
                await publisher.flush()
                between.cut()
                await eventually(lambda losses=losses: publisher.losses > losses)  # type: ignore[misc]
            between.cut_after = lambda: None
            await heard.until(lambda h: any(e["seq"] == 300 for e in h.json(LEDGER)))
            await delivered(publisher)
        assert publisher.losses >= 5
        assert journal.unsent() == []
        copies = in_order_without_loss(heard, 300)
        assert copies > 0  # the cuts did hit acknowledgements


async def test_ten_minutes_away_do_not_grow_memory(
    broker: BrokerHandle, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with proxy(broker.port) as between:
        publisher = Publisher(mqtt(between.port), "home", journal)
        async with running(publisher):
            await connected(publisher)
            publisher.publish(topics.snapshot_messages(publisher.base, snapshot(0)))
            await delivered(publisher)
            between.refuse = True
            between.cut()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for step in range(1, 60 * 30):  # half an hour of ticks at 1 Hz
                publisher.publish(topics.snapshot_messages(publisher.base, snapshot(step)))
                if step % 10 == 0:
                    journal.append("note", {"step": step}, START)
                await publisher.flush()
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            assert grown < 1_000_000
            between.refuse = False
            async with listening(broker.port, "energy/home/#") as heard:
                await heard.until(lambda h: len(h.of(LEDGER)) >= 179)
                await delivered(publisher)
                assert in_order_without_loss(heard, 179) == 0
                assert heard.of("energy/home/inverter/pv_power_w")[-1] == b"3399"
    lines = [r.message for r in caplog.records if "MQTT broker" in r.message]
    assert len([line for line in lines if "is lost" in line]) == 1
    assert len([line for line in lines if "is back" in line]) == 1


async def test_a_slow_broker_slows_nobody(broker: BrokerHandle, journal: Journal) -> None:
    async with proxy(broker.port) as between:
        publisher = Publisher(mqtt(between.port), "home", journal)
        async with listening(broker.port, "energy/home/#") as heard, running(publisher):
            await connected(publisher)
            between.gate.clear()  # nothing passes any more
            for step in range(500):
                publisher.publish(topics.snapshot_messages(publisher.base, snapshot(step)))
                journal.append("note", {"step": step}, START)
            assert not await publisher.flush(timeout_s=0.05)
            assert len(publisher._dirty) < 50
            between.chunk = 64
            between.gate.set()
            await heard.until(lambda h: len(h.of(LEDGER)) >= 500)
            await delivered(publisher)
            assert in_order_without_loss(heard, 500) == 0
            assert heard.of("energy/home/inverter/pv_power_w")[-1] == b"3499"


async def test_what_could_not_be_marked_as_sent_is_sent_again_with_the_same_id(
    broker: BrokerHandle, journal: Journal, tmp_path: Path
) -> None:
    """The journal cannot note the broker's acknowledgement; then the gateway dies."""
    for n in range(150):
        journal.append("note", {"n": n}, START)
    journal._db.execute("PRAGMA busy_timeout = 0")
    blocker = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    async with listening(broker.port, LEDGER) as heard:
        async with running(Publisher(mqtt(broker.port), "home", journal)) as first:
            await connected(first)
            await delivered(first)
            await delivered(first)
            await heard.until(lambda h: len(h.messages) >= 100)
        assert len(heard.messages) == 100  # one window; it does not send blindly on
        blocker.execute("ROLLBACK")
        async with running(Publisher(mqtt(broker.port), "home", journal)) as second:
            await connected(second)
            await delivered(second)
            await heard.until(lambda h: len(h.messages) >= 250)
        assert in_order_without_loss(heard, 150) == 100
    assert journal.unsent() == []
