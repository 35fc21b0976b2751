"""The past by period: local days whatever the clock change, sums that add up, and the file it is read from."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dashboard.past import KINDS, Kind, Period, as_csv, past
from gateway.dashboard.server import Dashboard
from gateway.store.energies import Energies, begin, read_energies
from gateway.store.history import History
from tests.dashboard.homes import MIDNIGHT, snapshot

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(
    ["Europe/Berlin", "America/Chicago", "Asia/Kolkata", "Pacific/Auckland", "UTC"]
)
DAYS = st.dates(date(2001, 1, 1), date(2090, 1, 1))


@given(st.sampled_from(KINDS), DAYS, ZONES)
def test_periods_follow_each_other_without_a_gap(kind: Kind, day: date, zone: str) -> None:
    period = Period.around(kind, day, ZoneInfo(zone))
    assert period.first <= day < period.after
    assert period.before.end == period.start
    assert Period.around(kind, period.after, period.zone).start == period.end
    steps = [*period.steps(), period.end]
    assert steps[0] == period.start
    assert all(a < b for a, b in pairwise(steps))


@pytest.mark.parametrize(
    ("day", "quarters"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-06-01", 96)]
)
def test_the_day_of_a_clock_change_is_shorter_or_longer(day: str, quarters: int) -> None:
    period = Period.around("day", date.fromisoformat(day), BERLIN)
    assert len(list(period.steps())) == quarters


@given(st.sampled_from(KINDS), DAYS, ZONES)
def test_the_parts_add_up_to_the_sum(kind: Kind, day: date, zone: str) -> None:
    period = Period.around(kind, day, ZoneInfo(zone))
    parts = [Energies(pv_wh=7, load_wh=4, import_wh=1)] * len(list(period.steps()))
    shown = past(period, parts, [Energies()])
    assert sum(v or 0 for v in shown["pv_wh"]) == shown["total"]["pv_wh"]
    assert shown["total"]["self_sufficiency_pct"] == 75
    assert shown["total"]["charger_wh"] is None
    assert shown["before"]["pv_wh"] is None
    lines = as_csv(period, [Energies(pv_wh=7)] * len(parts)).splitlines()
    assert len(lines) == 1 + len(shown["time"])
    assert lines[1].endswith(",,,,,")  # what is not known is no 0


def _played(path: Path) -> History:
    """Two hours: the sun gives 3 kW, the house takes 1 kW, the battery 500 W, the grid the rest."""
    history = History(path)
    for n in range(2 * 60 * 6 + 1):
        time = MIDNIGHT + timedelta(seconds=10 * n)
        history.add(
            replace(
                snapshot(),
                time=time,
                pv_w=3000,
                load_w=1000,
                battery_w=-500,
                grid_w=-1500,
                charger_w=None,
            )
        )
    return history


def test_what_was_measured_is_there_by_the_quarter(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    _played(path).close()
    quarters = [MIDNIGHT + timedelta(minutes=15 * n) for n in range(9)]
    assert set(read_energies(path, quarters)) == {Energies(750, 250, 0, 375, 125, 0, None)}
    hours = [MIDNIGHT + timedelta(hours=n) for n in range(5)]
    whole = Energies(3000, 1000, 0, 1500, 500, 0, None)
    assert read_energies(path, hours[:3]) == [whole, whole]
    assert read_energies(path, hours[3:]) == [Energies()], "what was not seen is not known"


def test_a_home_that_has_a_past_already_sees_it(tmp_path: Path) -> None:
    """A file of the gateway before: minutes, and no energies."""
    path = tmp_path / "history.sqlite"
    history = _played(path)
    history.close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE energy")
        begin(db)
    (found,) = read_energies(path, [MIDNIGHT, MIDNIGHT + timedelta(hours=2)])
    assert found.export_wh == pytest.approx(3000)


def test_no_file_is_no_past(tmp_path: Path) -> None:
    bounds = [MIDNIGHT, MIDNIGHT + timedelta(days=1)]
    assert read_energies(tmp_path / "none.sqlite", bounds) == [Energies()]
    (tmp_path / "noise.sqlite").write_bytes(b"noise" * 1000)
    assert read_energies(tmp_path / "noise.sqlite", bounds) == [Energies()]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "query", ["period=decade", "day=today", "day=0001-01-01", "day=9999-12-31&period=year"]
)
async def test_a_period_that_is_none_is_said(dashboard: Dashboard, query: str) -> None:
    url = f"http://127.0.0.1:{dashboard.port}/api/past?{query}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 400
        assert "a date like 2026-06-01" in await answer.text()
