"""`energy-sim demo --market none`: a day with a retailer and nobody else, over real sockets."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import aiomqtt

from gateway.agent.billing import car_power_w
from gateway.bill.home import account, cents
from gateway.publishing.topics import HOME_SCALARS
from gateway.store.journal import Journal
from simulators.demo.bill import bill_report
from simulators.demo.options import Options
from simulators.demo.report import opening_state
from simulators.demo.world import World, run_world
from tests.waiting import HANG_S


async def test_a_day_with_a_retailer_only(tmp_path: Path) -> None:
    ended: list[bool] = []

    async def referee(world: World) -> None:
        await world.play(world.end, lambda _: None)
        opening = opening_state(world)
        agent = world.gateway.agent
        await _what_is_shown(world)
        await world.play(world.end + timedelta(minutes=5), lambda _: None)
        report = bill_report(world, opening)
        assert [c.name for c in report.checks if not c.kept] == []
        said = report.as_json(0.0)
        json.dumps(said)
        bill = {k: Decimal(v) for k, v in said["bill"].items() if isinstance(v, str) and "." in v}
        assert bill["total"] < bill["without_gateway"] < bill["without_battery"]
        found = account(
            agent.journal.book,
            agent.keeper.state.rules.tariff,
            agent.history.flows(world.start, world.end),
            agent.keeper.state.battery(),
            car_power_w(world.gateway.settings),
        )
        assert cents(found.of(world.start, world.end).total_money) == said["bill"]["total"]
        ended.append(True)

    await run_world(Options(exchange=False), tmp_path, referee)
    assert ended
    journal = Journal(tmp_path / "gateway" / "journal.sqlite", read_only=True)
    assert not [e for e in journal.entries() if e.kind in ("tender", "delivered", "settlement")]
    journal.close()


async def _what_is_shown(world: World) -> None:
    """Prices, values and the bill are at the broker; of an exchange there is nothing."""
    market: dict[str, bytes] = {}
    wanted = {*HOME_SCALARS, "state"}
    async with asyncio.timeout(HANG_S), aiomqtt.Client("127.0.0.1", world.broker_port) as client:
        await client.subscribe("energy/home/market/#")
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            market[message.topic.value.rsplit("/", 1)[1]] = message.payload
            if wanted <= set(market):
                break
    assert set(market) == wanted
    assert market["export_price_per_kwh"] == b"0.05"
    assert market["stored_value_per_kwh"] != b"null"
    assert market["bill_today"] != b"null"
    assert market["saved_today"] != b"null"
