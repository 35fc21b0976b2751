"""Somebody sets the machine's clock, that of guard and agent both, in the middle of a trading day.

The day is told over real Modbus TCP, MQTT, HTTP and SQLite. Whatever the clock says, no energy is made up
or lost, nothing is offered by a time that cannot be, and all is well when the clock is.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import floor_quarter
from gateway.domain.trade import Metered, MeterGap, MeterQuality
from gateway.ipc.messages import GuardReport
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from gateway.market.reconcile import differences
from gateway.store.codec import gap_of, metered_of
from gateway.store.history import History
from gateway.store.journal import Journal
from simulators.demo.options import Options
from simulators.demo.world import World, run_world
from tests.hostile.five import CLOCK, Property, Trial
from tests.hostile.set_clock import SetClock

OPTIONS = Options(
    seed=1, start=datetime(2026, 6, 1, 17, tzinfo=UTC)
)  # noon: there is something to sell
PERIOD_S = 10.0  # of the demo's control
TWO_CALLS = timedelta(minutes=10)
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
GATE, END = (
    timedelta(minutes=70),
    timedelta(minutes=75),
)  # of the quarter-hours from and to 75 minutes on


@dataclass(frozen=True)
class Set:
    """The clock is set by ``ahead``, so long after the start, and right again ``lasts`` later."""

    name: str
    ahead: timedelta
    lasts: timedelta
    begins: timedelta = 1.1 * HOUR


SETS = [
    Set("two years behind", -2 * YEAR, HOUR / 2),
    Set("two days behind", -2 * DAY, HOUR),
    Set("ten years ahead", 10 * YEAR, HOUR / 3),
    Set("seven minutes ahead", timedelta(minutes=7), HOUR / 2),
    Set("seven minutes behind", timedelta(minutes=-7), HOUR / 2),
    Set("1970", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC) - OPTIONS.start, HOUR / 3),
    Set("2038, past 31 bits", datetime(2038, 1, 19, 3, 14, tzinfo=UTC) - OPTIONS.start, HOUR / 3),
    Set("2106, past 32 bits", datetime(2106, 2, 7, 6, 28, tzinfo=UTC) - OPTIONS.start, HOUR / 3),
    Set("40 seconds ahead", timedelta(seconds=40), HOUR / 4),
    Set("seven minutes ahead as a gate closes", timedelta(minutes=7), HOUR / 4, GATE),
    Set("seven minutes behind as a gate closes", timedelta(minutes=-7), HOUR / 4, GATE),
    Set("40 seconds ahead as an interval ends", timedelta(seconds=40), HOUR / 4, END),
    Set("40 seconds behind as an interval ends", timedelta(seconds=-40), HOUR / 4, END),
    Set("two days behind as an interval ends", -2 * DAY, HOUR / 2, END),
]


@pytest.mark.parametrize("act", SETS, ids=[act.name for act in SETS])
async def test_the_clock_is_set_and_right_again(
    tmp_path: Path, act: Set, caplog: pytest.LogCaptureFixture
) -> None:
    machines: list[SetClock] = []
    seen: dict[str, int] = {}
    trial, late_s = Trial(CLOCK), list[float]()

    def machine(clock: SimClock) -> SetClock:
        machines.append(SetClock(clock))
        return machines[0]

    async def referee(world: World) -> None:
        async def play(span: timedelta) -> None:
            await world.play(world.clock.now() + span, lambda _: None)

        plain = world.gateway.agent.hear

        def hear(report: GuardReport) -> None:
            late_s.append(report.late_s)
            plain(report)

        world.gateway.agent.hear = hear  # type: ignore[method-assign]
        await play(act.begins)
        journal = world.gateway.agent.journal
        caplog.clear()
        seen["begin"] = journal.head[0]
        machines[0].ahead = act.ahead
        await play(timedelta(seconds=90))  # what was on its way at that moment
        seen["sent"] = sum(1 for _ in journal.entries(kind="tender"))
        await play(act.lasts - timedelta(seconds=90))
        seen["while wrong"] = sum(1 for _ in journal.entries(kind="tender"))
        machines[0].ahead = timedelta(0)
        right = world.clock.now()
        await play(timedelta(seconds=90))
        trial.logged(_lines(caplog))
        assert seen["sent"] > 3, "it trades"
        await play(2 * HOUR)
        sent = [e.time for e in journal.entries(kind="tender")][seen["while wrong"] :]
        if not sent or sent[0] > right + TWO_CALLS:
            trial.saw(Property.BACK, [f"right at {right}, the first tender at {sent[:1]}"])
        trial.saw(Property.BACK)
        trial.saw(Property.MONEY, await _differences(world))

    with caplog.at_level(logging.INFO):
        await run_world(OPTIONS, tmp_path, referee, machine)
    trial.saw(Property.CONTROL, (s for s in late_s if s >= PERIOD_S))
    assert len(late_s) * PERIOD_S > (3 * HOUR).total_seconds(), "there was control to be late"
    if seen["sent"] != seen["while wrong"]:
        trial.saw(Property.NUMBERS, ["something is offered by a wrong clock"])
    _account(trial, tmp_path / "gateway" / "journal.sqlite", act)
    history = History(tmp_path / "gateway" / "history.sqlite")
    start = OPTIONS.start
    ahead = history.minutes(start + DAY, start + 20 * YEAR)
    behind = history.minutes(start - 3 * YEAR, start)
    if len(ahead) + len(behind) > 1:
        trial.saw(Property.NUMBERS, [f"minutes of another time: {ahead[:2]}, {behind[:2]}"])
    assert len(history.minutes(start, start + DAY)) > 150
    history.close()
    trial.judge()


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("gateway") and record.levelno >= logging.WARNING
    ]


async def _differences(world: World) -> list[str]:
    """Over the wire: the exchange's account of the home is the home's own."""
    book = world.gateway.agent.journal.book
    exchange = connect(ExchangeAccess(world.exchange.url, "home", world.clock))
    fills = await exchange.transactions(0)
    settled = await exchange.settlements(world.start, world.clock.now())
    await exchange.close()
    until = floor_quarter(world.clock.now()) - HOUR  # later ones are on their way
    found = list(differences(book, fills, settled, world.start, until))
    found += [f"disputed: {dispute}" for dispute in book.disputes.values()]
    found += [f"unanswered: {state}" for state in book.unanswered()]
    if world.exchange.zero_sum_error:
        found.append(f"the parties' sums differ by {world.exchange.zero_sum_error}")
    return found


def _account(trial: Trial, path: Path, act: Set) -> None:
    journal = Journal(path, read_only=True)
    journal.verify()
    metered = [metered_of(e.body) for e in journal.entries(kind="metered")]
    gaps = [gap_of(e.body) for e in journal.entries(kind="gap")]
    journal.close()
    starts = Counter(m.interval.start for m in metered)
    trial.saw(Property.NUMBERS, (f"{at} is metered {n} times" for at, n in starts.items() if n > 1))
    start = OPTIONS.start
    odd = (f"{at} is not of this day" for at in starts if not start - DAY < at < start + DAY)
    trial.saw(Property.NUMBERS, odd)
    estimated = [m for m in metered if m.quality is MeterQuality.ESTIMATED]
    most = act.lasts.total_seconds() + 1800 if abs(act.ahead) > DAY else 6 * 900
    if len(gaps) > 2 or len(estimated) > 6 or len(estimated) * 900 > most:
        trial.saw(Property.NUMBERS, [f"{len(gaps)} gaps, {len(estimated)} estimates"])
    rows: list[Metered | MeterGap] = sorted(
        [*metered, *gaps], key=lambda row: row.import_register_wh
    )
    counted = rows[-1].import_register_wh - rows[0].import_register_wh
    held = sum(row.import_wh for row in rows[1:])
    if held != counted:
        trial.saw(Property.MONEY, [f"the rows hold {held} Wh, the meter counted {counted}"])
    if metered[-1].quality is not MeterQuality.MEASURED:
        trial.saw(Property.NUMBERS, ["the newest quarter-hour is still estimated"])
