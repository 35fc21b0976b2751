"""The price of energy, and the only place that turns ticks, MWh and kWh into one another.

A `Price` is exact: a whole number of ticks of 0.01 currency units per MWh. A price (ticks) times a
quantity (Wh) is money (1e-8 units) without rounding. Floats are for the planner, which estimates, and
for people: `Price.per_mwh`, `Price.per_kwh`, and the two functions for floats that were never exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Self

TICKS_PER_UNIT = 100  # of a price per MWh
KWH_PER_MWH = 1000

Number = Decimal | float


class PriceSource(StrEnum):
    """Where the number for a price comes from, in words."""

    TARIFF = "the tariff"
    PUBLISHED = "published"
    CLEARED = "the market's price"
    MARKET = "the forecast of the market"  # of a tariff that follows it; nobody publishes it ahead
    FORECAST = "its publisher's forecast"
    YESTERDAY = "yesterday"
    LAST_WEEK = "this day last week"
    RECENT = "the last days"
    TYPICAL = "what is usual"

    @property
    def known(self) -> bool:
        """Whether it is the price, and no estimate."""
        return self in (PriceSource.TARIFF, PriceSource.PUBLISHED, PriceSource.CLEARED)

    @property
    def assumed(self) -> bool:
        """Whether it stands in for a price that somebody publishes: nothing is bought or sold for it."""
        return not self.known and self is not PriceSource.MARKET


class Quote(NamedTuple):
    """A number for a price per MWh, and where it comes from."""

    per_mwh: float
    source: PriceSource

    @property
    def known(self) -> float | None:
        """The price, None where the number is an estimate."""
        return self.per_mwh if self.source.known else None


@dataclass(frozen=True, slots=True, order=True)
class Price:
    """A price in whole ticks."""

    ticks: int

    @classmethod
    def of_mwh(cls, per_mwh: Number) -> Self:
        """The nearest price to a number of currency units per MWh (a tie goes to the even tick)."""
        return cls(round(per_mwh * TICKS_PER_UNIT))

    @classmethod
    def at_least(cls, per_mwh: float) -> Self:
        """The lowest price that is not below ``per_mwh`` (a float's own error is no tick)."""
        return cls(math.ceil(per_mwh * TICKS_PER_UNIT - 1e-6))

    @classmethod
    def at_most(cls, per_mwh: float) -> Self:
        """The highest price that is not above ``per_mwh``."""
        return cls(math.floor(per_mwh * TICKS_PER_UNIT + 1e-6))

    @classmethod
    def of_kwh(cls, per_kwh: Decimal) -> Self:
        """The nearest price to a decimal number of currency units per kWh."""
        return cls(round(per_kwh * KWH_PER_MWH * TICKS_PER_UNIT))

    @property
    def per_mwh(self) -> float:
        """Currency units per MWh."""
        return self.ticks / TICKS_PER_UNIT

    @property
    def per_kwh(self) -> float:
        """Currency units per kWh."""
        return self.per_mwh / KWH_PER_MWH


def mwh_price(per_kwh: Number) -> float:
    """A price per MWh, for the planner, from one per kWh as people write it."""
    return float(per_kwh) * KWH_PER_MWH


def kwh_price(per_mwh: float) -> float:
    """A price per kWh, for people, from one per MWh."""
    return per_mwh / KWH_PER_MWH
