"""A data centre that trains models: power is its largest running cost, so it has a stopping price."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

from simulators.participants.buyer import limit
from simulators.participants.client import Bid, Posted


@dataclass(frozen=True)
class DataCentre:
    """``power_w`` of training that pauses above ``stop_price`` (ticks; 120 USD/MWh).

    The part ``base_pct`` (storage, network, cooling) runs at any price.
    """

    party_id: str
    seed: int
    power_w: int = 2_000_000
    base_pct: int = 10
    stop_price: int = 12_000

    def wanted(self, start: datetime, posted: Posted, steps: int) -> Bid | None:
        if posted.retail is None:
            return None
        runs = posted.retail <= self.stop_price
        energy = self.power_w // 4 * (100 if runs else self.base_pct) // 100
        ceiling = posted.retail if runs or steps == 0 else self.stop_price
        return Bid(limit(posted, ceiling, steps), energy)

    def consumed(self, start: datetime, bought_wh: int) -> int:
        error = random.Random(f"{self.seed}|{self.party_id}|meter|{start}").gauss(0, 0.005)
        least = self.power_w // 4 * self.base_pct // 100
        return max(least, round(bought_wh * (1 + error)))
