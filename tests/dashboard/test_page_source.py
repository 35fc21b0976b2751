"""The service's picture for the page, and a command of the page that goes the way of every command."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.agent.command_handler import CommandHandler, SeenCommands
from gateway.agent.errands import Errands
from gateway.agent.health import HomeHealth
from gateway.agent.page_source import PageSource
from gateway.agent.state import GatewayState, HomeRules, StateKeeper
from gateway.agent.steering import HomeSteering
from gateway.agent.user_settings import SettingsKeeper, configured
from gateway.agent.why import DecisionRecord
from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.dashboard.day import day as day_of
from gateway.dashboard.live import live as live_of
from gateway.dashboard.view import absent
from gateway.domain.control import Setpoints
from gateway.domain.intervals import iso, quarter_of
from gateway.domain.plan import OfferCurve, OfferStep
from gateway.domain.price import PriceSource
from gateway.domain.readings import DeviceState, Snapshot
from gateway.domain.sentences import other
from gateway.domain.trade import Side, Tender
from gateway.ipc.messages import GuardReport
from gateway.publishing.mqtt import Publisher
from gateway.store.book import TenderState
from gateway.store.decisions import DecisionStore
from gateway.store.events import EventLog
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore
from tests.dashboard.homes import NOW, snapshot, view


@dataclass
class Bench:
    """The state as the loops would write it, and the page's source over it."""

    keeper: StateKeeper
    user: SettingsKeeper
    source: PageSource
    ticks: int = 0

    def __post_init__(self) -> None:
        self.write_report, self.write_plan = (
            self.keeper.writer("report"),
            self.keeper.writer("plan"),
        )

    def report(self, seen: Snapshot) -> None:
        self.ticks += 1
        standing = self.keeper.state.user.standing()
        self.write_report(GuardReport(self.ticks, seen, Setpoints(), standing, order_holds=True))


def make(folder: Path, **more: object) -> Bench:
    settings = Settings.model_validate(
        {
            "site": {"time_zone": "America/Chicago"},
            "device": [{"name": "inverter", "host": "127.0.0.1"}],
            "battery": {"capacity_wh": 13_500, "max_charge_w": 5000, "max_discharge_w": 5000},
            **more,
        }
    )
    clock, journal = SimClock(NOW), Journal(folder / "journal.sqlite")
    keeper = StateKeeper(GatewayState(HomeRules.of(settings), configured(settings)))
    user, history = (
        SettingsKeeper(keeper, SettingsStore(folder / "settings.sqlite")),
        History(folder / "history.sqlite"),
    )
    steering = HomeSteering(keeper, user, journal, clock, lambda: None)
    handler = CommandHandler(steering, SeenCommands(folder / "commands.sqlite"), clock)
    publisher = Publisher(settings.mqtt, "home", journal)
    health = HomeHealth(keeper, publisher, EventLog(folder), clock)
    past = history, DecisionRecord(DecisionStore(folder / "decisions.sqlite"))
    return Bench(
        keeper, user, PageSource(keeper, journal, past, health, (handler, Errands(None)), clock)
    )


async def test_the_picture_follows_the_ticks(tmp_path: Path) -> None:
    bench = make(tmp_path, market={"url": "http://127.0.0.1:1"})
    source = bench.source
    assert source.latest() is None
    bench.write_plan(view().plan)
    bench.report(snapshot())
    first = source.latest()
    assert first is not None
    assert source.latest() is first  # made once a tick
    assert first.offer is not None
    assert first.offer.interval.start > NOW
    live, day = live_of(first), day_of(first)
    json.dumps([live, day])
    assert [command["name"] for command in live["commands"]][-1] == "price_floor"
    assert live["power"]["pv_w"] == 5630
    assert live["prices"]["stored_value"] is not None
    assert live["links"] == {"Broker": False, "Exchange": False}
    bench.report(replace(snapshot(), pv_w=None))
    second = source.latest()
    assert second is not None
    assert live_of(second)["power"]["pv_w"] is None


async def test_without_an_exchange_no_market_is_drawn_and_an_unknown_price_is_none(
    tmp_path: Path,
) -> None:
    retailer = {
        "currency": "EUR",
        "import_price": {"kind": "published", "feed": "market"},
        "export_price": {"kind": "flat", "per_kwh": "0.08"},
    }
    feed = [{"name": "market", "provider": "awattar"}]
    bench = make(tmp_path, tariff=retailer, price_feed=feed)
    plan = view().plan
    assert plan is not None
    guessed = tuple(replace(c, import_source=PriceSource.YESTERDAY) for c in plan.schedule)
    bench.write_plan(
        replace(plan, schedule=guessed, assumed=(other("import price is not published"),))
    )
    bench.report(snapshot())
    seen = bench.source.latest()
    assert seen is not None
    live, day = live_of(seen), day_of(seen)
    assert live["prices"]["import"] is None
    assert live["prices"]["import_estimate"] == 0.14
    assert live["prices"]["export"] == 0.08
    assert live["prices"]["market"] is None
    assert "import price is not published" in [note["text"] for note in live["notes"]]
    assert live["bill"] is None, "nothing is metered yet"
    assert day["exchange"] is False
    assert set(day["plan"]["market_price_per_kwh"]) == {None}
    assert set(day["plan"]["import_price_per_kwh"]) == {None}
    assert set(day["plan"]["import_estimate_per_kwh"]) == {0.14}


async def test_a_command_of_the_page_is_checked_done_and_shown(tmp_path: Path) -> None:
    bench = make(tmp_path)
    source = bench.source
    bench.report(snapshot())
    now = source.latest()
    assert now is not None
    shown_names = {command["name"] for command in live_of(now)["commands"]}
    assert "charge_now" in shown_names
    assert "trading" not in shown_names  # there is no exchange
    body = {"id": "p1", "ts": iso(NOW), "ttl_s": 60, "value": 35}

    async def tick() -> None:
        while bench.keeper.state.user.backup_reserve_pct != 35:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
            bench.report(snapshot())

    async with asyncio.TaskGroup() as group:
        group.create_task(tick())
        answer = await source.command("backup_reserve_pct", json.dumps(body).encode())
    assert answer["status"] == "ok", answer
    shown = source.latest()
    assert shown is not None
    fields = {c["name"]: c["fields"][0]["value"] for c in live_of(shown)["commands"]}
    assert fields["backup_reserve_pct"] == 35
    refused = await source.command("backup_reserve_pct", json.dumps(body | {"id": "p2", "value": 200}).encode())  # fmt: skip
    assert refused["code"] == "out_of_range"


async def test_the_answer_comes_with_the_first_report_that_shows_it(tmp_path: Path) -> None:
    bench = make(tmp_path, market={"url": "http://127.0.0.1:1"})
    bench.report(replace(snapshot(), battery_w=-2400.0))
    body = {"id": "p1", "ts": iso(NOW), "value": "hold"}
    async with asyncio.TaskGroup() as group:
        asked = bench.source.command("battery", json.dumps(body).encode())
        held = group.create_task(asked)
        again: dict[str, Any] = {"id": "p2", "ts": iso(NOW), "value": False}
        answer = await bench.source.command("trading", json.dumps(again).encode())
        assert answer["status"] == "ok", "the guard has no part in it, and it waits for nobody"
        assert not held.done()
        old = bench.keeper.state.report
        assert old is not None
        bench.write_report(replace(old, tick=old.tick + 1, snapshot=snapshot()))
        await settled()
        assert not held.done(), "the guard still has the setting from before"
        bench.report(replace(snapshot(), battery_w=-2400.0))
        await settled()
        assert not held.done(), "the battery still moves"
        bench.report(replace(snapshot(), battery_w=30.0))
    assert held.result()["applied"] == {"battery": "hold", "battery_power_w": 30.0}


async def test_a_battery_that_goes_on_is_no_success(tmp_path: Path) -> None:
    bench = make(tmp_path)
    bench.report(snapshot())
    body = {"id": "p1", "ts": iso(NOW), "value": "hold"}
    async with asyncio.TaskGroup() as group:
        held = group.create_task(bench.source.command("battery", json.dumps(body).encode()))
        for _ in range(3):
            await settled()
            bench.report(replace(snapshot(), battery_w=-2400.0))
    assert (held.result()["code"], held.result()["status"]) == ("no_effect", "error")


async def settled() -> None:
    """Everything that can be done now is done."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("name", ["nonsense", "../etc"])
async def test_an_unknown_command_is_refused(tmp_path: Path, name: str) -> None:
    source = make(tmp_path).source
    assert (await source.command(name, b"{}"))["code"] == "unknown_command"


@pytest.mark.parametrize(
    ("more", "trading", "nets"),
    [({}, True, [500]), ({"buy": True}, True, [-300, 500]), ({"buy": True}, False, None)],
)
async def test_the_offer_is_what_is_really_tendered(
    tmp_path: Path, more: dict[str, bool], trading: bool, nets: list[int] | None
) -> None:
    bench = make(tmp_path, market={"url": "http://127.0.0.1:1", **more})
    source = bench.source
    plan = view().plan
    assert plan is not None
    steps = (OfferStep(20.0, -300), OfferStep(90.0, 500))
    offer = OfferCurve(quarter_of(NOW).next(), steps)
    bench.write_plan(replace(plan, offers=(offer,)))
    bench.user.change(bench.keeper.state.user.changed({"trading": trading}))
    bench.report(snapshot())
    shown = source.latest()
    assert shown is not None
    seen = None if shown.offer is None else [step.net_wh for step in shown.offer.steps]
    assert seen == nets


def test_a_part_is_absent_only_when_every_device_has_answered() -> None:
    seen = snapshot()
    assert absent(seen) == frozenset()
    meter = {"meter": seen.devices["meter"]}
    assert absent(replace(seen, devices=meter)) == {"pv_w", "battery_w", "charger_w"}
    silent = meter | {"inverter": DeviceState("inverter", online=False)}
    assert absent(replace(seen, devices=silent)) == frozenset()
    assert absent(None) == frozenset()


def test_a_tender_whose_gate_has_closed_is_not_open() -> None:
    interval = quarter_of(NOW).next()
    tender = Tender("t", interval, Side.SELL, 100, 5_000, interval.start - timedelta(minutes=5))
    resting = TenderState(tender, answered=True, accepted=True)

    def fate(when: datetime) -> str:
        rows = day_of(replace(view(), time=when, tenders=[resting]))["tenders"]
        return str(rows[0]["state"])

    assert fate(tender.expires - timedelta(seconds=1)) == "open"
    assert fate(tender.expires) == "not filled"


async def test_a_pause_of_trading_is_said_until_it_is_over(tmp_path: Path) -> None:
    bench = make(tmp_path)
    pause = bench.keeper.writer("paused_until")
    bench.report(snapshot())
    pause(NOW + timedelta(hours=1))
    assert bench.keeper.state.paused
    [said] = [a for a in bench.keeper.state.all_alarms if a.about == "trading_paused"]
    assert iso(NOW + timedelta(hours=1)) in said.text
    bench.report(replace(snapshot(), time=NOW + timedelta(hours=1)))
    assert not bench.keeper.state.paused
    assert bench.keeper.state.all_alarms == ()
