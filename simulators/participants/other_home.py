"""Another home of the neighbourhood: it sells what its panels give beyond its own use."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.domain.intervals import QUARTER
from simulators.participants.client import Bid
from simulators.participants.trader import INTERVALS, NOTHING, View, falling
from simulators.physics.household import load_power
from simulators.physics.weather import Panels, pv_power

_MIDDLE = timedelta(minutes=7, seconds=30)


@dataclass(frozen=True)
class OtherHome:
    """Panels and a household, no battery. It offers a careful part of the surplus it expects."""

    party_id: str
    seed: int
    panels: Panels = field(default_factory=Panels)
    latitude: float = 30.27
    longitude: float = -97.74
    caution_pct: int = 80
    time_zone: str = "America/Chicago"
    side: str = "SELL"
    horizon: int = INTERVALS

    def tranches(self, view: View) -> Sequence[Sequence[Bid]]:
        bids = []
        for steps, posted in enumerate(view.posted[:INTERVALS]):
            price = falling(posted, steps)
            surplus = self.net_wh(view.first + steps * QUARTER) * self.caution_pct // 100
            bids.append(NOTHING if price is None or surplus <= 0 else Bid(price, surplus))
        return [bids]

    def metered(self, start: datetime, traded_wh: int) -> tuple[int, int]:
        error = random.Random(f"{self.seed}|{self.party_id}|meter|{start}").gauss(0, 0.03)
        net = round(self.net_wh(start) * (1 + error))
        return max(0, -net), max(0, net)

    def net_wh(self, start: datetime) -> int:
        """Generation less use in the quarter-hour, export +, by its middle."""
        middle = start + _MIDDLE
        pv = pv_power(middle, self.latitude, self.longitude, self.panels, self.seed)
        load = load_power(middle, ZoneInfo(self.time_zone), self.seed)
        return round((pv - load) / 4)
