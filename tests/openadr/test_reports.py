"""What a programme is told: the reports that its events ask for, once each, however its server feels."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain.intervals import QUARTER
from tests.openadr.homes import (
    AT_NOON,
    NOON,
    Home,
    at_home,
    dispatch,
    meter,
    opened,
    past_days,
)
from tests.openadr.vtn import event


def test_the_reports_that_an_event_asks_for(tmp_path: Path) -> None:
    """Usage, demand and baseline of each interval, net at the meter; once, and again after no restart."""
    wanted = [{"payloadType": k} for k in ("USAGE", "DEMAND", "BASELINE", "OPERATING_STATE")]

    async def play(home: Home) -> None:
        past_days(home, -200)
        home.vtn.events = [dispatch([-4, 0], reportDescriptors=wanted)]
        await home.look()
        for n, net_wh in enumerate((1_000, 800, 0, -100)):
            meter(home, NOON + n * QUARTER, net_wh)
        await home.look(59)
        assert home.vtn.reports == [], "the last interval is not over"
        home.vtn.fault = (503, b"")
        await home.look(2)
        home.vtn.fault = None
        await home.look(1)
        (report,) = home.vtn.reports
        assert (report["eventID"], report["clientName"]) == ("called", "home")
        (resource,) = report["resources"]
        told = [{p["type"]: p["values"] for p in i["payloads"]} for i in resource["intervals"]]
        assert told == [
            {"USAGE": [-1.8], "DEMAND": [-3.6], "BASELINE": [0.4]},
            {"USAGE": [0.1], "DEMAND": [0.2], "BASELINE": [0.4]},
        ]
        assert {d["payloadType"]: d.get("units") for d in report["payloadDescriptors"]}[
            "DEMAND"
        ] == "KW"
        home.journal.close()
        again = opened(home.vtn, home.clock, tmp_path)
        await again.look(1)
        await again.close()
        assert len(home.vtn.reports) == 1

    at_home(tmp_path, play)


USAGE = [{"payloadType": "USAGE", "numIntervals": 1}]


def usage_wanted(home: Home, quarters: int) -> None:
    """An event that wants a report of each of its quarter-hours, and what the meter counted in them."""
    home.vtn.events = [
        event("told", "GHG", [0] * quarters, AT_NOON, "PT15M", reportDescriptors=USAGE)
    ]
    for n in range(quarters):
        meter(home, NOON + n * QUARTER, -100 - n)


def told_wh(home: Home) -> list[int]:
    """What each report said, in the order in which they came."""
    resources = [report["resources"][0] for report in home.vtn.reports]
    return [round(1000 * r["intervals"][0]["payloads"][0]["values"][0]) for r in resources]


@pytest.mark.parametrize("fault", [(503, b""), (429, b""), (0, b"")])
def test_a_report_that_the_server_cannot_take_now_is_sent_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: tuple[int, bytes]
) -> None:
    """It answers all else meanwhile. The newest comes first, each once, and people read of it once."""

    async def play(home: Home) -> None:
        usage_wanted(home, 3)
        home.vtn.report_fault = fault
        for _ in range(3):
            await home.look(15)
        assert home.vtn.reports == []
        home.vtn.report_fault = None
        await home.look(1)
        await home.look(1)
        assert sorted(told_wh(home)) == [100, 101, 102]
        assert told_wh(home)[0] == 102, "what was tried least, and of those the newest"

    at_home(tmp_path, play)
    assert caplog.text.count("what takes the programme's reports is lost") == 1


def test_one_report_that_the_server_chokes_on_holds_no_other_back(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        usage_wanted(home, 3)
        home.vtn.report_fault = (500, b"")
        await home.look(46)
        home.vtn.report_fault = None
        home.vtn.chokes_on = "2026-06-01T12:30:00Z"
        for _ in range(3):
            await home.look(1)
        assert sorted(told_wh(home)) == [100, 101]

    at_home(tmp_path, play)


def test_a_report_waits_two_days_at_most(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        usage_wanted(home, 1)
        home.vtn.report_fault = (503, b"")
        await home.look(16)
        await home.look(60 * 47)
        assert home.vtn.asked.count("POST /reports") == 2
        home.vtn.report_fault = None
        await home.look(60 * 2)
        assert home.vtn.reports == [], "nobody wants it any more"

    at_home(tmp_path, play)


def test_a_report_that_is_refused_is_not_sent_again(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        usage_wanted(home, 1)
        home.vtn.report_fault = (400, b'{"title": "no such kind"}')
        await home.look(16)
        home.vtn.report_fault = None
        await home.look(1)
        assert (home.vtn.asked.count("POST /reports"), home.vtn.reports) == (1, [])

    at_home(tmp_path, play)
