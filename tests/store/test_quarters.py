"""A set of quarter-hours behaves as one of datetimes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.intervals import QUARTER
from gateway.store.quarters import Quarters

T0 = datetime(2026, 6, 1, tzinfo=UTC)
NUMBERS = st.integers(-200, 200) | st.sampled_from([-(10**6), 2 * 10**8])
STARTS = st.lists(NUMBERS.map(lambda n: T0 + n * QUARTER))


@given(STARTS, STARTS, STARTS)
def test_it_is_a_set(first: list[datetime], second: list[datetime], gone: list[datetime]) -> None:
    ours, theirs = Quarters(first), set(first)
    for start in gone:
        ours.discard(start)
        theirs.discard(start)
    assert list(ours) == sorted(theirs)
    assert len(ours) == len(theirs)
    assert bool(ours) == bool(theirs)
    assert ours == Quarters(theirs)
    assert all((start in ours) == (start in theirs) for start in (*first, *second))
    other = Quarters(second)
    assert set(ours - other) == set(ours - set(second)) == theirs - set(second)
    assert set(ours & other) == theirs & set(second)
    assert set({T0, *theirs} - ours) == {T0} - theirs
    assert max(ours, default=None) == max(theirs, default=None)


def test_any_moment_stands_for_its_quarter_hour() -> None:
    assert T0 + timedelta(minutes=14, seconds=59) in Quarters([T0])
    assert T0 + QUARTER not in Quarters([T0])
    assert "T0" not in Quarters([T0])
