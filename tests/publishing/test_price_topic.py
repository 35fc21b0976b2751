"""Prices that another program publishes by MQTT: Home Assistant's own price sensor, by an automation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import aiomqtt
import pytest
from pydantic import ValidationError

from gateway.agent.feeds import Feeds
from gateway.clock import SimClock
from gateway.config.feeds import PriceFeed
from gateway.config.settings import Settings
from gateway.domain.intervals import iso
from gateway.errors import FeedError
from gateway.feeds.keeper import FeedPrices
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore
from simulators.broker import BrokerHandle
from tests.publishing.conftest import START, connected, mqtt, running
from tests.waiting import HANG_S

HOUR = timedelta(hours=1)
TABLE = {
    "name": "market", "provider": "json-rows", "topic": "home/prices", "currency": "EUR",
    "unit": "per_kwh", "start": "start", "end": "end", "price": "value",
}  # fmt: skip


def rows(first: float) -> bytes:
    """Three hours from now on, as a price sensor's attributes have them; the last is not published yet."""
    values: list[float | None] = [first, first + 0.1, None]
    return json.dumps(
        [
            {"start": iso(START + n * HOUR), "end": iso(START + (n + 1) * HOUR), "value": value}
            for n, value in enumerate(values)
        ]
    ).encode()


async def test_prices_by_a_topic(broker: BrokerHandle, journal: Journal, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "device": [{"name": "x", "host": "x"}],
            "tariff": {"currency": "EUR", "import_price": {"kind": "published", "feed": "market"}},
            "price_feed": [TABLE],
        }
    )
    store = SettingsStore(tmp_path / "settings.sqlite")
    publisher = Publisher(mqtt(broker.port), "home", journal)
    known: list[Mapping[str, FeedPrices]] = []
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def listen(topic: str, hear: object) -> None:
        def both(payload: bytes) -> None:
            hear(payload)  # type: ignore[operator]
            heard.put_nowait(payload)

        publisher.listen(topic, both)

    feeds = Feeds(settings, store, SimClock(START), known.append, listen)
    keeper = feeds._keepers["market"]
    with pytest.raises(FeedError, match="nothing was published on the topic home/prices yet"):
        await keeper.refresh(START)
    async with aiomqtt.Client("127.0.0.1", broker.port, timeout=HANG_S) as other:
        await other.publish("home/prices", rows(0.25), 1, retain=True)
        async with running(publisher):
            await connected(publisher)
            await asyncio.wait_for(heard.get(), HANG_S)
            await keeper.refresh(START)
            assert known[-1]["market"].prices[START] == Decimal("0.25")
            assert known[-1]["market"].prices[START + HOUR] == Decimal("0.35")
            assert START + 2 * HOUR not in known[-1]["market"].prices
            for nonsense in (b"unavailable", b"{}", b'[{"start": 1}]', b"[" * 5_000):
                await other.publish("home/prices", nonsense, 1)
                await asyncio.wait_for(heard.get(), HANG_S)
                with pytest.raises(FeedError):
                    await keeper.refresh(START)
            assert known[-1]["market"].prices[START] == Decimal("0.25"), "what was known holds"
    store.close()
    await feeds.close()


@pytest.mark.parametrize("more", [{"url": "http://a"}, {"provider": "csv-rows"}, {"topic": "a/#"}])
def test_a_topic_is_of_json_rows_alone(more: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        PriceFeed.model_validate(TABLE | more)
