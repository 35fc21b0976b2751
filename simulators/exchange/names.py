"""The market's names: made from what they name, so that they are the same after every restart."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import lru_cache

from gateway.domain.intervals import iso
from simulators.exchange.rows import from_quarter


@lru_cache(maxsize=4096)  # it is asked for again as soon as the tender is taken in
def market_order_id(party_id: str, tender_id: str) -> str:
    """The market's id of a tender: the same whatever arrives first."""
    return _digest(f"{party_id}|{tender_id}")


def call_id(start: datetime, when: datetime) -> str:
    return f"{iso(start)}|{iso(when)}"


def backstop_id(start: datetime, when: datetime, buy: int) -> str:
    """The tenderId of the retailer's backstop in a call."""
    return f"backstop|{iso(start)}|{iso(when)}|{'BUY' if buy else 'SELL'}"


def transaction_id(call: str, order_id: str) -> str:
    """The market's id of a fill, from its call and its order."""
    return _digest(f"{call}|{order_id}")


def settlement_id(party_id: str, start: int, run: str, reverses: str | None = None) -> str:
    """The name of a statement; ``reverses`` is the name of the one that it takes back."""
    return _digest(f"{party_id}|{iso(from_quarter(start))}|{run}|{reverses or ''}")


@lru_cache(maxsize=16384)  # looked up first, stored a little later
def name_hash(party: int, name: str) -> int:
    """63 bits that name a tender's document among those of all parties."""
    return hash63(f"{party}|{name}")


def hash63(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
