"""A fast-charging site: cars arrive, and each that fits its plugs wants energy at once.

With NACS (SAE J3400) plugs a site serves every car with such an inlet; without, only its own make.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.domain.intervals import QUARTER
from simulators.participants.cars import Car, Maker, arrivals, makers
from simulators.participants.client import Bid
from simulators.participants.trader import INTERVALS, NOTHING, View, rising


@dataclass(frozen=True)
class ChargingSite:
    """``stalls`` plugs of ``plug_w`` W; ``cars_per_day`` come by, of all makes.

    A kWh from a home is worth the retail price less ``relief`` (ticks; 5 USD/MWh): what a steady
    supply from the grid would spare the site of its demand charge.
    """

    party_id: str
    seed: int
    stalls: int = 12
    plug_w: int = 250_000
    cars_per_day: int = 130
    nacs: bool = True
    make: str = "maker-a"
    traffic: tuple[Maker, ...] = field(default_factory=makers)
    relief: int = 500
    time_zone: str = "America/Chicago"
    side: str = "BUY"
    horizon: int = INTERVALS

    def tranches(self, view: View) -> Sequence[Sequence[Bid]]:
        bids = []
        for steps, posted in enumerate(view.posted[:INTERVALS]):
            start = view.first + steps * QUARTER
            if posted.retail is None:
                bids.append(NOTHING)
                continue
            # At the last chance the retailer is cheaper than the imbalance and its fee.
            ceiling = posted.retail if steps == 0 else posted.retail - self.relief
            bids.append(Bid(rising(posted, ceiling, steps), self.forecast_wh(start)))
        return [bids]

    def metered(self, start: datetime, traded_wh: int) -> tuple[int, int]:
        return self.demand_wh(start), 0

    def forecast_wh(self, start: datetime) -> int:
        """What the operator expects, some percent beside what will be."""
        error = random.Random(f"{self._place}|forecast|{start}").gauss(0, 0.02)
        return max(0, round(self.demand_wh(start) * (1 + error)))

    def demand_wh(self, start: datetime) -> int:
        """Energy of the cars served: most of it in the quarter-hour of arrival, the rest after."""
        here, before = self.served(start), self.served(start - QUARTER)
        wanted = sum(c.wants_wh for c in here) * 6 // 10 + sum(c.wants_wh for c in before) * 4 // 10
        return min(self.stalls * self.plug_w // 4, wanted)

    def served(self, start: datetime) -> list[Car]:
        """The arrivals that fit the site's plugs; the others drive on."""
        return [c for c in self.arrived(start) if c.maker == self.make or (self.nacs and c.nacs)]

    def arrived(self, start: datetime) -> list[Car]:
        hour = start.astimezone(ZoneInfo(self.time_zone)).hour
        return arrivals(self._place, start, hour, self.cars_per_day, self.traffic)

    @property
    def _place(self) -> str:
        return f"{self.seed}|{self.party_id}"
