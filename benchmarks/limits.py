"""How well limits are kept at the meter: ours, OpenEMS's and evcc's rule on the same physics, second by second.

    python -m benchmarks.limits              an hour of each case
    python -m benchmarks.limits --minutes 10

Excess energy above the limit (Wh in an hour), the longest time without a break more than 100 W above it (s),
and the sun that was used meanwhile: whoever holds back more than needed keeps a limit easily. What the others do is described by us and written by us, from their documents and tests:

- OpenEMS, once a second. Export: the limit of one inverter is what it gives, plus the grid's power, plus what
  may be sold, changed by a fifth of itself at most. Import: the battery is asked for what is above the limit.
- evcc, every 30 s (its default). Import: the car's current by what its circuit has left; the battery's grid
  charging is not in it. Export: nothing but an operator's switch, so here the inverter is left alone.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.control.decide import decide
from gateway.control.inputs import ControlMemory, DecisionInputs
from gateway.domain.control import ControlSettings, GridLimits, Setpoints
from gateway.domain.intervals import quarter_of
from gateway.domain.order import IntervalTerms, Order, StandingSettings
from gateway.domain.plan import ValueCurve
from gateway.domain.readings import BatteryState, ChargerState, InverterState, Snapshot
from gateway.site.limit_watch import LimitWatch
from simulators.physics.house import step
from simulators.physics.values import (
    AtBox,
    Battery,
    Car,
    Commands,
    House,
    Inputs,
    Powers,
    State,
    soc_pct,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
VOLTS, PHASES, OVER_W = 230.0, 3, 100.0
Watts = Callable[[float], float]
Obeys = Callable[[Commands], Commands]
HYBRID, ROOF, BOX = "hybrid", "roof", "box"


def cooking(at: float) -> float:
    """A load of 0 to 8 kW, each 40 s another."""
    return (500.0, 8_500.0, 500.0, 3_000.0, 6_500.0, 300.0)[int(at // 40) % 6]


def clouds(at: float) -> float:
    return 9_000.0 if int(at // 45) % 2 else 1_500.0


@dataclass(frozen=True, slots=True)
class Case:
    """A home under a limit. ``charges``: its battery is filled at full power, whatever it costs."""

    name: str
    limits: GridLimits
    sun_w: Watts = lambda _: 9_000.0
    roof_w: Watts = lambda _: 0.0
    load_w: Watts = lambda _: 500.0
    obeys: Obeys = lambda asked: asked
    lag_s: int = 0
    soc_pct: float = 100.0
    charges: bool = False
    car: bool = False
    roof: bool = False
    coupled: bool = False  # the battery's inverter stores what the roof's feeds in


def misreads(asked: Commands) -> Commands:
    """Its register means a fifth more than it says."""
    limit_w = asked.pv_limit_w
    return replace(asked, pv_limit_w=None if limit_w is None else 1.2 * limit_w)


def ignores(asked: Commands) -> Commands:
    return replace(asked, pv_limit_w=None)


NOTHING_OUT, FUSE = GridLimits(export_w=0.0), GridLimits(import_w=11_000.0)
CASES = (
    Case("no feed-in, load steps 0 to 8 kW", NOTHING_OUT, load_w=cooking),
    Case("no feed-in, clouds", NOTHING_OUT, sun_w=clouds),
    Case("no feed-in, the battery charges", NOTHING_OUT, soc_pct=50, charges=True),
    Case("no feed-in, AC-coupled battery", NOTHING_OUT, sun_w=lambda _: 0.0,
         roof_w=lambda _: 7_000.0, load_w=cooking, roof=True, coupled=True),
    Case("no feed-in, two inverters", NOTHING_OUT, sun_w=lambda _: 5_000.0, roof_w=clouds,
         load_w=cooking, roof=True),
    Case("3 kW feed-in, load steps", GridLimits(export_w=3_000.0), load_w=cooking),
    Case("no feed-in, a device that misreads its limit", NOTHING_OUT, load_w=cooking, obeys=misreads),
    Case("no feed-in, a device that ignores its limit", NOTHING_OUT, soc_pct=50, obeys=ignores),
    Case("no feed-in, a meter that lags 5 s", NOTHING_OUT, load_w=cooking, lag_s=5),
    Case("11 kW import, car, battery charging, load steps", FUSE, sun_w=lambda _: 0.0, load_w=cooking,
         soc_pct=40, charges=True, car=True),
    Case("the same, a meter that lags 5 s", FUSE, sun_w=lambda _: 0.0, load_w=cooking,
         soc_pct=40, charges=True, car=True, lag_s=5),
)  # fmt: skip


class Rule:
    """Somebody's rule; ``period_s`` apart it says what is asked of the devices. This one leaves them alone."""

    name, period_s = "nobody", 1

    def __init__(self, case: Case) -> None:
        self.case = case

    def asks(self, seen: Powers, soc: float, at: float) -> Commands:
        """From the powers that the meters show."""
        return self._wishes()

    def _wishes(self) -> Commands:
        """What the owner wants before any limit."""
        filled = self.case.charges
        return Commands(
            discharge_limit_w=-5_000.0 if filled else None,
            charge_limit_w=5_000.0 if filled else None,
            grid_charge=filled,
            charge_current_a=16.0 if self.case.car else 0.0,
        )


class OpenEms(Rule):
    """Each second, from the formula of its test."""

    name = "OpenEMS's rule"
    limit_w: float | None = None

    def asks(self, seen: Powers, soc: float, at: float) -> Commands:
        wishes, limits = self._wishes(), self.case.limits
        if limits.export_w is not None:
            own_w = seen.ac_pv if self.case.roof else seen.inverter_ac
            wanted_w = own_w + seen.grid + limits.export_w
            last_w = self.limit_w
            if last_w is not None and abs(last_w) > OVER_W:
                wanted_w = min(1.2 * last_w, max(0.8 * last_w, wanted_w))
            self.limit_w = max(0.0, wanted_w)
            if self.case.roof:
                return replace(wishes, ac_pv_limit_w=self.limit_w)
            return replace(wishes, pv_limit_w=self.limit_w)
        over_w = seen.grid + seen.battery - (limits.import_w or 0.0)
        if over_w > -5_000:
            wanted_w = max(over_w, -5_000.0)
            return replace(wishes, discharge_limit_w=wanted_w, charge_limit_w=-wanted_w)
        return wishes


class Evcc(Rule):
    """Each interval the one loadpoint gets what its circuit has left."""

    name, period_s = "evcc's rule", 30

    def asks(self, seen: Powers, soc: float, at: float) -> Commands:
        wishes, limit_w = self._wishes(), self.case.limits.import_w
        if limit_w is None or not self.case.car:
            return wishes
        left_a = (limit_w - seen.grid + seen.ev) / VOLTS / PHASES
        current_a = min(16.0, math.floor(left_a))
        return replace(wishes, charge_current_a=current_a if current_a >= 6 else 0.0)


@dataclass
class Ours(Rule):
    """The guard's decision and its watch, each 2 s."""

    case: Case
    memory: ControlMemory = field(default_factory=ControlMemory)
    watch: LimitWatch = field(default_factory=LimitWatch)
    held: GridLimits = field(default_factory=GridLimits)
    name, period_s = "ours", 2

    def asks(self, seen: Powers, soc: float, at: float) -> Commands:
        limits = self.case.limits
        control = ControlSettings(
            ZoneInfo("UTC"), limits.import_w, limits.export_w, dwell_s=0.0, car_dwell_s=0.0
        )
        told = decide(
            DecisionInputs(
                self._snapshot(seen, soc),
                StandingSettings(0.0, charge_now=self.case.car),
                self._order(at),
                None,
                control,
                NOON + timedelta(seconds=at),
                at,
                tightening=self.watch.look(seen.grid, self.held, at),
                memory=self.memory,
            )
        )
        self.memory, self.held = told.memory, told.grid_limits
        return self._commands(told.setpoints)

    def _order(self, at: float) -> Order | None:
        if not self.case.charges:
            return None
        now = NOON + timedelta(seconds=at)
        quarter = quarter_of(now)
        full = ValueCurve(quarter, (0.0, 13_500.0), (9e3, 9e3))
        one = IntervalTerms(quarter, import_price=10.0, export_price=5.0, value=full)
        return Order(now, now + timedelta(minutes=1), StandingSettings(0.0), (one,))

    def _snapshot(self, seen: Powers, soc: float) -> Snapshot:
        case = self.case
        inverters = [InverterState(HYBRID, seen.pv, seen.inverter_ac, tells_ac=True)]
        if case.roof:
            inverters.append(InverterState(ROOF, seen.ac_pv, seen.ac_pv, tells_ac=True))
        out_w = seen.inverter_ac + seen.ac_pv
        return Snapshot(
            NOON, {}, seen.pv + seen.ac_pv, seen.battery, soc, seen.grid,
            max(0.0, out_w + seen.grid), seen.ev if case.car else None,
            True if case.car else None, 0.0, None, None,
            (BatteryState(HYBRID, seen.battery, soc, 13_500, 5_000, 5_000),),
            (ChargerState(BOX, seen.ev, True, 0.0),) if case.car else (),
            tuple(inverters),
        )  # fmt: skip

    def _commands(self, asked: Setpoints) -> Commands:
        battery_w = asked.battery_w
        return Commands(
            discharge_limit_w=battery_w,
            charge_limit_w=None if battery_w is None else -battery_w,
            grid_charge=battery_w is not None,
            pv_limit_w=asked.pv_limits_w.get(HYBRID),
            ac_pv_limit_w=asked.pv_limits_w.get(ROOF),
            charge_current_a=asked.chargers_a.get(BOX, 0.0),
        )


def excess(case: Case, rule: Rule, seconds: int) -> tuple[float, int, float]:
    """Wh above the limit in an hour, the longest time above it, s, and the sun that was used in it, Wh."""
    house = House(Battery(standby_w=0.0), ac_coupled=case.coupled)
    state = State(13_500.0 * case.soc_pct / 100, car_stored_wh=5_000.0)
    commands, shown, over_wh, lasting, longest = Commands(), [Powers()], 0.0, 0, 0
    sun_wh = 0.0
    car = AtBox(Car(capacity_wh=1e6)) if case.car else None
    for at in range(seconds):
        if at % rule.period_s == 0:
            seen = shown[max(0, len(shown) - 1 - case.lag_s)]
            commands = case.obeys(rule.asks(seen, soc_pct(house, state), float(at)))
        given = Inputs(case.sun_w(at), case.load_w(at), case.car, car=car, ac_pv_w=case.roof_w(at))
        state = step(house, state, commands, given, 1.0)
        shown.append(state.powers)
        grid_w, limits = state.powers.grid, case.limits
        over_w = grid_w - limits.import_w if limits.import_w is not None else -grid_w
        if limits.export_w is not None:
            over_w -= limits.export_w
        if at >= 30:  # everybody's start is their own
            over_wh += max(0.0, over_w) / 3600
            sun_wh += (state.powers.pv + state.powers.ac_pv) / 3600
            lasting = lasting + 1 if over_w > OVER_W else 0
            longest = max(longest, lasting)
    hours = (seconds - 30) / 3600
    return over_wh / hours, longest, sun_wh / hours


RULES: tuple[Callable[[Case], Rule], ...] = (Ours, OpenEms, Evcc)


def main(words: Sequence[str]) -> None:
    minutes = int(words[1]) if words[:1] == ["--minutes"] else 60
    names = " ".join(f"{rule.name:>28}" for rule in (Ours, OpenEms, Evcc))
    print(f"{'in an hour: Wh above the limit, longest s, sun used':52} {names}")
    for case in CASES:
        found = [excess(case, rule(case), 60 * minutes) for rule in RULES]
        print(
            f"{case.name:52} "
            + " ".join(f"{wh:7.0f} Wh {s:5} s {sun / 1000:5.2f} kWh" for wh, s, sun in found)
        )


if __name__ == "__main__":
    main(sys.argv[1:])
