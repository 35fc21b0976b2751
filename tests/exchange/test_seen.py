"""The filter of what may have been seen never says 'no' of what was."""

from hypothesis import given
from hypothesis import strategies as st

from simulators.exchange.seen import SeenFilter

NUMBERS = st.lists(st.integers(0, 2**63 - 1), max_size=200)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_what_was_added_is_perhaps_there(
    at_start: list[int], later: list[int], others: list[int]
) -> None:
    """At once or one by one: the same answers to every question."""
    seen, one_by_one = SeenFilter(len(at_start)), SeenFilter(len(at_start))
    seen.add_all(at_start)
    for number in at_start:
        one_by_one.add(number)
    for number in later:
        seen.add(number)
        one_by_one.add(number)
    assert all(number in seen for number in at_start + later)
    assert [number in seen for number in others] == [number in one_by_one for number in others]


def test_most_of_what_is_new_is_known_to_be_new() -> None:
    seen = SeenFilter(100_000)
    seen.add_all(number * 7_919_191_919_191 % 2**63 for number in range(100_000))
    others = range(1, 2**62, 2**62 // 10_000)
    assert sum(number in seen for number in others) < 500
