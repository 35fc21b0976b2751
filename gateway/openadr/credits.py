"""What a dispatch earns by the contract: exact integers, from what the meter counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from gateway.domain.trade import MONEY_PER_UNIT

Basis = Literal["export", "baseline"]
_WH_PER_KWH = 1000


@dataclass(frozen=True, slots=True)
class Terms:
    """Of the contract, in currency units; ``basis`` says what counts as given."""

    per_kwh: Decimal
    per_event: Decimal
    basis: Basis


@dataclass(frozen=True, slots=True)
class Credit:
    """Of one quarter-hour of a dispatch; energies net at the meter, export +. ``money`` None = not known: the home
    knows too few days for a baseline."""

    asked_wh: int
    net_wh: int
    baseline_wh: int | None
    paid_wh: int | None
    money: int | None


def credit(
    terms: Terms, asked_wh: int, net_wh: int, baseline_wh: int | None, *, first: bool
) -> Credit:
    """``first`` quarter-hour of its event that was followed: what is paid for an event is paid with it.

    Paid is the change from the baseline toward what was asked, or what was given to the grid; never more than was asked.
    """
    base_wh = 0 if terms.basis == "export" else baseline_wh
    if base_wh is None:
        return Credit(asked_wh, net_wh, None, None, None)
    way = 1 if asked_wh >= base_wh else -1
    paid_wh = min(max(way * (net_wh - base_wh), 0), way * (asked_wh - base_wh))
    money = round(terms.per_kwh * paid_wh * MONEY_PER_UNIT / _WH_PER_KWH)
    if first and paid_wh > 0:
        money += round(terms.per_event * MONEY_PER_UNIT)
    return Credit(asked_wh, net_wh, baseline_wh, paid_wh, money)
