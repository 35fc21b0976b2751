"""Our account against the exchange's own: every difference as a sentence. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from gateway.domain.intervals import Interval, iso
from gateway.domain.trade import Settlement, Transaction, money_text
from gateway.store.book import Book


class _Dated(Protocol):
    @property
    def interval(self) -> Interval: ...


T = TypeVar("T", bound=_Dated)


def differences(
    book: Book,
    transactions: Iterable[Transaction],
    settlements: Iterable[Settlement],
    start: datetime,
    end: datetime,
) -> list[str]:
    """What is not the same in both accounts, for intervals that start in the half-open span."""

    def within(things: Mapping[str, T]) -> dict[str, T]:
        return {k: t for k, t in things.items() if start <= t.interval.start < end}

    our_fills = within(book.transactions)
    their_fills = within({t.transaction_id: t for t in transactions})
    our_rows = within(book.settlements)
    their_rows = within({s.settlement_id: s for s in settlements})
    out = _compare("fill", our_fills, their_fills, _fill_text)
    out += _compare("settlement", our_rows, their_rows, _settlement_text)
    ours = sum(s.total_money for s in our_rows.values())
    theirs = sum(s.total_money for s in their_rows.values())
    if ours != theirs:
        out.append(
            f"the market owes us {money_text(theirs)} by its account, {money_text(ours)} by ours"
        )
    return out


def _compare(
    what: str, ours: dict[str, T], theirs: dict[str, T], text: Callable[[T], str]
) -> list[str]:
    out = []
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key), theirs.get(key)
        if mine is None and other is not None:
            out.append(f"{what} {key} is only in the exchange's account: {text(other)}")
        elif mine is not None and other is None:
            out.append(f"{what} {key} is only in our account: {text(mine)}")
        elif mine is not None and other is not None and mine != other:
            out.append(f"{what} {key} differs: ours {text(mine)}; theirs {text(other)}")
    return out


def _fill_text(t: Transaction) -> str:
    return (
        f"{iso(t.interval.start)} {t.side.value} {t.quantity_wh} Wh at {t.price_ticks} ticks"
        f" (tender {t.tender_id}, sequence {t.sequence})"
    )


def _settlement_text(s: Settlement) -> str:
    return (
        f"{iso(s.interval.start)} {s.run.value} position {s.position_wh} Wh, metered"
        f" {s.metered_wh} Wh, {money_text(s.total_money)}"
    )
