"""The history keeps minutes and quarters, drops the old, and never fails those who measure."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.domain.intervals import quarter
from gateway.domain.plan import Observed
from gateway.errors import StorageError
from gateway.store.history import History
from gateway.store.minutes import Minute, Prices, write_csv
from tests.publishing.homes import NOON, snapshot

MINUTE = timedelta(minutes=1)


def test_minutes_are_means_of_what_was_known(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    for step in range(6 * 40):
        seen = snapshot(step)
        history.add(replace(seen, load_w=None) if step % 2 else seen, Prices(0.14, 0.03))
    before = history.minutes(NOON, NOON + 60 * MINUTE)
    assert len(before) == 39  # the running minute is not yet one
    assert before[0].pv_w == pytest.approx(3002.5)
    assert before[0].load_w == pytest.approx(1699.5 - 2)  # of steps 0, 2, 4: 3000+s -500-s -800.5-s
    assert before[0].import_price_per_kwh == 0.14
    assert before[0].stored_value_per_kwh is None
    history.close()
    again = History(tmp_path / "history.sqlite")
    assert again.minutes(NOON, NOON + 39 * MINUTE) == before
    assert len(again.minutes(NOON, NOON + 60 * MINUTE)) == 40
    assert again.minutes(NOON + 5 * MINUTE, NOON + 6 * MINUTE) == [before[5]]


def test_quarters_come_back_in_order_and_may_be_corrected(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    later = Observed(quarter(NOON + timedelta(minutes=15)), 120.5, None, 31.25)
    first = Observed(quarter(NOON), 100.0, 50.0)
    history.add_quarter(later)
    history.add_quarter(first)
    history.add_quarter(replace(first, rt_price=20.0))
    assert history.quarters(NOON) == [replace(first, rt_price=20.0), later]
    assert history.quarters(NOON + timedelta(minutes=15)) == [later]
    history.close()
    assert History(tmp_path / "history.sqlite").quarters(NOON)[1] == later


def test_old_minutes_go(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite", keep_days=2)
    run(history, NOON, days=5)
    history.close()
    left = History(tmp_path / "history.sqlite").minutes(NOON, NOON + timedelta(days=9))
    assert NOON + timedelta(days=2) <= left[0].time <= NOON + timedelta(days=3)
    assert left[-1].time == NOON + timedelta(days=5) - MINUTE


def run(history: History, start: datetime, days: float) -> None:
    for minute in range(round(days * 24 * 60)):
        history.add(replace(snapshot(), time=start + minute * MINUTE))


def test_a_clock_that_was_years_ahead_for_a_while_costs_nothing_of_the_past(tmp_path: Path) -> None:
    history, wrong = History(tmp_path / "history.sqlite", keep_days=9), NOON.replace(year=2036)
    run(history, NOON, days=1)
    history.add_quarter(Observed(quarter(NOON), 100.0, 50.0))
    run(history, wrong, days=20 / 24 / 60)
    history.add_quarter(Observed(quarter(wrong), 1.0, 1.0))
    run(history, NOON + timedelta(days=1), days=1)
    history.close()
    again = History(tmp_path / "history.sqlite", keep_days=9)
    run(again, NOON + timedelta(days=2), days=1)
    again.close()
    last = History(tmp_path / "history.sqlite", keep_days=9)
    last.add(replace(snapshot(), time=NOON + timedelta(days=3)))
    assert len(last.minutes(NOON, NOON + timedelta(days=3))) == 3 * 24 * 60
    assert [q.interval.start for q in last.quarters(NOON)] == [NOON], "nothing is of the future"


def test_a_full_disk_costs_nobody_anything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history = History(tmp_path / "history.sqlite")
    blocker = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
    history._db.execute("PRAGMA busy_timeout = 0")
    blocker.execute("BEGIN IMMEDIATE")
    for step in range(6 * 60):
        history.add(snapshot(step))
    history.add_quarter(Observed(quarter(NOON), 1.0, 2.0))
    assert len(history.quarters(NOON)) == 1
    assert len([r for r in caplog.records if "is lost" in r.message]) == 1
    blocker.execute("ROLLBACK")
    history.close()
    assert len(History(tmp_path / "history.sqlite").minutes(NOON, NOON + 61 * MINUTE)) == 60


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be opened"):
        History(tmp_path / "file" / "history.sqlite")


def test_csv() -> None:
    lines: list[str] = []
    assert write_csv([Minute(NOON, pv_w=1234.5), Minute(NOON + MINUTE)], lines.append) == 2
    assert lines[0].startswith("time,pv_w,load_w,grid_w,battery_w,battery_soc_pct,charger_w,")
    assert lines[1:] == ["2026-06-01T12:00:00Z,1234.5,,,,,,,,\n", "2026-06-01T12:01:00Z,,,,,,,,,\n"]
