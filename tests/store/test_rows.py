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
from gateway.store.rows import BLOCK, Rows
from tests.store.history import T0
from tests.store.test_checkpoint_memory import forty_days

NUMBERS = st.integers(-(10**25), 10**25)
TEXTS = st.text(
    st.characters(), max_size=40
)  # halves of a pair among them: they are no text for others
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
SOME = st.lists(st.integers(0, 96), min_size=2 * BLOCK, max_size=3 * BLOCK + 5)


def ended(_key: object, row: Settlement | Transaction) -> datetime:
    return row.interval.end


def fill(number: int, at: int, name: str = "t") -> Transaction:
    return Transaction(
        str(number), number + 1, name, quarter(T0 + at * QUARTER), Side.SELL, 1, 4500
    )


def fills(intervals: list[int]) -> Rows[int, Transaction]:
    held: Rows[int, Transaction] = Rows(transaction_body, transaction_of, ended)
    held.update((number, fill(number, at)) for number, at in enumerate(intervals))
    return held


def packed_count(rows: Rows[int, Transaction]) -> int:
    return len(rows) - len(list(rows.fresh()))


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(SETTLEMENTS, min_size=1, max_size=8))
def test_what_is_packed_reads_as_it_was(rows: list[Settlement]) -> None:
    held: Rows[int, Settlement] = Rows(settlement_body, settlement_of, ended)
    held.update(enumerate(rows * BLOCK))
    packed = held.aged(*ALWAYS)
    assert not list(packed.fresh())
    assert list(packed.items()) == list(held.items()) == list(enumerate(rows * BLOCK))
    assert packed == held == packed.aged(*ALWAYS)
    assert 0 in packed
    assert [packed.body(n) for n in packed] == [held.body(n) for n in held]


@settings(deadline=None, max_examples=60)
@given(intervals=SOME, hours=st.lists(st.integers(-1, 25), min_size=4, max_size=4))
def test_packed_rows_age_as_plain_ones_do(intervals: list[int], hours: list[int]) -> None:
    """In two steps, the second of which may go back: whatever is left is the same, in the same order; and what had
    not ended is at hand."""
    held = fills(intervals)
    old, settled, later, later_settled = (T0 + timedelta(hours=n) for n in hours)
    aged = held.aged(old, settled).aged(later, later_settled)
    left = [(n, row) for n, row in held.items() if row.interval.end > max(old, later)]
    assert list(aged.items()) == left
    assert len(aged) == len(left)
    until = max(settled, later_settled)
    running = [row for _, row in left if row.interval.end > until]
    assert [row for row in aged.fresh() if row.interval.end > until] == running
    assert [n for n in held if n in aged] == [n for n, _ in left]


@settings(deadline=None, max_examples=60)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 2 * BLOCK + 9), st.booleans()), min_size=1, max_size=6
    )
)
def test_a_packed_row_changes_as_a_plain_one_does(changes: list[tuple[int, bool]]) -> None:
    """Replaced, it keeps its place; taken out, it is gone; a copy of the account that was made before has what it had."""
    plain = dict(fills([0] * (2 * BLOCK + 5)))
    before = fills([0] * (2 * BLOCK + 5)).aged(*ALWAYS)
    assert packed_count(before) == 2 * BLOCK
    rows = before.aged(*ALWAYS)
    for number, stays in changes:
        if stays:
            plain[number] = rows[number] = fill(number, 1, "another")
        else:
            assert (plain.pop(number, None) is None) == (rows.pop(number, None) is None)
        assert list(rows.items()) == list(plain.items())
    again = rows.aged(*ALWAYS)
    assert list(again.items()) == list(plain.items())
    assert packed_count(again) >= len(plain) - BLOCK
    assert list(before.items()) == list(fills([0] * (2 * BLOCK + 5)).items())


def test_rows_of_several_shapes_are_packed_beside_each_other() -> None:
    bodies: list[dict[str, object]] = [
        {"start": "x", "import_ticks": 1},
        {"start": "y", "export_ticks": None, "more": [1]},
    ] * BLOCK
    held: Rows[int, dict[str, object]] = Rows(dict, dict, lambda *_: T0)
    held.update(enumerate(bodies))
    packed = held.aged(*ALWAYS)
    assert not list(packed.fresh())
    assert list(packed.values()) == bodies


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

    assert held(packs=True) < 0.5 * held(packs=False)
