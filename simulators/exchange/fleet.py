"""What an aggregator looks at: homes that trade, energy and price of each call, failures, settlement.

Made from the ledger and from memory for the operator's socket; nothing of it is part of the binding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gateway.domain.intervals import iso
from simulators.exchange.ledger import Registered, Traded
from simulators.exchange.market import Market
from simulators.exchange.rows import from_quarter, from_s, to_quarter
from simulators.exchange.settlement_engine import RUNS

_WINDOW = timedelta(hours=24)
_CALLS = timedelta(hours=2)
_MOST_ROWS = 200
STATES = ("all", "trading", "silent", "failing", "revoked")


async def fleet(market: Market, query: Mapping[str, str]) -> dict[str, Any]:
    """The page's data; ``text`` and ``state`` filter the parties. ValueError for another state."""
    text, state = query.get("text", "").lower(), query.get("state", "all")
    if state not in STATES:
        raise ValueError(f"state is one of {', '.join(STATES)}")
    now = market.now()
    traded = await market.ledger.traded(to_quarter(now - _WINDOW))
    rows = [_row(market, party, traded.get(party.number)) for party in market.parties.all()]
    found = [row for row in rows if _matches(row, text, state)]
    found.sort(key=lambda row: (-row["refused"], -row["sold_wh"] - row["bought_wh"], row["party"]))
    refusals: Counter[str] = Counter()
    for row in rows:
        refusals.update(row["refusals"])
    calls = await market.ledger.calls_of(to_quarter(now - _CALLS))
    return {
        "time": iso(now),
        "halted": market.halted,
        "parties": len(rows),
        "trading": sum(row["state"] == "trading" for row in rows),
        "matching": len(found),
        "rows": found[:_MOST_ROWS],
        "refusals": dict(refusals.most_common()),
        "calls": [
            {"time": iso(from_s(time)), "volume_wh": volume, "price": price, "instruments": count}
            for time, volume, price, count in calls
        ],
        "settled": {
            run: iso(from_quarter(int(market.marks[run]))) for run in RUNS if run in market.marks
        },
        "estimated": await market.ledger.estimated(int(market.marks.get("PRELIM", "0"))),
        "zero_sum_error": sum((await market.ledger.totals()).values()),
    }


def _row(market: Market, party: Registered, traded: Traded | None) -> dict[str, Any]:
    seen = market.activity.of(party.party_id)
    refusals = {} if seen is None else dict(seen.refused)
    resting = sum(1 for order in market.entry.book.of(party.number) if order.left)
    sold, bought = (0, 0) if traded is None else (traded.sold_wh, traded.bought_wh)
    state = "trading" if resting or sold or bought else "silent"
    if party.revoked:
        state = "revoked"
    return {
        "party": party.party_id,
        "role": party.role,
        "state": state,
        "resting": resting,
        "sold_wh": sold,
        "bought_wh": bought,
        "requests": 0 if seen is None else seen.requests,
        "last_seen": None if seen is None else iso(seen.last),
        "refused": sum(refusals.values()),
        "refusals": refusals,
    }


def _matches(row: dict[str, Any], text: str, state: str) -> bool:
    if text and text not in f"{row['party']} {row['role']} {' '.join(row['refusals'])}".lower():
        return False
    if state == "failing":
        return bool(row["refused"])
    return state in ("all", row["state"])
