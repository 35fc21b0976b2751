"""Quarters close from cumulative counters, whatever the polls' rhythm; nothing is lost or invented."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.intervals import quarter_of
from gateway.domain.order import MeterCounters
from gateway.domain.trade import Metered, MeterGap, MeterQuality
from gateway.metering.counters import Count, Metering

START = datetime(2026, 6, 1, tzinfo=UTC)


def feed(metering: Metering, rows: Sequence[tuple[float, float, float]]) -> list[Metered]:
    out: list[Metered] = []
    for seconds, imported, exported in rows:
        closed = metering.add(START + timedelta(seconds=seconds), imported, exported)
        assert not any(isinstance(row, MeterGap) for row in closed)
        out += [row for row in closed if isinstance(row, Metered)]
    return out


def test_a_quarter_is_the_difference_of_its_borders() -> None:
    rows = [(s, 1_000 + s / 10, 50.0) for s in range(0, 1_801, 10)]
    closed = feed(Metering(), rows)
    assert [(m.import_wh, m.export_wh) for m in closed] == [(90, 0), (90, 0)]
    assert closed[0].import_register_wh == 1_090
    assert {m.quality for m in closed} == {MeterQuality.MEASURED}


def test_the_quarter_we_began_in_is_not_claimed() -> None:
    closed = feed(Metering(), [(s, s / 10, 0.0) for s in range(300, 1_801, 10)])
    assert [m.interval.start for m in closed] == [START + timedelta(minutes=15)]


def test_a_restart_inside_a_quarter_goes_on_from_the_journal() -> None:
    first = feed(Metering(), [(s, s / 10, 0.0) for s in range(0, 901, 10)])[-1]
    end = Count(first.interval.end, first.import_register_wh, first.export_register_wh)
    later = feed(Metering(end), [(s, s / 10, 0.0) for s in range(1_200, 1_811, 10)])
    assert [m.import_wh for m in later] == [90]
    assert later[0].quality is MeterQuality.MEASURED, "both ends were read"


def test_a_gap_over_a_border_is_marked_estimated() -> None:
    closed = feed(Metering(), [(0, 0, 0), (800, 80, 0), (1_000, 100, 0), (1_800, 180, 0)])
    assert [m.quality for m in closed] == [MeterQuality.ESTIMATED, MeterQuality.ESTIMATED]
    assert sum(m.import_wh for m in closed) == 180


def test_a_meter_that_starts_again_is_bridged_and_marked() -> None:
    rows = [(s, 5_000 + s / 10, 0.0) for s in range(0, 451, 10)]
    rows += [(s, (s - 450) / 10, 0.0) for s in range(460, 901, 10)]
    closed = feed(Metering(), rows)
    assert len(closed) == 1
    assert closed[0].quality is MeterQuality.ESTIMATED
    assert closed[0].import_wh in (88, 89, 90)


def test_what_stood_on_the_meter_when_the_quarter_began() -> None:
    metering = Metering()
    feed(metering, [(s, 0.0, s / 10) for s in range(0, 1_201, 10)])
    present = quarter_of(START + timedelta(seconds=1_200))
    assert metering.at_start_of(present) == MeterCounters(0.0, 90.0)
    assert metering.at_start_of(present.next()) is None


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30), st.integers(0, 30)), min_size=60))
def test_closed_quarters_add_up_to_the_registers(
    steps: list[tuple[int, int, int]],
) -> None:
    seconds, imported, exported = 0.0, 1_000.0, 2_000.0
    rows = [(seconds, imported, exported)]
    for dt, more_in, more_out in steps:
        seconds, imported, exported = seconds + dt, imported + more_in, exported + more_out
        rows.append((seconds, imported, exported))
    closed = feed(Metering(), rows)
    if closed:
        assert sum(m.import_wh for m in closed) == closed[-1].import_register_wh - 1_000
        assert sum(m.export_wh for m in closed) == closed[-1].export_register_wh - 2_000
