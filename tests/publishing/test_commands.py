"""Commands: what is refused and why, what is done once, and the way over the broker."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agent.command_handler import CommandHandler, SeenCommands
from gateway.clock import SimClock
from gateway.domain.command_specs import COMMANDS
from gateway.domain.intervals import iso
from gateway.domain.sentences import other
from gateway.domain.setting_kinds import Number
from gateway.domain.user_settings import SETTINGS, UserSettings
from gateway.publishing.commands import (
    Command,
    CommandResult,
    done,
    failed,
    parse_command,
)
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from simulators.broker import BrokerHandle, find_mosquitto
from tests.publishing.conftest import Heard, connected, listening, mqtt, running
from tests.publishing.homes import NOON
from tests.waiting import HANG_S


def text(value: Any, **changed: Any) -> bytes:
    body = {"id": "c1", "ts": iso(NOON), "ttl_s": 60, "value": value, **changed}
    return json.dumps({k: v for k, v in body.items() if v is not ...}).encode()


def refusal(name: str, payload: bytes, **more: Any) -> CommandResult:
    result = parse_command(name, payload, more.pop("now", NOON), **more)
    assert isinstance(result, CommandResult), result
    return result


@pytest.mark.parametrize(
    ("name", "value", "changes"),
    [
        ("backup_reserve_pct", 35, {"backup_reserve_pct": 35.0}),
        ("backup_reserve_pct", 0, {"backup_reserve_pct": 0.0}),
        ("battery", "hold", {"battery": "hold"}),
        ("export_limit_w", 4200.5, {"export_limit_w": 4200.5}),
        ("export_limit_w", None, {"export_limit_w": None}),
        ("charge_now", True, {"charge_now": True}),
        ("charge_now", "off", {"charge_now": False}),
        ("trading", "ON", {"trading": True}),
        (
            "departure",
            {"time": "07:05", "energy_wh": 12000},
            {"departure_time": time(7, 5), "departure_energy_wh": 12000.0},
        ),
        ("departure", {"energy_wh": 9000}, {"departure_energy_wh": 9000.0}),
        ("price_floor", "0.035", {"price_floor": Decimal("0.035")}),
        ("price_floor", 0.1, {"price_floor": Decimal("0.1")}),
    ],
)
def test_taken(name: str, value: Any, changes: dict[str, Any]) -> None:
    assert parse_command(name, text(value), NOON) == Command("c1", name, changes, NOON)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backup_reserve_pct", 100.5),
        ("backup_reserve_pct", True),
        ("backup_reserve_pct", None),
        ("backup_reserve_pct", [20]),
        ("battery", "charge"),
        ("export_limit_w", -1),
        ("charge_now", 1),
        ("departure", {}),
        ("departure", {"time": "24:00"}),
        ("departure", {"time": "07:00", "kwh": 3}),
        ("price_floor", "-0.01"),
        ("price_floor", "abc"),
        ("price_floor", "0.0000001"),
        ("price_floor", "1e999999999"),
        ("export_limit_w", float("1e300")),
        ("departure", "07:00"),
    ],
)
def test_out_of_range_says_what_would_be_right(name: str, value: Any) -> None:
    result = refusal(name, text(value))
    assert (result.id, result.status, result.code) == ("c1", "rejected", "out_of_range")
    assert COMMANDS[name].allowed in str(result.message)


def test_refused() -> None:
    good = text(50)
    assert refusal("backup_reserve_pct", good, retained=True).code == "retained"
    assert refusal("backup_reserve_pct", good + b" " * 1000).code == "too_large"
    assert refusal("self_destruct", good).code == "unknown_command"
    assert "backup_reserve_pct" in str(refusal("self_destruct", good).message)
    for payload in (b"50", b"{", b"[]", b"\xff\xfe", text(50, id=...), text(50, extra=1)):
        assert refusal("backup_reserve_pct", payload).code == "malformed"
    for payload in (b"50", b"hold", b"[]"):  # as a person may try it by hand
        assert '"value": 30' in str(refusal("backup_reserve_pct", payload).message)
    assert refusal("backup_reserve_pct", text(50, id="a b")).id == "a b"
    late = refusal("backup_reserve_pct", good, now=NOON + timedelta(seconds=61))
    assert (late.status, late.code) == ("expired", "expired")
    early = refusal("backup_reserve_pct", good, now=NOON - timedelta(seconds=61))
    assert early.code == "future"
    assert refusal("backup_reserve_pct", text(50, ttl_s=7200)).code == "malformed"
    assert refusal("backup_reserve_pct", text(50, ts="2026-06-01T12:00:00")).code == "malformed"


@given(st.sampled_from([*COMMANDS, "x"]), st.binary(max_size=300) | st.text().map(str.encode))
def test_rubbish_is_refused_and_never_raises(name: str, payload: bytes) -> None:
    assert isinstance(parse_command(name, payload, NOON), CommandResult)


def test_a_command_without_a_time_only_where_time_is_nobody_else_s() -> None:
    """In the demo a day passes in minutes: no sender can know the home's time."""
    plain = b'{"id":"c1","value":35}'
    told = parse_command("backup_reserve_pct", plain, NOON)
    assert isinstance(told, CommandResult)
    assert str(told.message) == "ts: Field required"
    taken = parse_command("backup_reserve_pct", plain, NOON, untimed=True)
    assert isinstance(taken, Command)
    assert (taken.ts, dict(taken.changes)) == (NOON, {"backup_reserve_pct": 35})
    late = b'{"id":"c1","ts":"2020-01-01T00:00:00Z","value":35}'
    assert (
        getattr(parse_command("backup_reserve_pct", late, NOON, untimed=True), "status", "")
        == "expired"
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
)


@given(st.sampled_from(list(COMMANDS)), json_values)
def test_any_json_value_is_taken_in_range_or_refused(name: str, value: Any) -> None:
    result = parse_command(name, text(value), NOON)
    if not isinstance(result, Command):
        return
    for setting, taken in result.changes.items():
        kind = SETTINGS[setting].kind
        if isinstance(kind, Number) and taken is not None:
            assert kind.least <= taken <= kind.most
        assert kind.read(json.loads(json.dumps(kind.shown(taken)))) == taken


@dataclass
class Home:
    """A home that does what it is told, and remembers."""

    done: list[Command] = field(default_factory=list)
    broken: bool = False
    read_back: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.read_back.set()

    async def apply(self, command: Command) -> CommandResult:
        self.done.append(command)
        self.news.set()
        self.news = asyncio.Event()
        await self.read_back.wait()
        if self.broken:
            return failed(command, "device", other("inverter: does not answer"))
        return done(command, COMMANDS[command.name].shown(UserSettings().changed(command.changes)))


@pytest.fixture
def home() -> Home:
    return Home()


@pytest.fixture
def handler(home: Home, tmp_path: Path) -> CommandHandler:
    return CommandHandler(home, SeenCommands(tmp_path / "commands.sqlite"), SimClock(NOON))


async def test_one_id_is_done_once_even_over_a_restart(
    home: Home, handler: CommandHandler, tmp_path: Path
) -> None:
    first = await handler.handle("price_floor", text("0.05"))
    assert (first.status, first.applied) == ("ok", "0.05")
    again = await handler.handle("price_floor", text("0.05"))
    assert (again.id, again.status, again.applied) == ("c1", "ok", "0.05")
    reborn = CommandHandler(
        home, SeenCommands(tmp_path / "commands.sqlite"), SimClock(NOON + timedelta(seconds=5))
    )
    assert (await reborn.handle("price_floor", text("0.05"))).status == "ok"
    assert len(home.done) == 1
    assert (await reborn.handle("price_floor", text("0.05", id="c2"))).status == "ok"
    assert len(home.done) == 2


async def test_an_interrupted_command_is_not_done_twice(home: Home, tmp_path: Path) -> None:
    seen = SeenCommands(tmp_path / "commands.sqlite")
    assert seen.begin("c1", NOON) is None  # and then the power went
    seen.close()
    handler = CommandHandler(home, SeenCommands(tmp_path / "commands.sqlite"), SimClock(NOON))
    result = await handler.handle("trading", text(False))
    assert (result.status, result.code) == ("error", "interrupted")
    assert home.done == []


async def test_ids_are_forgotten_after_a_day(tmp_path: Path) -> None:
    seen = SeenCommands(tmp_path / "commands.sqlite")
    assert seen.begin("c1", NOON) is None
    assert seen.begin("c1", NOON + timedelta(hours=23)) is not None
    assert seen.begin("c1", NOON + timedelta(hours=25)) is None


async def test_over_the_broker(
    home: Home, handler: CommandHandler, broker: BrokerHandle, journal: Journal
) -> None:
    place = "energy/home/cmd"

    def answers(heard: Heard, name: str, count: int) -> bool:
        return len(heard.of(f"{place}/{name}/result")) >= count

    async with aiomqtt.Client("127.0.0.1", broker.port, timeout=HANG_S) as sender:
        # A retained command from before our time, and one that comes while we are there.
        await sender.publish(f"{place}/battery", text("hold"), 1, True)
        publisher = Publisher(mqtt(broker.port), "home", journal, handler=handler)
        async with listening(broker.port, f"{place}/+/result") as heard, running(publisher):
            await heard.until(lambda h: answers(h, "battery", 1))
            assert heard.json(f"{place}/battery/result")[0]["code"] == "retained"
            await sender.publish(f"{place}/battery", b"", 1, True)
            await sender.publish(f"{place}/backup_reserve_pct", text(42), 1)
            await sender.publish(f"{place}/backup_reserve_pct", text(42), 1)
            await sender.publish(f"{place}/backup_reserve_pct", text(142, id="c2"), 1)
            await heard.until(lambda h: answers(h, "backup_reserve_pct", 3))
            home.broken = True
            await sender.publish(f"{place}/charge_now", text(True, id="c3"), 1)
            await heard.until(lambda h: answers(h, "charge_now", 1))
            ok, same, bad = heard.json(f"{place}/backup_reserve_pct/result")
            assert ok == same
            assert ok == {"id": "c1", "status": "ok", "code": "", "message": "", "applied": 42.0}
            assert (bad["id"], bad["code"]) == ("c2", "out_of_range")
            broken = heard.json(f"{place}/charge_now/result")[0]
            assert (broken["status"], broken["message"]) == ("error", "inverter: does not answer")
            assert [c.name for c in home.done] == ["backup_reserve_pct", "charge_now"]
            assert len(heard.of(f"{place}/battery/result")) == 1  # clearing it is no command
            assert not any(retained for _, _, retained in heard.messages)


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
async def test_with_mqtt_5_a_retained_command_is_refused_also_while_we_listen(
    home: Home, handler: CommandHandler, broker: BrokerHandle, journal: Journal
) -> None:
    """3.1.1 does not say of a live message that it is retained: there it is done once, as docs/mqtt.md says."""
    place = "energy/home/cmd/battery"
    for protocol, code in (("5", "retained"), ("3.1.1", "")):
        publisher = Publisher(
            mqtt(broker.port, protocol=protocol), "home", journal, handler=handler
        )
        async with (
            aiomqtt.Client("127.0.0.1", broker.port, timeout=HANG_S) as sender,
            listening(broker.port, f"{place}/result") as heard,
            running(publisher),
        ):
            await connected(publisher)
            await sender.publish(place, text("hold", id=f"live-{protocol}"), 1, True)
            await heard.until(lambda h: bool(h.messages))
            assert heard.json(f"{place}/result")[0]["code"] == code
            await sender.publish(place, b"", 1, True)
    assert [command.id for command in home.done] == ["live-3.1.1"]


async def test_a_burst_is_answered_or_refused_and_a_limit_does_not_wait(
    home: Home, handler: CommandHandler, broker: BrokerHandle, journal: Journal
) -> None:
    """2,000 commands at once whose read-back does not come: the hold among them is applied all the same."""
    home.read_back.clear()
    place = "energy/home/cmd"
    publisher = Publisher(mqtt(broker.port), "home", journal, handler=handler)
    async with (
        aiomqtt.Client("127.0.0.1", broker.port, timeout=HANG_S) as sender,
        listening(broker.port, f"{place}/+/result") as heard,
        running(publisher),
    ):
        await connected(publisher)
        for n in range(2000):
            await sender.publish(f"{place}/trading", text(True, id=f"b{n}"), 1)
        await sender.publish(f"{place}/battery", text("hold", id="safe"), 1)
        await heard.until(lambda h: len(h.messages) >= 1970)
        while home.done[-1].id != "safe":
            await home.news.wait()
        assert len(home.done) == 31
        assert {body["code"] for body in heard.json(f"{place}/trading/result")} == {"busy"}
        home.read_back.set()
        await heard.until(lambda h: len(h.messages) >= 2001)
        answered = [body["id"] for body in heard.json(f"{place}/trading/result")]
        assert sorted(answered) == sorted(f"b{n}" for n in range(2000))
        assert heard.json(f"{place}/battery/result")[0]["status"] == "ok"


async def test_a_refusal_is_an_event_for_people(
    home: Home, handler: CommandHandler, broker: BrokerHandle, journal: Journal
) -> None:
    home.broken = True
    publisher = Publisher(mqtt(broker.port), "home", journal, handler=handler)
    async with (
        aiomqtt.Client("127.0.0.1", broker.port, timeout=HANG_S) as sender,
        listening(broker.port, "energy/home/event") as heard,
        running(publisher),
    ):
        await connected(publisher)
        await sender.publish("energy/home/cmd/battery", b"no json", 1)
        await sender.publish("energy/home/cmd/battery", text("hold", id="c7"), 1)
        await heard.until(lambda h: len(h.messages) == 1)
    assert heard.json("energy/home/event") == [
        {
            "event_type": "command_refused",
            "command": "battery",
            "code": "device",
            "message": "inverter: does not answer",
        }
    ]
    assert not heard.messages[0][2], "it is over, and not retained"


async def test_sent_twice_while_it_waits_is_done_once_and_answered_twice(
    home: Home, handler: CommandHandler
) -> None:
    home.read_back.clear()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(handler.handle("price_floor", text("0.05")))
        second = group.create_task(handler.handle("price_floor", text("0.05")))
        while not home.done:
            await asyncio.sleep(0)
        home.read_back.set()
    assert first.result() == second.result()
    assert first.result().status == "ok"
    assert len(home.done) == 1


async def test_the_page_says_nothing_in_the_operators_name(
    home: Home, handler: CommandHandler
) -> None:
    """Whoever sits at the page may not lift what the grid operator limits."""
    result = await handler.handle("operator_import_limit", text(None), source="page")
    assert (result.status, result.code) == ("rejected", "unknown_command")
    assert home.done == []


@pytest.mark.parametrize(
    "wrong", [0, "4200", {}, {"limit_w": -1}, {"limit_w": 4200, "duration_s": 0}, {"limit": 4200}]
)
async def test_what_is_no_limit_is_refused(
    home: Home, handler: CommandHandler, wrong: object
) -> None:
    result = await handler.handle("operator_import_limit", text(wrong))
    assert (result.status, result.code) == ("rejected", "out_of_range")
    assert "limit_w" in str(result.message)
    assert home.done == []
