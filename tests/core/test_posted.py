"""What the exchange published, held in columns, reads as it was told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.agent.posted import PostedPrices
from gateway.domain.intervals import QUARTER, quarter
from gateway.domain.price import Price
from gateway.market.exchanges import PublishedPrices

T0 = datetime(2026, 6, 1, tzinfo=UTC)
TICKS = st.none() | st.integers(-(10**9), 10**9)
ROWS = st.lists(
    st.builds(
        PublishedPrices,
        st.integers(0, 40).map(lambda n: quarter(T0 + n * QUARTER)),
        *(TICKS for _ in range(4)),
    ),
    max_size=20,
)


@settings(deadline=None)
@given(first=ROWS, then=ROWS)
def test_the_newest_word_on_a_quarter_hour_holds(
    first: list[PublishedPrices], then: list[PublishedPrices]
) -> None:
    before = PostedPrices(first)
    after = before.updated(then)
    told = {row.interval.start: row for row in first}
    assert dict(before) == told, "a newer one changes nothing in it"
    told |= {row.interval.start: row for row in then}
    assert dict(after) == told
    assert list(after) == sorted(told)
    imbalance = {
        at: Price(row.imbalance_ticks).per_mwh
        for at, row in told.items()
        if row.imbalance_ticks is not None
    }
    assert dict(after.per_mwh("imbalance_ticks")) == imbalance
    assert len(after.per_mwh("imbalance_ticks")) == len(imbalance)
    for at in (T0 - QUARTER, T0 + timedelta(minutes=7), T0 + 400 * timedelta(days=1)):
        assert after.get(at) is None
        assert after.per_mwh("imbalance_ticks").get(at) is None


def test_two_months_are_held_and_no_more() -> None:
    days = [quarter(T0 + n * QUARTER) for n in range(90 * 96)]
    posted = PostedPrices()
    for day in range(90):
        posted = posted.updated(
            PublishedPrices(each, n, None, None, None)
            for n, each in enumerate(days)
            if n // 96 == day
        )
    assert len(posted) == 62 * 96
    assert [row.import_ticks for row in posted.values()] == list(range(28 * 96, 90 * 96))
