"""What a scenario came to: energies, switches, limits, money, alarms and what was said. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

from gateway.domain.control import Setpoints
from gateway.domain.intervals import quarter_of
from gateway.domain.plan import Plan
from simulators.physics.heat import HeatState
from simulators.physics.values import Powers, Totals

CHARGES_W = 200.0  # a charger above this charges
MOVES_W = 200.0  # a battery beyond this charges or discharges


@dataclass(frozen=True, slots=True)
class Sample:
    """The truth at one moment, and what was asked of the devices. ``cars_w`` by charger, ``phases_w`` of the grid.

    ``prices`` are what a MWh costs and earns, None = nobody knows. ``storage_pct`` is the second battery's state of
    charge; ``ordered``: an order of the agent held.
    """

    time: datetime
    powers: Powers
    totals: Totals
    soc_pct: float
    cars_w: tuple[float, ...]
    cars_wh: tuple[float, ...]
    setpoints: Setpoints
    prices: tuple[float | None, float | None] = (None, None)
    phases_w: tuple[float, float, float] = (0.0, 0.0, 0.0)
    storage_pct: float | None = None
    ordered: bool = False
    alarm_codes: tuple[str, ...] = ()
    note_codes: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    boiler: HeatState | None = None
    pump: HeatState | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """All samples, what was logged (from INFO on), answers to commands, and the newest plan.

    ``account`` says what is not the same in the home's account and the exchange's.
    """

    samples: Sequence[Sample]
    log: Sequence[str] = ()
    answers: Mapping[str, object] = field(default_factory=dict)
    plans: Sequence[Plan] = ()
    account: Sequence[str] = ()

    # -- energy --

    def between(self, begin: datetime, end: datetime) -> Result:
        """The same from ``begin`` to ``end``."""
        inside = [s for s in self.samples if begin <= s.time <= end]
        return replace(self, samples=inside)

    def wh(self, name: str) -> float:
        """What a field of `simulators.physics.values.Totals` gained."""
        last, first = self.samples[-1].totals, self.samples[0].totals
        return float(getattr(last, name) - getattr(first, name))

    def car_wh(self, charger: int = 0) -> float:
        """What the cars at that charger got (AC)."""
        return self.samples[-1].cars_wh[charger] - self.samples[0].cars_wh[charger]

    # -- switches --

    def spans(self, charger: int = 0) -> list[timedelta]:
        """How long it charged each time."""
        on = [s.cars_w[charger] > CHARGES_W for s in self.samples]
        begins = [i for i, now in enumerate(on) if now and (i == 0 or not on[i - 1])]
        made = []
        for begin in begins:
            end = next((i for i in range(begin, len(on)) if not on[i]), len(on) - 1)
            made.append(self.samples[end].time - self.samples[begin].time)
        return made

    def starts(self, charger: int = 0) -> int:
        """How often it began to charge."""
        return len(self.spans(charger))

    def reversals(self) -> int:
        """How often the battery went from charging to discharging or back; not where its inverter did so by itself, with the clouds."""
        moving = [s for s in self.samples if abs(s.powers.battery) > MOVES_W]
        return sum(
            (a.powers.battery > 0) != (b.powers.battery > 0)
            for a, b in pairwise(moving)
            if not (a.setpoints.battery_w is None and b.setpoints.battery_w is None)
        )

    def mode_changes(self) -> int:
        """How often the battery was asked for something of another kind."""
        modes = [_mode(s.setpoints.battery_w) for s in self.samples]
        return sum(a != b for a, b in pairwise(modes))

    # -- limits --

    def excess(
        self, limit_w: float, power_w: Callable[[Sample], float], tolerance_w: float = 50.0
    ) -> tuple[float, float]:
        """Energy above a limit, Wh, and the longest time without a break above it, s."""
        over_wh = longest_s = lasting_s = 0.0
        for a, b in pairwise(self.samples):
            seconds = (b.time - a.time).total_seconds()
            over_w = power_w(b) - limit_w  # the power of a sample is that of the time before it
            over_wh += max(0.0, over_w) * seconds / 3600
            lasting_s = lasting_s + seconds if over_w > tolerance_w else 0.0
            longest_s = max(longest_s, lasting_s)
        return over_wh, longest_s

    def export_excess(self, limit_w: float) -> tuple[float, float]:
        """The same for the export at the meter."""
        return self.excess(limit_w, lambda s: -s.powers.grid)

    def import_excess(self, limit_w: float) -> tuple[float, float]:
        return self.excess(limit_w, lambda s: s.powers.grid)

    # -- money and words --

    @property
    def cost(self) -> float:
        """What import cost less what export earned, at each quarter's true price, currency units."""
        total = 0.0
        for a, b in pairwise(self.samples):
            bought, sold = a.prices if quarter_of(a.time) == quarter_of(b.time) else b.prices
            total += (bought or 0.0) * (b.totals.grid_import - a.totals.grid_import) / 1e6
            total -= (sold or 0.0) * (b.totals.grid_export - a.totals.grid_export) / 1e6
        return total

    @property
    def alarms(self) -> list[str]:
        """Each alarm once, in the order in which they came."""
        return list(dict.fromkeys(a for s in self.samples for a in s.alarms))

    @property
    def notes(self) -> list[str]:
        """What the plans said to people, without the figures that change with each of them."""
        said = (n.partition(":")[0] for s in self.samples for n in s.notes)
        return list(dict.fromkeys(said))


def _mode(power_w: int | None) -> str:
    if power_w is None:
        return "released"
    return "discharge" if power_w > 0 else "charge" if power_w < 0 else "rest"
