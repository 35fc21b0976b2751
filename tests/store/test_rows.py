"""Rows that are held packed read as they were, in the order in which they came; the account says the same of them."""

from __future__ import annotations

import copy
import tracemalloc
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.intervals import QUARTER, iso, quarter
from gateway.domain.trade import Run, Settlement, Side, Transaction
from gateway.store import checkpoint
from gateway.store.book import KEPT, TENDERS_KEPT
from gateway.store.codec import (
    settlement_body,
    settlement_of,
    transaction_body,
    transaction_of,
)
from gateway.store.rows import Rows
from tests.store.history import T0
from tests.store.test_checkpoint_memory import forty_days

NUMBERS = st.integers(-(10**25), 10**25)  # money beyond 64 bits is absurd, and stays what it is
TEXTS = st.text(max_size=40)
SETTLEMENTS = st.builds(
    Settlement,
    TEXTS,
    st.integers(0, 96).map(lambda n: quarter(T0 + n * QUARTER)),
    st.sampled_from(Run),
    *(NUMBERS for _ in range(7)),
    st.none() | TEXTS,
    st.booleans(),
)
LONG_AGO = T0 - timedelta(days=1)
ALWAYS = LONG_AGO, T0 + timedelta(days=2)  # all is kept, and packed


def ended(_key: object, row: Settlement | Transaction) -> datetime:
    return row.interval.end


@settings(deadline=None, max_examples=150)
@given(rows=st.lists(SETTLEMENTS, max_size=8))
def test_what_is_packed_reads_as_it_was(rows: list[Settlement]) -> None:
    held: Rows[int, Settlement] = Rows(settlement_body, settlement_of, ended)
    held.update(enumerate(rows))
    packed = held.aged(*ALWAYS)
    assert list(packed.items()) == list(held.items()) == list(enumerate(rows))
    assert packed == held == packed.aged(*ALWAYS)
    assert 0 in packed or not rows


@settings(deadline=None, max_examples=150)
@given(
    rows=st.lists(SETTLEMENTS, max_size=8),
    hours=st.lists(st.integers(-1, 25), min_size=4, max_size=4),
)
def test_packed_rows_age_as_plain_ones_do(rows: list[Settlement], hours: list[int]) -> None:
    """In two steps, the second of which may go back: whatever is left is the same, in the same order."""
    held: Rows[int, Settlement] = Rows(settlement_body, settlement_of, ended)
    held.update(enumerate(rows))
    old, settled, later, later_settled = (T0 + timedelta(hours=n) for n in hours)
    aged = held.aged(old, settled).aged(later, later_settled)
    left = [(n, row) for n, row in enumerate(rows) if row.interval.end > max(old, later)]
    assert list(aged.items()) == left
    assert [row for row in aged.fresh() if row.interval.end <= later_settled] == [
        row for _, row in left if row.interval.end <= later_settled and not packable(row)
    ]


def packable(row: Settlement) -> bool:
    """Whether its numbers are such as 64 bits hold, and its texts such as can be written."""
    one: Rows[int, Settlement] = Rows(settlement_body, settlement_of, ended)
    one[0] = row
    return not list(one.aged(*ALWAYS).fresh())


def test_a_new_row_takes_the_place_of_a_packed_one() -> None:
    old, new = (Transaction("a", n, "t", quarter(T0), Side.SELL, n * 100, 4500) for n in (1, 2))
    held: Rows[str, Transaction] = Rows(transaction_body, transaction_of, ended)
    held["a"] = old
    packed = held.aged(*ALWAYS)
    assert not list(packed.fresh())
    packed["a"] = new
    assert packed["a"] == new
    assert list(packed.fresh()) == [new]
    assert held["a"] == old, "a copy of the account that was made before has what it had"
    del packed["a"]
    assert "a" not in packed
    assert not packed.aged(ALWAYS[1], ALWAYS[1])


def test_rows_of_several_shapes_are_packed_beside_each_other() -> None:
    bodies: list[dict[str, object]] = [
        {"start": "x", "import_ticks": 1},
        {"start": "y", "export_ticks": None, "more": [1]},
    ]
    held: Rows[int, dict[str, object]] = Rows(dict, dict, lambda *_: T0)
    held.update(enumerate(bodies))
    assert list(held.aged(*ALWAYS).values()) == bodies


def test_the_account_says_the_same_packed_or_not() -> None:
    """Every question that is asked of it, and the text that a restart reads."""
    plain = forty_days()
    text = checkpoint.dump(plain)
    end = max(m.interval.end for m in plain.metered.values())
    packed = copy.copy(plain)
    packed.pack(end)
    assert len(list(packed.settlements.fresh())) == TENDERS_KEPT // QUARTER
    assert len(list(plain.settlements.fresh())) == KEPT // QUARTER, "the copy is another"
    assert checkpoint.dump(packed) == text
    assert packed.cursor() == plain.cursor()
    assert packed.last_metered() == plain.last_metered()
    assert packed.undelivered() == plain.undelivered()
    for days in (0.5, 1, 2, 3, 30, 41):
        since = end - timedelta(days=days)
        assert packed.settled_since(since) == plain.settled_since(since)
        for rows in ("transactions", "settlements", "metered"):
            one, other = (list(b.since(getattr(b, rows), since)) for b in (packed, plain))
            assert one == other
    assert packed.prices[T0] == plain.prices[T0]
    assert iso(packed.metered[T0].interval.start) == iso(T0)


def test_forty_days_of_rows_take_less() -> None:
    def held(*, packs: bool) -> int:
        tracemalloc.start()
        try:
            book = forty_days()
            if packs:
                book.pack(max(m.interval.end for m in book.metered.values()))
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    assert held(packs=True) < 0.8 * held(packs=False)
