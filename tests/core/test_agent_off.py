"""The agent's account after the gateway was off, or its machine's clock wrong at the start: real files, no loops."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.agent.compose import Agent
from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.domain.control import Setpoints
from gateway.domain.intervals import QUARTER
from gateway.domain.readings import DeviceState, Quality, Reading
from gateway.domain.trade import MeterQuality
from gateway.ipc.messages import GuardReport
from gateway.site.snapshot import join
from gateway.store.codec import gap_of, metered_of
from gateway.store.journal import Journal
from tests.hostile.set_clock import SetClock
from tests.waiting import HANG_S

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WH_A_S = 1.0


class Life:
    """One run of the agent, told by a guard that reports every ten seconds."""

    def __init__(self, folder: Path, clock: SetClock) -> None:
        meter = {"name": "meter", "profile": "sunspec-meter", "host": "127.0.0.1"}
        raw = {"state_dir": folder, "device": [meter], "dashboard": {"enabled": False}}
        self.clock, self.most_rows = clock, 0
        self.agent = Agent(Settings.model_validate(raw), clock, lambda _: None)

    async def run(self, span: timedelta) -> None:
        until = self.clock.true.now() + span
        while self.clock.true.now() < until:
            await self.clock.sleep(10)
            before = self.agent.journal.head[0]
            self.agent.hear(self._report())
            self.most_rows = max(self.most_rows, self.agent.journal.head[0] - before)

    async def end(self) -> None:
        await self.agent._stack.aclose()

    def _report(self) -> GuardReport:
        now = self.clock.now()
        counted = 1e6 + WH_A_S * (self.clock.true.now() - START).total_seconds()
        readings = {
            name: Reading(name, value, Quality.GOOD, now)
            for name, value in (
                ("grid_import_wh", counted),
                ("grid_export_wh", 500.0),
                ("grid_power_w", 3600.0),
            )
        }
        snapshot = join(now, {"meter": DeviceState("meter", online=True, readings=readings)})
        standing = self.agent.keeper.state.user.standing()
        report = GuardReport(1, snapshot, Setpoints(), standing, order_holds=True)
        return replace(report, monotonic_s=self.clock.monotonic())


async def played(folder: Path, story) -> Journal:  # type: ignore[no-untyped-def]
    """The account after ``story(clock)``."""
    clock = SimClock(START)
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        clock.spawn(group, story(SetClock(clock)), "story")
    return Journal(folder / "journal.sqlite", read_only=True)


def rows(journal: Journal):  # type: ignore[no-untyped-def]
    metered = [metered_of(e.body) for e in journal.entries(kind="metered")]
    gaps = [gap_of(e.body) for e in journal.entries(kind="gap")]
    return metered, gaps


async def lives(folder: Path, clock: SetClock, *spans: timedelta, off: timedelta) -> list[Life]:
    done = []
    for number, span in enumerate(spans):
        if number:
            await clock.sleep(off.total_seconds())
        life = Life(folder, clock)
        await life.run(span)
        await life.end()
        done.append(life)
    return done


async def test_three_weeks_off_are_one_row_and_no_tick_is_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(clock: SetClock) -> None:
        before, after = await lives(
            tmp_path, clock, timedelta(hours=1), timedelta(hours=1), off=21 * DAY
        )
        assert max(before.most_rows, after.most_rows) <= 1

    with caplog.at_level(logging.WARNING):
        journal = await played(tmp_path, story)
    metered, (gap,) = rows(journal)
    assert 21 * DAY <= gap.until - gap.since <= 21 * DAY + 2 * QUARTER
    assert gap.import_wh == (gap.until - gap.since).total_seconds() * WH_A_S
    assert {m.quality for m in metered} == {MeterQuality.MEASURED}
    assert len(metered) >= 6
    said = [r.getMessage() for r in caplog.records if r.name.startswith("gateway")]
    assert sum("nobody counted quarter by quarter" in text for text in said) == 1


async def test_two_hours_off_are_estimated_a_few_rows_a_tick(tmp_path: Path) -> None:
    async def story(clock: SetClock) -> None:
        _, after = await lives(
            tmp_path, clock, timedelta(hours=1), timedelta(hours=1), off=timedelta(hours=2.5)
        )
        assert 2 <= after.most_rows <= 8

    metered, gaps = rows(await played(tmp_path, story))
    assert gaps == []
    starts = [m.interval.start for m in metered]
    assert starts == [starts[0] + n * QUARTER for n in range(len(starts))], "none is missing"
    assert all(m.import_wh == 900 for m in metered)
    assert 9 <= sum(m.quality is MeterQuality.ESTIMATED for m in metered) <= 12


@pytest.mark.parametrize("behind", [2 * DAY, 730 * DAY])
async def test_a_start_with_a_clock_behind_the_account_waits_until_it_is_right(
    tmp_path: Path, behind: timedelta
) -> None:
    """A machine without a battery clock: network time comes twenty minutes after the start."""

    async def story(clock: SetClock) -> None:
        (first,) = await lives(tmp_path, clock, timedelta(hours=1), off=DAY)
        await clock.sleep(21 * 86400)
        clock.ahead = -21 * DAY - behind
        life = Life(tmp_path, clock)
        head = life.agent.journal.head[0]
        await life.run(timedelta(minutes=20))
        assert life.agent.journal.head[0] - head == 1, "one note, no quarter"
        clock.ahead = timedelta(0)
        await life.run(timedelta(hours=1))
        await life.end()
        assert first.most_rows <= 1

    metered, gaps = rows(await played(tmp_path, story))
    assert len(gaps) == 1
    assert {m.quality for m in metered} == {MeterQuality.MEASURED}
    assert all(m.import_wh == 900 for m in metered)
    assert min(m.interval.start for m in metered) >= START


async def test_the_past_is_there_after_twenty_minutes_in_2036(tmp_path: Path) -> None:
    async def story(clock: SetClock) -> None:
        life = Life(tmp_path, clock)
        await life.run(timedelta(hours=3))
        clock.ahead = 3650 * DAY
        await life.run(timedelta(minutes=20))
        clock.ahead = timedelta(0)
        await life.run(timedelta(hours=1))
        history = life.agent.history
        quarters = history.quarters(START - DAY)
        assert len(quarters) >= 14
        assert max(q.interval.start for q in quarters) < clock.now()
        minutes = history.minutes(START, START + 20000 * DAY)
        assert len(minutes) >= 4 * 60 - 2
        assert max(m.time for m in minutes) <= clock.now()
        await life.end()

    metered, gaps = rows(await played(tmp_path, story))
    assert gaps == []
    assert all(abs(m.import_wh - 900) <= 1 for m in metered)
    assert sum(m.quality is MeterQuality.ESTIMATED for m in metered) <= 3
