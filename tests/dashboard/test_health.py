"""The home's health: what happened is kept, how well devices answer is counted, and a person is told what to try."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agent.answered import Answered
from gateway.agent.errands import Errands
from gateway.agent.events import HomeEvents
from gateway.agent.told import told
from gateway.cli.status import _lines
from gateway.dashboard.health import ALARM_ELSE, FAULT_ELSE, health, remedy, todo
from gateway.dashboard.server import Dashboard
from gateway.dashboard.what_if_routes import options
from gateway.devices.proof import Gap, not_steered
from gateway.domain.control import Control
from gateway.domain.readings import DeviceState, Poll, Quality, Reading
from gateway.domain.sentences import other, sentence
from gateway.errors import ErrandError
from gateway.site.island import IslandWatch
from gateway.store.events import FILE, KEPT, MOST_BYTES, Event, EventLog
from tests.dashboard.homes import NOW, Source, view

HOME = """
[site]
name = "villa-rosa"
[[device]]
name = "meter"
profile = "sunspec-meter"
host = "192.168.77.21"
[mqtt]
host = "broker.villa-rosa.example"
[tariff]
import_price = { kind = "flat", per_kwh = "0.14" }
"""


def test_each_alarm_and_fault_has_its_own_advice() -> None:
    """Sentences as the rooms make them that raise them."""
    island = IslandWatch()
    island._island = True
    unproved = not_steered(
        "inverter", {Control.BATTERY_POWER: Gap("verify failed on Monday", True)}
    )
    alarms = [
        sentence("limit_not_kept", what="export", limit="5000", more="900", seconds="60"),
        island.alarm,
        replace(unproved.said, who="inverter"),
        sentence("feed_late.now_why", name="spot", why=other("no answer")),
        sentence("operator_limit", direction="import", name="eebus", limit="4200 W"),
        sentence("operator_silent", direction="import", name="eebus", limit="4200 W", why="x"),
    ]
    advice = [todo(alarm) for alarm in alarms if alarm is not None]
    assert len(set(advice)) == len(alarms)
    assert ALARM_ELSE not in advice
    assert todo(other("something new")) == ALARM_ELSE
    faults = [
        sentence("lost.unreachable", where="192.168.1.30:502"),
        sentence("lost.hangs_up", where="192.168.1.30:502"),
        sentence("lost.silent", where="192.168.1.30:502 unit 1", seconds="1"),
        sentence("lost.refused", where="unit 1", number="2", meaning="no such address"),
        sentence(
            "lost.not_neutral", why=sentence("lost.not_taken", register="40", now="1", word="0")
        ),
        sentence("lost.not_neutral", why=sentence("lost.anothers", "battery_power")),
    ]
    tried = [remedy(fault) for fault in faults]
    assert len(set(tried)) == len(faults)
    assert FAULT_ELSE not in tried
    assert remedy(None) == remedy(other("it smells")) == FAULT_ELSE
    assert remedy(sentence("lost.waits", why=faults[2], seconds="40")) == tried[2]


polls = st.lists(st.tuples(st.sampled_from(["meter", "inverter"]), st.booleans()), max_size=6)


@given(st.lists(st.tuples(st.floats(0, 1800), polls), max_size=30))
def test_the_last_hour_is_counted_and_nothing_older(
    reports: list[tuple[float, list[tuple[str, bool]]]],
) -> None:
    answered, at, told = Answered(), 0.0, []
    for later_s, heard in reports:
        at += later_s
        answered.hear([Poll(device, 0.1, good) for device, good in heard], at)
        told += [(int(at // 60), device, good) for device, good in heard]
    recent = [(device, good) for minute, device, good in told if minute > int(at // 60) - 60]
    for device, counts in answered.of_the_hour(at).items():
        mine = [good for name, good in recent if name == device]
        assert counts == (sum(mine), len(mine))


def test_what_changes_is_an_event_once() -> None:
    home = HomeEvents()
    there = DeviceState(
        "meter", True, {"grid_power_w": Reading("grid_power_w", 1.0, Quality.GOOD, NOW)}
    )
    lost = replace(there, online=False, fault=other("no answer within 1 s"))

    def look(device: DeviceState, up: bool, *alarms: str) -> list[tuple[str, str, str]]:
        return [
            (e.kind, e.what, e.text)
            for e in home.look("t", [device], {"Broker": up}, map(other, alarms))
        ]

    assert look(DeviceState("meter", False), False) == [], "nobody has been asked yet"
    assert look(there, True, "over by 900 W") == [
        ("back", "Broker", ""),
        ("alarm", "", "over by 900 W"),
    ]
    assert look(there, True, "over by 905 W") == [], "the same with other numbers"
    assert look(lost, False) == [
        ("lost", "meter", "no answer within 1 s"),
        ("lost", "Broker", ""),
        ("ended", "", "over by 905 W"),
    ]
    assert look(lost, False) == []
    assert look(replace(there, online=False, asleep=True), True) == [
        ("back", "meter", ""),
        ("back", "Broker", ""),
    ], "it sleeps in the dark"


def test_events_outlive_a_restart_and_stay_few(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.add(Event("2026-06-15T12:00:00Z", "lost", "meter", "no answer"))
    with (tmp_path / FILE).open("a") as file:
        file.write('{"time": 1}\n{"half')
    again = EventLog(tmp_path)
    assert [(e.kind, e.what) for e in again.recent] == [("lost", "meter")]
    for n in range(20_000):
        again.add(
            Event(f"2026-06-{n // 1000:02}T{n % 24:02}:00:00Z", "alarm", "", f"{n}" + "x" * 300)
        )
    assert len(again.recent) == KEPT
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2.1 * MOST_BYTES
    for n in range(10_000):  # in one hour
        again.add(Event("2026-07-01T00:00:00Z", "lost", "meter", f"{n}"))
    hour = [line for line in (tmp_path / FILE).read_text().splitlines() if "2026-07-01" in line]
    assert len(hour) <= 120


def test_a_lost_device_says_since_when_why_and_what_to_try() -> None:
    told = health(view(), can_report=False)
    [charger] = [d for d in told["devices"] if d["name"] == "charger"]
    assert charger["lost"]
    assert charger["seen"] == "2026-06-15T19:37:10Z"
    assert charger["fault"]["text"] == "192.168.1.30:502: cannot connect"
    assert "switched on" in charger["todo"]
    assert (charger["good"], charger["asked"]) == (120, 720)
    assert (charger["firmware"], charger["sheet"]) == ("P30 v 3.10.57", "keba-p30")


@pytest.mark.asyncio(loop_scope="module")
async def test_over_http(dashboard: Dashboard, source: Source) -> None:
    url = f"http://127.0.0.1:{dashboard.port}"
    async with aiohttp.ClientSession() as guest:
        async with guest.get(f"{url}/api/health") as reply:
            told = await reply.json()
            assert told["versions"]["gateway"] == "0.1.0"
            assert told["report"]
        async with guest.get(f"{url}/api/report.json") as reply:
            assert reply.headers["Content-Disposition"].startswith("attachment")
            assert await reply.json() == {"gateway": "0.1.0"}
        source.refuse = "something else is being worked out already"
        async with guest.get(f"{url}/api/report.json") as reply:
            assert reply.status == 503
            assert await reply.text() == source.refuse
        source.can_report = False
        async with guest.get(f"{url}/api/report.json") as reply:
            assert reply.status == 404


def test_status_says_why_a_device_is_lost() -> None:
    known = told(view())
    assert known is not None
    lines = list(_lines(known["live"] | {"bill": None}))
    assert "  charger: LOST, seen 14:37:10: 192.168.1.30:502: cannot connect" in lines
    assert "  meter: ok, seen 14:37:10" in lines


async def test_a_report_is_the_masked_dump_and_one_is_made_at_a_time(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n{HOME}')
    errands = Errands(config)
    making = asyncio.create_task(errands.run("dump"))
    await asyncio.sleep(0)
    with pytest.raises(ErrandError, match="already"):
        await errands.run("dump")
    text = (await making).decode()
    assert json.loads(text)["gateway"]
    for secret in ("villa-rosa", "192.168.77.21"):
        assert secret not in text
    with pytest.raises(ErrandError, match="no history of this home yet"):
        await errands.run("backtest", "--history", "--json", "-", "--last=7")
    with pytest.raises(ErrandError, match="no configuration file"):
        await Errands(None).run("dump")


@pytest.mark.parametrize(
    "asked",
    [
        [],
        {"days": 8},
        {"days": 14, "battery_kwh": "20; rm"},
        {"days": 14, "battery_kwh": 0.0},
        {"days": 14, "import_price": float("nan")},
        {"days": 14, "car_kwh": True},
        {"days": 14, "battery_kwh": 10**400},
    ],
)
def test_only_numbers_within_bounds_reach_a_command(asked: object) -> None:
    with pytest.raises(ValueError, match=r"is one of|is a number from"):
        options(asked)


def test_what_is_asked_becomes_options() -> None:
    assert options({"days": 7, "export_price": -0.02, "battery_kwh": None}) == (
        "--last=7",
        "--export-price=-0.020000",
    )
