"""Energy of each quarter-hour by integrating power: what the planner learns from (the account never)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.flows import Flow, Heated
from gateway.domain.intervals import QUARTER, floor_quarter, quarter
from gateway.domain.plan import Observed
from gateway.domain.readings import Snapshot

LONGEST_GAP_S = 60.0  # power between two readings further apart is not known
LEAST_HELD_S = 60.0  # of a quarter in which a limit held the sun back, to call it held back
LEAST_COVERAGE = 0.9  # of a quarter, to be called observed


@dataclass
class _Sum:
    energy_wh: float = 0.0
    covered_s: float = 0.0

    def add(self, power_w: float | None, seconds: float) -> None:
        if power_w is not None:
            self.energy_wh += power_w * seconds / 3600
            self.covered_s += seconds

    def whole(self) -> float | None:
        """The energy of the whole quarter, if nearly all of it was seen."""
        part = self.covered_s / QUARTER.total_seconds()
        return self.energy_wh / part if part >= LEAST_COVERAGE else None


@dataclass(frozen=True, slots=True)
class QuarterFlow:
    """One quarter that has ended: what the forecast learns from, and what went through the battery."""

    observed: Observed
    charge_wh: float | None
    discharge_wh: float | None
    car_wh: float | None = None
    plugged: bool | None = None
    heated: tuple[Heated, ...] = ()

    def flow(self, stored_wh: float | None) -> Flow:
        """The same as it is kept for the bill; ``stored_wh`` is in the battery at its end."""
        return Flow(
            self.observed.interval,
            self.charge_wh,
            self.discharge_wh,
            self.observed.pv_wh,
            self.car_wh,
            self.plugged,
            stored_wh,
            self.observed.load_wh,
            self.heated,
        )


class QuarterEnergy:
    """Feed it every snapshot; it answers with each quarter that has ended.

    Each power holds until the next reading. The load is the home's without the car, which the
    planner treats as a store of its own.
    """

    def __init__(self) -> None:
        self._last: Snapshot | None = None
        self._plugged: bool | None = None
        self._begin()

    def _begin(self) -> None:
        self._load, self._pv, self._charge, self._discharge = _Sum(), _Sum(), _Sum(), _Sum()
        self._car, self._plugged = _Sum(), None
        self._heat: dict[str, _Sum] = {}
        self._warm_c: dict[str, float | None] = {}
        self._held_s, self._away = 0.0, False

    def add(
        self, snapshot: Snapshot, *, held_back: bool = False, away: bool = False
    ) -> QuarterFlow | None:
        """``held_back``: a limit holds the sun back now; ``away``: nobody is at home."""
        last, self._last = self._last, snapshot
        if last is None:
            return None
        passed_s = (snapshot.time - last.time).total_seconds()
        if held_back and 0 < passed_s <= LONGEST_GAP_S:
            self._held_s += passed_s
        self._away = self._away or away
        border = floor_quarter(last.time) + QUARTER
        if snapshot.time < border:
            self._count(last, last.time, snapshot.time)
            return None
        self._count(last, last.time, border)
        done = QuarterFlow(
            Observed(
                quarter(border - QUARTER),
                self._load.whole(),
                self._pv.whole(),
                held_back=self._held_s >= LEAST_HELD_S,
                away=self._away,
            ),
            self._charge.whole(),
            self._discharge.whole(),
            self._car.whole(),
            self._plugged,
            tuple(Heated(n, heat.whole(), self._warm_c[n]) for n, heat in self._heat.items()),
        )
        self._begin()
        self._count(last, max(border, floor_quarter(snapshot.time)), snapshot.time)
        return done

    def _count(self, held: Snapshot, start: datetime, end: datetime) -> None:
        seconds = (end - start).total_seconds()
        if 0 < seconds <= LONGEST_GAP_S:
            house_w = held.load_w
            if house_w is not None and held.charger_w is not None:
                house_w = max(0.0, house_w - held.charger_w)
            if house_w is not None and held.heaters:  # heated by plan: no habit of the house
                rods_w = held.rods_w
                house_w = None if rods_w is None else max(0.0, house_w - rods_w)
            for rod in held.rods:
                self._heat.setdefault(rod.name, _Sum()).add(rod.power_w, seconds)
                self._warm_c[rod.name] = rod.temperature_c
            self._load.add(house_w, seconds)
            self._pv.add(held.pv_w, seconds)
            self._car.add(held.charger_w, seconds)
            if held.car_plugged is not None:
                self._plugged = bool(self._plugged) or held.car_plugged
            battery_w = held.battery_w
            self._charge.add(None if battery_w is None else max(0.0, -battery_w), seconds)
            self._discharge.add(None if battery_w is None else max(0.0, battery_w), seconds)
