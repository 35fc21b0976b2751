"""A fast-charging site with NACS (SAE J3400) plugs: cars arrive, and each wants energy at once."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from gateway.domain.intervals import QUARTER
from simulators.participants.buyer import limit
from simulators.participants.client import Bid, Posted

# Arrivals by local hour, 1 = the day's average: few at night, most in the late afternoon.
_SHAPE = (
    0.25, 0.18, 0.15, 0.15, 0.22, 0.40, 0.65, 0.85, 0.95, 1.05, 1.20, 1.35,
    1.45, 1.45, 1.45, 1.50, 1.60, 1.70, 1.65, 1.50, 1.25, 0.95, 0.65, 0.40,
)  # fmt: skip


@dataclass(frozen=True)
class ChargingSite:
    """``stalls`` plugs of ``plug_w`` W, ``cars_per_day`` arrivals.

    A kWh is worth its retail price less ``relief``, what a kWh from the homes saves of the site's
    demand charge when bought elsewhere (ticks; 5 USD/MWh).
    """

    party_id: str
    seed: int
    stalls: int = 12
    plug_w: int = 250_000
    cars_per_day: int = 110
    relief: int = 500
    time_zone: str = "America/Chicago"

    def wanted(self, start: datetime, posted: Posted, steps: int) -> Bid | None:
        if posted.retail is None:
            return None
        # At the last chance the backstop is cheaper than the imbalance and its fee.
        ceiling = posted.retail if steps == 0 else posted.retail - self.relief
        return Bid(limit(posted, ceiling, steps), self.forecast_wh(start))

    def consumed(self, start: datetime, bought_wh: int) -> int:
        return self.demand_wh(start)

    def forecast_wh(self, start: datetime) -> int:
        """What the site's operator expects, some percent beside what will be."""
        error = random.Random(f"{self.seed}|{self.party_id}|forecast|{start}").gauss(0, 0.02)
        return max(0, round(self.demand_wh(start) * (1 + error)))

    def demand_wh(self, start: datetime) -> int:
        """Energy of the cars that arrived in this quarter-hour and of those still charging."""
        here, before = self._arrived_wh(start), self._arrived_wh(start - QUARTER)
        most = self.stalls * self.plug_w // 4
        return min(most, here * 6 // 10 + before * 4 // 10)

    @lru_cache(maxsize=64)  # noqa: B019 - a site lives as long as the simulation
    def _arrived_wh(self, start: datetime) -> int:
        rng = random.Random(f"{self.seed}|{self.party_id}|cars|{start}")
        hour = start.astimezone(ZoneInfo(self.time_zone)).hour
        chance = self.cars_per_day / 96 * _SHAPE[hour] / self.stalls
        cars = sum(rng.random() < chance for _ in range(self.stalls))
        return sum(round(rng.uniform(15_000, 60_000)) for _ in range(cars))
