"""What an aggregator looks at: homes that trade, energy and price of each call, failures, settlement.

Made from the ledger and from memory for the operator's socket; nothing of it is part of the binding.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from gateway.clock import pause
from gateway.domain.intervals import iso
from simulators.exchange.ledger import Registered, Traded
from simulators.exchange.market import Market
from simulators.exchange.rows import from_quarter, from_s, to_quarter
from simulators.exchange.settlement_engine import RUNS

_WINDOW = timedelta(hours=24)
_CALLS = timedelta(hours=2)
_MOST_ROWS = 200
_SLICE = 512  # parties that are looked at without a look at the other work
_HOME = "home"
_NOTHING = Traded(0, 0)
STATES = ("all", "trading", "silent", "failing", "revoked")


async def fleet(market: Market, query: Mapping[str, str]) -> dict[str, Any]:
    """The page's data; ``text`` and ``state`` filter the parties. ValueError for another state."""
    text, state = query.get("text", "").lower(), query.get("state", "all")
    if state not in STATES:
        raise ValueError(f"state is one of {', '.join(STATES)}")
    now = market.now()
    traded = await market.ledger.traded(to_quarter(now - _WINDOW))
    rows = await _rows(market, traded)
    found = [row for row in rows if _matches(row, text, state)]
    shown = heapq.nsmallest(
        _MOST_ROWS, found, key=lambda row: (-row.refused, -row.sold_wh - row.bought_wh, row.party)
    )
    refusals: Counter[str] = Counter()
    for row in rows:
        refusals.update(row.refusals)
    calls = await market.ledger.calls_of(to_quarter(now - _CALLS))
    return {
        "time": iso(now),
        "halted": market.halted,
        "parties": len(rows),
        "homes": sum(row.role == _HOME for row in rows),
        "homes_trading": sum(row.role == _HOME and row.state == "trading" for row in rows),
        "matching": len(found),
        "rows": [row._asdict() for row in shown],
        "refusals": dict(refusals.most_common()),
        "calls": [
            {"time": iso(from_s(time)), "volume_wh": volume, "price": price, "instruments": count}
            for time, volume, price, count in calls
        ],
        "settled": {
            run: iso(from_quarter(int(market.marks[run]))) for run in RUNS if run in market.marks
        },
        "estimated": await market.ledger.estimated(int(market.marks.get("PRELIM", "0"))),
        "zero_sum_error": await market.zero_sum_error(),
    }


class _Row(NamedTuple):
    """A party as the page shows it."""

    party: str
    role: str
    state: str
    resting: int
    sold_wh: int
    bought_wh: int
    requests: int
    last_seen: str | None
    refused: int
    refusals: Mapping[str, int]


async def _rows(market: Market, traded: Mapping[int, Traded]) -> list[_Row]:
    """All parties; others are served between."""
    resting, rows = await market.open_by_party(), []
    for done, party in enumerate(market.parties.all()):
        rows.append(_row(market, party, traded.get(party.number, _NOTHING), resting[party.number]))
        if done % _SLICE == _SLICE - 1:
            await pause(0)
    return rows


def _row(market: Market, party: Registered, traded: Traded, resting: int) -> _Row:
    seen = market.activity.of(party.party_id)
    refusals: Mapping[str, int] = {} if seen is None else seen.refused
    state = "trading" if resting or any(traded) else "silent"
    return _Row(
        party=party.party_id,
        role=party.role,
        state="revoked" if party.revoked else state,
        resting=resting,
        sold_wh=traded.sold_wh,
        bought_wh=traded.bought_wh,
        requests=0 if seen is None else seen.requests,
        last_seen=None if seen is None else iso(seen.last),
        refused=sum(refusals.values()),
        refusals=dict(refusals),
    )


def _matches(row: _Row, text: str, state: str) -> bool:
    if text and text not in f"{row.party} {row.role} {' '.join(row.refusals)}".lower():
        return False
    if state == "failing":
        return bool(row.refused)
    return state in ("all", row.state)
