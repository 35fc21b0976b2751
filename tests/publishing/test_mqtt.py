"""The publisher against a real broker."""

from __future__ import annotations

from pathlib import Path

import aiomqtt

from gateway.domain.readings import DeviceState
from gateway.publishing import topics
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from simulators.broker import BrokerHandle, start_broker
from tests.publishing.conftest import START, connected, delivered, listening, mqtt, running
from tests.publishing.homes import snapshot
from tests.waiting import HANG_S


async def test_a_home_is_seen_and_only_changes_are_sent(
    broker: BrokerHandle, journal: Journal
) -> None:
    publisher = Publisher(mqtt(broker.port), "home", journal, ["inverter"])
    async with listening(broker.port, "energy/home/#") as heard, running(publisher):
        await connected(publisher)
        publisher.publish(topics.snapshot_messages(publisher.base, snapshot(0)))
        await delivered(publisher)
        await heard.until(lambda h: bool(h.of("energy/home/status")))
        assert heard.of("energy/home/status") == [b"online"]
        assert heard.of("energy/home/site/state"), "before it says so"
        assert heard.of("energy/home/inverter/pv_power_w") == [b"3000"]
        assert heard.of("energy/home/inverter/inverter_state") == [b"running"]
        assert heard.json("energy/home/info")[0]["devices"] == ["inverter"]
        sent = publisher.sent
        publisher.publish(topics.snapshot_messages(publisher.base, snapshot(0)))
        await delivered(publisher)
        assert publisher.sent == sent
        publisher.publish(topics.snapshot_messages(publisher.base, snapshot(1)))
        await delivered(publisher)
        await heard.until(lambda h: len(h.of("energy/home/site/state")) == 2)
        assert heard.of("energy/home/inverter/pv_power_w") == [b"3000", b"3001"]
        assert heard.of("energy/home/charger/charger_power_w") == [b"0"]
    async with listening(broker.port, "energy/home/#") as late:
        await late.until(
            lambda h: bool(h.of("energy/home/site/state") and h.of("energy/home/status"))
        )
        assert late.of("energy/home/status") == [b"offline"]
        assert all(retained for _, _, retained in late.messages)


async def test_numbers_of_the_run_before_do_not_stand_as_if_they_were_new(
    broker: BrokerHandle, journal: Journal, tmp_path: Path
) -> None:
    memory = tmp_path / "topics.json"
    async with running(Publisher(mqtt(broker.port), "home", journal, memory=memory)) as first:
        await connected(first)
        first.publish(topics.snapshot_messages(first.base, snapshot(0)))
        await delivered(first)
    async with aiomqtt.Client("127.0.0.1", broker.port, timeout=HANG_S) as other:
        await other.publish("energy/home/cmd/trading", b"{}", 1, True)  # not ours to clear
        await other.publish("energy/other/meter/grid_power_w", b"5", 1, True)
    # Now the inverter does not answer and the charger is gone from the configuration.
    silent = DeviceState("inverter", online=False)
    async with running(Publisher(mqtt(broker.port), "home", journal, memory=memory)) as second:
        told_before = sorted(snapshot(0).devices["inverter"].readings)
        assert second.remembered("inverter") == told_before, (
            "of which null is told until it answers"
        )
        assert second.remembered("garage") == []
        second.publish(topics.device_messages(second.base, snapshot(7).devices["meter"]))
        second.publish(topics.device_messages(second.base, silent))
        await connected(second)
        await delivered(second)
        async with listening(broker.port, "energy/home/#") as early:
            await early.until(lambda h: bool(h.of("energy/home/status")))
            assert early.of("energy/home/status") == [b"offline"], (
                "not told whole: as it was before"
            )
        second.publish(topics.site_messages(second.base, snapshot(7)))
        await delivered(second)
        async with listening(broker.port, "energy/#") as late:
            await late.until(lambda h: bool(h.of("energy/other/meter/grid_power_w")))
            await late.until(lambda h: bool(h.of("energy/home/cmd/trading")))
            await late.until(lambda h: bool(h.of("energy/home/meter/state")))
            held = {topic for topic, payload, _ in late.messages if payload}
            assert late.of("energy/home/meter/grid_power_w") == [b"-807.5"]
            assert late.of("energy/home/inverter/availability") == [b"offline"]
            assert not any(t.startswith("energy/home/charger/") for t in held)
            assert {t for t in held if t.startswith("energy/home/inverter/")} == {
                "energy/home/inverter/state",
                "energy/home/inverter/availability",
            }
            assert late.of("energy/home/status") == [b"online"]


async def test_the_broker_says_offline_when_we_vanish(
    broker: BrokerHandle, journal: Journal
) -> None:
    publisher = Publisher(mqtt(broker.port), "home", journal)
    async with listening(broker.port, "energy/home/status") as heard, running(publisher):
        await connected(publisher)
        publisher.publish(topics.site_messages(publisher.base, snapshot(0)))
        # Another client with our identifier takes over: the broker drops us without a goodbye.
        thief = aiomqtt.Client("127.0.0.1", broker.port, identifier="energy-gateway-home")
        async with thief:
            await heard.until(lambda h: b"offline" in h.of("energy/home/status"))
        await heard.until(lambda h: h.of("energy/home/status")[-1] == b"online")
        assert publisher.losses >= 1


async def test_ledger_events_leave_the_outbox_in_order_once_acknowledged(
    broker: BrokerHandle, journal: Journal
) -> None:
    for n in range(105):
        journal.append("note", {"text": f"event {n}"}, START)
    publisher = Publisher(mqtt(broker.port), "home", journal)
    async with listening(broker.port, "energy/home/ledger/event") as heard, running(publisher):
        await connected(publisher)
        await delivered(publisher)
        assert journal.unsent() == []
        journal.append("note", {"text": "one more"}, START)
        await delivered(publisher)
        await heard.until(lambda h: len(h.messages) == 106)
        events = heard.json("energy/home/ledger/event")
        assert [event["seq"] for event in events] == list(range(1, 107))
        assert len({event["id"] for event in events}) == 106
        assert not any(retained for _, _, retained in heard.messages)


async def test_broker_away_keeps_the_latest_only_and_everything_returns(
    journal: Journal,
) -> None:
    broker = await start_broker()
    publisher = Publisher(mqtt(broker.port), "home", journal)
    async with running(publisher):
        await connected(publisher)
        publisher.publish(topics.snapshot_messages(publisher.base, snapshot(0)))
        await delivered(publisher)
        await broker.close()
        for step in range(1, 61):  # ten minutes at one tick in 10 s
            journal.append("note", {"step": step}, START)
            publisher.publish(topics.snapshot_messages(publisher.base, snapshot(step)))
            await publisher.flush()
        known = len({m.topic for m in topics.snapshot_messages(publisher.base, snapshot())})
        assert len(publisher._latest) <= known + 1
        broker = await start_broker(broker.port)
        async with listening(broker.port, "energy/home/#") as heard:
            await heard.until(lambda h: len(h.of("energy/home/ledger/event")) >= 60)
            await heard.until(lambda h: b"online" in h.of("energy/home/status"))
            assert set(heard.of("energy/home/inverter/pv_power_w")) == {b"3060"}
            assert set(heard.of("energy/home/charger/charger_state")) == {b"idle"}
            steps = [event["body"]["step"] for event in heard.json("energy/home/ledger/event")]
            assert steps == list(range(1, 61))
    await broker.close()


async def test_the_embedded_broker_serves_the_demo(journal: Journal) -> None:
    broker = await start_broker(prefer="amqtt")
    assert broker.kind == "amqtt"
    journal.append("note", {"text": "hello"}, START)
    publisher = Publisher(mqtt(broker.port), "home", journal)
    async with listening(broker.port, "energy/home/#") as heard, running(publisher):
        await connected(publisher)
        publisher.publish(topics.snapshot_messages(publisher.base, snapshot(3)))
        await delivered(publisher)
        await heard.until(lambda h: bool(h.of("energy/home/ledger/event")))
        await heard.until(lambda h: bool(h.of("energy/home/site/state")))
    await broker.close()


async def test_a_broker_that_listens_already_is_used(broker: BrokerHandle) -> None:
    second = await start_broker(broker.port)
    assert (second.kind, second.port) == ("existing", broker.port)
    await second.close()
    async with listening(broker.port):
        pass
