"""A clock that is set, a machine that sleeps, a gateway that was off: every Wh is in one row, none invented."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.trade import Metered, MeterGap, MeterQuality
from gateway.metering.counters import LONGEST_BRIDGE_S, Count, Metering

START = datetime(2026, 6, 1, tzinfo=UTC)
DAY_S = 86_400.0
YEAR_S = 365 * DAY_S
FIRST_WH = 1_000.0


@dataclass
class Machine:
    """A meter, a clock that somebody sets, and the account that is kept."""

    power_w: float = 3_600.0
    passed_s: float = 0.0  # true time
    asleep_s: float = 0.0  # of it, what monotonic time does not count
    set_s: float = 0.0  # how far the clock is off
    rows: list[Metered | MeterGap] = field(default_factory=list)
    jumps: int = 0
    set_since_row_s: float = 0.0
    forgotten_s: float = 0.0  # set in a quarter in which we also ended: unknown after it

    def __post_init__(self) -> None:
        self.metering = Metering(has=self.has)

    def has(self, start: datetime) -> bool:
        return any(isinstance(r, Metered) and r.interval.start == start for r in self.rows)

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed_s + self.set_s)

    @property
    def counted_wh(self) -> float:
        return FIRST_WH + self.power_w * self.passed_s / 3600

    def read(self) -> list[Metered | MeterGap]:
        monotonic_s = self.passed_s - self.asleep_s
        found = self.metering.add(self.now, self.counted_wh, 0.0, monotonic_s)
        self.rows += found
        if found:
            self.set_since_row_s = 0.0
        return found

    def run(self, seconds: float, step_s: float = 10.0) -> None:
        until = self.passed_s + seconds
        self.read()
        while self.passed_s < until:
            self.passed_s = min(until, self.passed_s + step_s)
            self.read()

    def turn(self, seconds: float) -> None:
        """Somebody sets the clock by so much."""
        self.set_s += seconds
        self.set_since_row_s += abs(seconds)
        self.jumps += 1

    def off(self, seconds: float) -> None:
        """The gateway is ended, and started again so much later."""
        self.passed_s += seconds
        self.jumps += 1
        self.forgotten_s += self.set_since_row_s
        last = self.rows[-1] if self.rows else None
        end = None
        if last is not None:
            time = last.until if isinstance(last, MeterGap) else last.interval.end
            end = Count(time, last.import_register_wh, last.export_register_wh)
        self.metering = Metering(end, self.has)

    def sleep(self, seconds: float) -> None:
        """The machine is suspended: its monotonic clock stands."""
        self.passed_s += seconds
        self.asleep_s += seconds
        self.jumps += 1

    @property
    def quarters(self) -> list[Metered]:
        return [row for row in self.rows if isinstance(row, Metered)]

    @property
    def gaps(self) -> list[MeterGap]:
        return [row for row in self.rows if isinstance(row, MeterGap)]


def check(machine: Machine) -> None:
    if machine.rows:
        counted = machine.rows[-1].import_register_wh - round(FIRST_WH)
        assert sum(row.import_wh for row in machine.rows) == counted, "every Wh in one row"
    starts = [m.interval.start for m in machine.quarters]
    assert len(starts) == len(set(starts)), "no quarter twice"
    assert len(machine.gaps) <= machine.jumps, "one row says a gap"
    most = machine.passed_s / 900 + 2 * machine.jumps
    assert len(machine.rows) <= most, "no more rows than quarters have passed"
    for row in machine.quarters:
        if row.quality is MeterQuality.MEASURED:
            assert row.import_wh > 0, "a home that draws power has no quarter of 0 Wh"


@pytest.mark.parametrize(
    "jump_s",
    [-2 * YEAR_S, -2 * DAY_S, -3600.0, -300.0, -45.0, 45.0, 300.0, 3600.0, 2 * DAY_S, 10 * YEAR_S],
)
@pytest.mark.parametrize("wrong_s", [20.0, 1_200.0, 7_200.0])
def test_a_clock_that_is_set_and_right_again(jump_s: float, wrong_s: float) -> None:
    machine = Machine()
    machine.run(4_000)
    machine.turn(jump_s)
    machine.run(wrong_s)
    machine.turn(-jump_s)
    machine.run(4_000)
    check(machine)
    assert machine.quarters[-1].quality is MeterQuality.MEASURED
    estimated = sum(m.quality is MeterQuality.ESTIMATED for m in machine.quarters)
    assert estimated <= 2


def test_a_reading_of_the_old_time_after_a_leap_closes_nothing() -> None:
    """Two years behind at the start, then right, and the guard's last report is of before."""
    machine = Machine(set_s=-2 * YEAR_S)
    machine.run(1_000)
    before = machine.now
    machine.turn(2 * YEAR_S)
    late = machine.metering.add(before, machine.counted_wh, 0.0, machine.passed_s)
    assert late == []
    machine.run(2_000)
    check(machine)
    assert len(machine.rows) <= 4


@pytest.mark.parametrize("stop", [Machine.off, Machine.sleep])
def test_three_weeks_are_one_row(stop: object) -> None:
    machine = Machine()
    machine.run(4_000)
    before = len(machine.rows)
    assert callable(stop)
    stop(machine, 21 * DAY_S)
    machine.run(2_000)
    check(machine)
    gap, *later = machine.rows[before:]
    assert isinstance(gap, MeterGap)
    assert gap.until - gap.since >= timedelta(days=21)
    assert gap.import_wh >= 21 * 24 * 3_600
    assert all(isinstance(row, Metered) for row in later)
    assert {m.quality for m in machine.quarters} == {MeterQuality.MEASURED}


def test_an_hour_off_is_estimated_by_what_was_counted() -> None:
    machine = Machine()
    machine.run(4_000)
    machine.off(3_600)
    machine.run(2_000)
    check(machine)
    assert machine.gaps == []
    assert 3 <= sum(m.quality is MeterQuality.ESTIMATED for m in machine.quarters) <= 6
    starts = [m.interval.start for m in machine.quarters]
    assert starts == sorted(starts)
    assert (starts[-1] - starts[0]) / timedelta(minutes=15) == len(starts) - 1, "none is missing"


def test_quarters_that_an_older_time_repeats_are_not_written_again() -> None:
    machine = Machine()
    machine.run(8_000)
    known = set(machine.quarters)
    machine.turn(-5_000)
    machine.run(4_000)
    assert set(machine.quarters) == known, "these quarter-hours are in the account already"
    machine.run(4_000)
    check(machine)
    assert len(machine.gaps) == 1
    assert len(machine.quarters) > len(known)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.floats(10, 6_000)),
        st.tuples(st.just("turn"), st.sampled_from([-1, 1]).flatmap(
            lambda sign: st.floats(31, 2 * YEAR_S).map(lambda s: sign * s))),
        st.tuples(st.just("turn"), st.floats(-1_000, 1_000)),
        st.tuples(st.just("off"), st.floats(5, 30 * DAY_S)),
        st.tuples(st.just("off"), st.floats(5, LONGEST_BRIDGE_S)),
        st.tuples(st.just("sleep"), st.floats(31, 5 * DAY_S)),
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


@given(steps)
@example([("turn", 63.0), ("off", 5.0)])
def test_whatever_is_done_to_the_clock(done: list[tuple[str, float]]) -> None:
    machine = Machine()
    machine.run(1_800)
    for what, seconds in done:
        getattr(machine, what)(seconds)
        machine.run(60)
    machine.run(3_600)
    check(machine)
    for row in machine.quarters:
        if row.quality is MeterQuality.MEASURED:  # at 1 Wh a second; small steps go unnoticed
            assert abs(row.import_wh - 900) <= 30 * len(done) + 2 + machine.forgotten_s
