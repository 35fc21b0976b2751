"""Somebody sets the machine's clock, that of guard and agent both, in the middle of a trading day.

The day is told over real Modbus TCP, MQTT, HTTP and SQLite. Whatever the clock says, no energy is made up
or lost, nothing is offered by a time that cannot be, and all is well when the clock is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import floor_quarter
from gateway.domain.trade import Metered, MeterGap, MeterQuality
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from gateway.market.reconcile import differences
from gateway.store.codec import gap_of, metered_of
from gateway.store.history import History
from gateway.store.journal import Journal
from simulators.demo.options import Options
from simulators.demo.world import World, run_world
from tests.hostile.set_clock import SetClock

OPTIONS = Options(
    seed=1, start=datetime(2026, 6, 1, 17, tzinfo=UTC)
)  # noon: there is something to sell
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)


@dataclass(frozen=True)
class Set:
    """The clock is set by ``ahead``, and right again ``lasts`` later."""

    name: str
    ahead: timedelta
    lasts: timedelta


SETS = [
    Set("two years behind", -2 * YEAR, HOUR / 2),
    Set("two days behind", -2 * DAY, HOUR),
    Set("ten years ahead", 10 * YEAR, HOUR / 3),
    Set("seven minutes ahead", timedelta(minutes=7), HOUR / 2),
    Set("seven minutes behind", timedelta(minutes=-7), HOUR / 2),
    Set("40 seconds ahead", timedelta(seconds=40), HOUR / 4),
]


@pytest.mark.parametrize("act", SETS, ids=[act.name for act in SETS])
async def test_the_clock_is_set_and_right_again(
    tmp_path: Path, act: Set, caplog: pytest.LogCaptureFixture
) -> None:
    machines: list[SetClock] = []
    seen: dict[str, int] = {}

    def machine(clock: SimClock) -> SetClock:
        machines.append(SetClock(clock))
        return machines[0]

    async def referee(world: World) -> None:
        async def play(span: timedelta) -> None:
            await world.play(world.clock.now() + span, lambda _: None)

        await play(1.1 * HOUR)
        journal = world.gateway.agent.journal
        caplog.clear()
        seen["begin"] = journal.head[0]
        machines[0].ahead = act.ahead
        await play(timedelta(seconds=90))  # what was on its way at that moment
        seen["sent"] = sum(1 for _ in journal.entries(kind="tender"))
        await play(act.lasts - timedelta(seconds=90))
        seen["while wrong"] = sum(1 for _ in journal.entries(kind="tender"))
        machines[0].ahead = timedelta(0)
        await play(timedelta(seconds=90))
        seen["end"] = journal.head[0]
        seen["lines"] = len(lines := _lines(caplog))
        assert seen["lines"] <= 5, lines
        assert seen["sent"] > 3, "it trades"
        await play(2 * HOUR)
        await _compare(world, seen["while wrong"])

    with caplog.at_level(logging.INFO):
        await run_world(OPTIONS, tmp_path, referee, machine)
    assert seen["sent"] == seen["while wrong"], "nothing is offered by a wrong clock"
    _account(tmp_path / "gateway" / "journal.sqlite", act)
    history = History(tmp_path / "gateway" / "history.sqlite")
    start = OPTIONS.start
    ahead = history.minutes(start + DAY, start + 20 * YEAR)
    behind = history.minutes(start - 3 * YEAR, start)
    assert len(ahead) + len(behind) <= 1
    assert len(history.minutes(start, start + DAY)) > 150
    history.close()


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("gateway") and record.levelno >= logging.WARNING
    ]


async def _compare(world: World, before: int) -> None:
    """Over the wire: the exchange's account of the home is the home's own, and it trades again."""
    journal = world.gateway.agent.journal
    exchange = connect(ExchangeAccess(world.exchange.url, "home", world.clock))
    fills = await exchange.transactions(0)
    settled = await exchange.settlements(world.start, world.clock.now())
    await exchange.close()
    until = floor_quarter(world.clock.now()) - HOUR  # later ones are on their way
    assert differences(journal.book, fills, settled, world.start, until) == []
    assert journal.book.disputes == {}
    assert journal.book.unanswered() == []
    assert sum(1 for _ in journal.entries(kind="tender")) > before
    assert world.exchange.zero_sum_error == 0


def _account(path: Path, act: Set) -> None:
    journal = Journal(path, read_only=True)
    journal.verify()
    metered = [metered_of(e.body) for e in journal.entries(kind="metered")]
    gaps = [gap_of(e.body) for e in journal.entries(kind="gap")]
    starts = [m.interval.start for m in metered]
    assert len(starts) == len(set(starts)), "no quarter twice"
    start = OPTIONS.start
    assert all(start - DAY < at < start + DAY for at in starts), "no quarter of a time that is not"
    estimated = [m for m in metered if m.quality is MeterQuality.ESTIMATED]
    assert len(estimated) <= 6
    assert len(gaps) <= 2
    rows: list[Metered | MeterGap] = sorted(
        [*metered, *gaps], key=lambda row: row.import_register_wh
    )
    first = rows[0]
    counted = rows[-1].import_register_wh - first.import_register_wh
    assert sum(row.import_wh for row in rows[1:]) == counted, "every Wh is in one row"
    assert isinstance(metered[-1], Metered)
    assert metered[-1].quality is MeterQuality.MEASURED
    if abs(act.ahead) > DAY:
        assert len(estimated) * 900 <= act.lasts.total_seconds() + 1800
    journal.close()
