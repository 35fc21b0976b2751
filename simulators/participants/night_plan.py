"""The retailer's flat night plan: homes pay a monthly fee and use what they want in the window.

The homes do not trade. The retailer buys their forecast at the exchange at any price up to the cap,
on an account of its own, and bears the difference to what they use.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gateway.domain.intervals import QUARTER
from simulators.participants.client import Bid
from simulators.participants.trader import INTERVALS, NOTHING, View


@dataclass(frozen=True)
class NightPlan:
    """``homes`` on the plan; the window is local time and may wrap midnight."""

    party_id: str
    seed: int
    homes: int = 40
    begins: time = time(22)
    ends: time = time(6)
    monthly_fee: Decimal = Decimal(30)
    car_wh: int = 8_000  # a home's car per night, spread over the window
    base_w: int = 450
    cap: int = 500_000
    time_zone: str = "America/Chicago"
    side: str = "BUY"
    horizon: int = INTERVALS

    def tranches(self, view: View) -> Sequence[Sequence[Bid]]:
        bids = []
        for n in range(INTERVALS):
            start = view.first + n * QUARTER
            wanted = self.forecast_wh(start)
            bids.append(Bid(self.cap, wanted) if wanted else NOTHING)
        return [bids]

    def metered(self, start: datetime, traded_wh: int) -> tuple[int, int]:
        error = random.Random(f"{self.seed}|{self.party_id}|meter|{start}").gauss(0, 0.02)
        return max(0, round(self.forecast_wh(start) * (1 + error))), 0

    def in_window(self, start: datetime) -> bool:
        local = start.astimezone(ZoneInfo(self.time_zone)).time()
        if self.begins <= self.ends:
            return self.begins <= local < self.ends
        return local >= self.begins or local < self.ends

    def window(self, evening: date) -> Iterator[datetime]:
        """The quarter-hours, in UTC, of the window that begins on that local day.

        32 of the default window; 28 where clocks go forward in it and 36 where they go back.
        """
        zone = ZoneInfo(self.time_zone)
        morning = evening + timedelta(days=0 if self.begins <= self.ends else 1)
        start = datetime.combine(evening, self.begins, zone).astimezone(UTC)
        end = datetime.combine(morning, self.ends, zone).astimezone(UTC)
        while start < end:
            yield start
            start += QUARTER

    def forecast_wh(self, start: datetime) -> int:
        """What all homes together use in the quarter-hour; 0 outside the window."""
        if not self.in_window(start):
            return 0
        hours = (
            datetime.combine(date.min, self.ends) - datetime.combine(date.min, self.begins)
        ) % timedelta(days=1)
        quarters = hours // QUARTER or 96
        return self.homes * (self.base_w // 4 + self.car_wh // quarters)

    def fees(self, months: int = 1) -> Decimal:
        """What the homes pay the retailer, in currency units."""
        return self.homes * months * self.monthly_fee
