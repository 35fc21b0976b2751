"""docs/security.md shows the acts as they are tried, and they are enough."""

from __future__ import annotations

from tests.hostile.matrix import BEGIN, END, KINDS, PAGE, table


def test_the_page_has_the_matrix_of_today() -> None:
    shown = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert shown.strip() == table().strip(), "python -m tests.hostile.matrix writes it"


def test_there_are_enough_and_none_twice() -> None:
    acts = [(kind.neighbour.who, act) for kind in KINDS for act in kind.acts]
    assert len(acts) == len(set(acts)) >= 60
    whos = {"exchange", "broker", "page", "device", "clock", "file"}
    assert all(any(who in kind.neighbour.who for kind in KINDS) for who in whos)
