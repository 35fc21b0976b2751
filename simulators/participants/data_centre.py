"""A data centre that trains models: power is its largest running cost, so it has a stopping price.

Its size follows a roadmap of computing power. By default 100 exaflops on tiles of 9 petaflops and
15 kW each: 11,112 tiles, 167 MW.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from gateway.domain.intervals import QUARTER
from gateway.errors import ConfigError
from simulators.participants.client import Bid, Posted
from simulators.participants.trader import INTERVALS, NOTHING, View, rising

TILE_PFLOPS = 9
TILE_W = 15_000
_DEFAULT_EXAFLOPS = 100.0
Roadmap = tuple[tuple[date, float], ...]


def read_roadmap(path: Path) -> Roadmap:
    """CSV with the columns ``date,exaflops``: from that day on. ConfigError names the bad row."""
    steps: list[tuple[date, float]] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                try:
                    step = date.fromisoformat(row["date"]), float(row["exaflops"])
                except (KeyError, TypeError, ValueError):
                    raise ConfigError(
                        f"{path}, row {number}: write date,exaflops as in 2026-07-01,100"
                    ) from None
                if not 0 <= step[1] < 1e6 or (steps and step[0] <= steps[-1][0]):
                    raise ConfigError(
                        f"{path}, row {number}: days rise and exaflops are not negative"
                    )
                steps.append(step)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not steps:
        raise ConfigError(f"{path}: is empty; write date,exaflops and one row at least")
    return tuple(steps)


def power_w(roadmap: Roadmap, day: date) -> int:
    """Power of all tiles on that day; whole tiles."""
    exaflops = _DEFAULT_EXAFLOPS if not roadmap else 0.0
    for start, size in roadmap:
        if start <= day:
            exaflops = size
    return -int(-exaflops * 1000 // TILE_PFLOPS) * TILE_W


@dataclass(frozen=True)
class DataCentre:
    """Training pauses above ``stop_price`` (ticks; 120 USD/MWh is what its computing is worth).

    ``base_pct`` of the power (storage, network, cooling) runs at any price; the rest may change by
    ``ramp_pct`` of the full power from one quarter-hour to the next.
    """

    party_id: str
    seed: int
    roadmap: Roadmap = ()
    base_pct: int = 10
    ramp_pct: int = 25
    stop_price: int = 12_000
    side: str = "BUY"
    horizon: int = INTERVALS

    def tranches(self, view: View) -> Sequence[Sequence[Bid]]:
        """What must run, at the retail price if need be; and training, up to its stopping price."""
        must, may = [], []
        base = self._full_wh(view.first) * self.base_pct // 100
        level = max(base, view.traded.get(view.first - QUARTER, 0))
        for steps, posted in enumerate(view.posted[:INTERVALS]):
            start = view.first + steps * QUARTER
            full = self._full_wh(start)
            ramp = full * self.ramp_pct // 100
            least = max(full * self.base_pct // 100, level - ramp)
            most = max(least, min(full, level + ramp))
            if posted.retail is None:
                must.append(NOTHING)
                may.append(NOTHING)
                continue
            must.append(Bid(rising(posted, posted.retail, steps), least))
            may.append(Bid(self._worth(posted, steps), most - least))
            level = most if posted.retail <= self.stop_price else least
        return [must, may]

    def _worth(self, posted: Posted, steps: int) -> int:
        """Never above the stopping price, and not above the retailer's, who always sells."""
        retail = self.stop_price if posted.retail is None else posted.retail
        return min(self.stop_price, rising(posted, retail, steps))

    def metered(self, start: datetime, traded_wh: int) -> tuple[int, int]:
        error = random.Random(f"{self.seed}|{self.party_id}|meter|{start}").gauss(0, 0.005)
        least = self._full_wh(start) * self.base_pct // 100
        return max(least, round(traded_wh * (1 + error))), 0

    def _full_wh(self, start: datetime) -> int:
        return power_w(self.roadmap, start.date()) // 4
