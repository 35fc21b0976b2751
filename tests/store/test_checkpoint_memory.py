"""A checkpoint of forty days of trade is written row by row: the agent's memory does not grow by it."""

from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.intervals import QUARTER, iso, quarter
from gateway.domain.trade import Metered, Run, Settlement
from gateway.store import checkpoint
from gateway.store.book import Book, Entry
from gateway.store.chain import canonical
from gateway.store.codec import metered_body, settlement_body
from tests.store.history import T0


def forty_days() -> Book:
    book = Book()
    for number in range(40 * 96):
        interval = quarter(T0 + number * QUARTER)
        metered = Metered(interval, number, 450, 10**6 + number, 10**7 + number)
        row = Settlement(
            f"settlement-{number:08d}",
            interval,
            Run.PRELIM,
            1200,
            450,
            4321,
            10**9,
            -(10**7),
            10**5,
            0,
        )
        price = {"start": iso(interval.start), "end": iso(interval.end), "import_ticks": number}
        for kind, body in (
            ("metered", metered_body(metered)),
            ("settlement", settlement_body(row)),
            ("price", price),
        ):
            book.add(Entry(number, interval.end, kind, body))
    return book


def test_writing_it_takes_little_more_than_its_text() -> None:
    book = forty_days()
    tracemalloc.start()
    try:
        text = checkpoint.dump(book)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(text) > 1_500_000
    assert peak < 3 * len(text), "as JSON objects at once it would be five times as much"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_is_written_as_in_the_chain(value: object) -> None:
    assert checkpoint.canonical_bytes(value).decode() == canonical(value)


def test_the_text_is_canonical_json() -> None:
    book = forty_days()
    text = checkpoint.dump(book)
    state = json.loads(text)
    assert text == json.dumps(state, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert len(state["metered"]) == len(state["prices"]) == 40 * 96
    assert checkpoint.dump(checkpoint.load(text)) == text
    assert book.last_metered() == checkpoint.load(text).last_metered()
    assert timedelta(days=40) == list(book.settlements.values())[-1].interval.end - T0
