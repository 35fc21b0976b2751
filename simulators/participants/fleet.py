"""The depot of an electric fleet: so much energy before the vans leave, in the cheapest intervals."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.domain.intervals import QUARTER
from simulators.participants.client import Bid
from simulators.participants.trader import INTERVALS, NOTHING, View, rising


@dataclass(frozen=True)
class FleetDepot:
    """Vans come back at ``back`` and leave at ``away`` (local hours); the need varies by seed.

    It buys in the intervals that are cheapest by the published prices until the need is covered.
    When there is little to choose any more, the limit rises to ``cap`` (ticks): vans must leave.
    """

    party_id: str
    seed: int
    energy_wh: int = 1_200_000
    power_w: int = 240_000
    back: int = 18
    away: int = 5
    cap: int = 500_000
    time_zone: str = "America/Chicago"
    side: str = "BUY"
    horizon: int = 44  # 11 hours: from return to departure

    def tranches(self, view: View) -> Sequence[Sequence[Bid]]:
        return [[self._bid(view, steps) for steps in range(INTERVALS)]]

    def _bid(self, view: View, steps: int) -> Bid:
        start, posted = view.first + steps * QUARTER, view.posted[steps]
        departure = self.departure(start)
        if departure is None or posted.retail is None:
            return NOTHING
        chosen = self.choose(view, departure)
        if start not in chosen:
            return NOTHING
        choice = (departure - max(start, view.first)) // QUARTER - len(chosen)
        ceiling = self.cap if choice <= 1 else posted.retail
        return Bid(rising(posted, ceiling, steps), chosen[start])

    def choose(self, view: View, departure: datetime) -> dict[datetime, int]:
        """Total Wh by interval: what is bought already, then the cheapest until the need is met."""
        most = self.power_w // 4
        chosen: dict[datetime, int] = {}
        left = self.need_wh(departure) - self._charged_wh(view, departure)
        options = []
        for n, posted in enumerate(view.posted):
            start = view.first + n * QUARTER
            if self.departure(start) == departure:
                held = view.traded.get(start, 0)
                left -= held
                price = posted.retail if posted.retail is not None else self.cap
                options.append((price, start, held))
        # What was traded for the interval that runs now is on its way into the vans.
        running = view.first - QUARTER
        if self.departure(running) == departure:
            left -= view.traded.get(running, 0)
        for _, start, held in sorted(options):
            more = min(most - held, max(0, left))
            left -= max(0, more)
            if held or more > 0:
                chosen[start] = held + max(0, more)
        return chosen

    def metered(self, start: datetime, traded_wh: int) -> tuple[int, int]:
        if self.departure(start) is None:
            return 0, 0
        error = random.Random(f"{self.seed}|{self.party_id}|meter|{start}").gauss(0, 0.01)
        return max(0, round(traded_wh * (1 + error))), 0

    def departure(self, start: datetime) -> datetime | None:
        """When the vans leave that are plugged in at ``start``; None while they are on the road."""
        zone = ZoneInfo(self.time_zone)
        local = start.astimezone(zone)
        if self.away <= local.hour < self.back:
            return None
        day = local.date() + timedelta(days=1 if local.hour >= self.back else 0)
        leaving = datetime(day.year, day.month, day.day, self.away, tzinfo=zone)
        return leaving.astimezone(start.tzinfo)

    def need_wh(self, departure: datetime) -> int:
        rng = random.Random(f"{self.seed}|{self.party_id}|need|{departure.date()}")
        return round(self.energy_wh * rng.uniform(0.8, 1.1))

    def _charged_wh(self, view: View, departure: datetime) -> int:
        """What the vans that leave then have had by the end of the last interval."""
        past = [start for start in view.traded if start < view.first - QUARTER]
        return sum(
            self.metered(start, view.traded[start])[0]
            for start in past
            if self.departure(start) == departure
        )
