"""The depot of an electric fleet: so much energy before the vans leave, in the cheapest hours."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.domain.intervals import QUARTER
from simulators.participants.buyer import limit
from simulators.participants.client import Bid, Posted


@dataclass
class FleetDepot:
    """Vans return at ``back`` and leave at ``away`` (local hours); the day's energy varies by seed.

    The depot follows the published prices: it charges in intervals at or below the price that just
    lets it finish, as far as prices are known, and at any price when time runs out.
    """

    party_id: str
    seed: int
    energy_wh: int = 1_200_000
    power_w: int = 240_000
    back: int = 18
    away: int = 5
    time_zone: str = "America/Chicago"

    def __post_init__(self) -> None:
        self._charged: dict[datetime, int] = {}

    def wanted(self, start: datetime, posted: Posted, steps: int) -> Bid | None:
        departure = self._departure(start)
        if posted.retail is None or departure is None:
            return None
        left = self._need_wh(departure) - self._done_wh(departure)
        most = self.power_w // 4
        quarters_left = (departure - start) // QUARTER
        # The share of the remaining intervals that is needed: near 1 there is nothing to choose.
        urgency = min(1.0, left / max(1, quarters_left * most))
        if left <= 0 or (steps == 0 and urgency < 0.5 and self._is_dear(start)):
            return None
        return Bid(limit(posted, posted.retail, steps), min(most, left))

    def consumed(self, start: datetime, bought_wh: int) -> int:
        departure = self._departure(start)
        if departure is None:
            return 0
        error = random.Random(f"{self.seed}|{self.party_id}|meter|{start}").gauss(0, 0.01)
        used = max(0, round(bought_wh * (1 + error)))
        self._charged[start] = used
        return used

    def _is_dear(self, start: datetime) -> bool:
        """Evenings are dear in Texas: while there is time the depot waits for the night."""
        return start.astimezone(ZoneInfo(self.time_zone)).hour in range(self.back, 22)

    def _departure(self, start: datetime) -> datetime | None:
        """When the vans leave that are plugged in at ``start``; None while they are on the road."""
        zone = ZoneInfo(self.time_zone)
        local = start.astimezone(zone)
        if self.away <= local.hour < self.back:
            return None
        day = local.date() + timedelta(days=1 if local.hour >= self.back else 0)
        leaving = datetime(day.year, day.month, day.day, self.away, tzinfo=zone)
        return leaving.astimezone(start.tzinfo)

    def _need_wh(self, departure: datetime) -> int:
        rng = random.Random(f"{self.seed}|{self.party_id}|need|{departure.date()}")
        return round(self.energy_wh * rng.uniform(0.8, 1.1))

    def _done_wh(self, departure: datetime) -> int:
        return sum(wh for start, wh in self._charged.items() if self._departure(start) == departure)
