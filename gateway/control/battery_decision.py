"""The batteries' part of a decision: the owner's hold, what was sold, else the value of stored energy; inside every
limit, and no more often changed than it pays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gateway.control.batteries import at_reserve, can_give_w, combined, most_w, split, stored_wh
from gateway.control.damping import Damping, Target, steady, steady_shares
from gateway.control.economics import battery_power_w, earned_per_h
from gateway.control.inputs import Worth
from gateway.control.limits import within
from gateway.control.throttled import LEAST_SUN_W, at_limit
from gateway.control.tick import Tick
from gateway.domain.control import Reason, Tightening
from gateway.domain.order import IntervalTerms

# Close to the end of an interval a small rest of energy would ask for a huge power; below this the
# rest is spread as if so much time were left. It is less than a tick of a slow (10 s) control loop,
# so that the last tick still makes up what the ones before left over.
SHORTEST_LEFT_S = 5.0
TURN_S = 180.0  # with more time left than this, and less power needed than this part of the most, a delivery
TURN_PART = 0.5  # is made up later rather than by turning the batteries round
LEAST_HELD_S = (
    300.0  # a plan's value of stored energy changes little for so long, whatever the interval
)
LONGEST_TICK_S = 60.0  # after a pause no more is counted of what staying has cost
PER_W_OVER_PEAK = 1e3  # an hour: a new peak is paid for a month, so no calm is worth it
NO_IMPORT_W = 50.0  # what the meter shows beside it is no load that the sun does not cover
LEAST_CAR_W = 100.0  # a charger that draws less charges no car


@dataclass(frozen=True, slots=True)
class BatteryTick:
    """What each battery is asked for, which rule decided, since when the mode holds, what staying in it
    has cost so far, and in which direction the batteries moved last."""

    shares: Mapping[str, int]
    reason: Reason
    since_s: float
    regret: float
    direction: int


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the value of stored energy asks for (``power_w`` None: what the inverters do by themselves), and
    what any other power would earn."""

    power_w: float | None
    own_w: float
    per_h: Callable[[float], float]

    def earns(self, power_w: float | None) -> float:
        """Currency units an hour."""
        return self.per_h(self.own_w if power_w is None else power_w)


def _new_prices_last_h(tick: Tick) -> float:
    """How long prices and values that have just changed hold; 0 while they are the same, for then the sun or the
    load has changed, and may change again."""
    if tick.terms is None or not _renewed(tick):
        return 0.0
    left_s = (tick.terms.interval.end - tick.inputs.now).total_seconds()
    return max(left_s, LEAST_HELD_S) / 3600


def _renewed(tick: Tick) -> bool:
    """Whether this decision or the one before it is the first by these prices and values."""
    worth, before = worth_of(tick.terms), tick.inputs.memory.worth
    return any(w is not None and w != worth for w in before)


def worth_of(terms: IntervalTerms | None) -> Worth | None:
    return None if terms is None else (terms.import_price, terms.export_price, terms.value)


def _sign(power_w: float) -> int:
    return (power_w > 0) - (power_w < 0)


def _lost_by_staying(new: Target, old: Target, weighed: Weighed | None) -> float:
    """What staying with the old costs an hour; without values there is nothing to compare: at once."""
    if weighed is None or Reason.NOT_FOR_CAR in (new.reason, old.reason):
        return math.inf
    return weighed.earns(new.power_w) - weighed.earns(old.power_w)


def _earns(old: Target, weighed: Weighed | None) -> bool:
    """Whether it does even now: what was stored of the sun may be bought since a cloud has come."""
    if weighed is None or old.power_w is None:
        return False
    return weighed.earns(old.power_w) > weighed.earns(0.0)


def batteries(tick: Tick, coming_w: float) -> BatteryTick:
    """The batteries' part of the decision."""
    home, limits, memory = tick.home, tick.limits, tick.inputs.memory
    old = Target(memory.setpoints.battery_w, memory.setpoints.reason)
    at_s = tick.inputs.monotonic_s
    damping = Damping(
        tick.inputs.control.deadband_w,
        tick.inputs.control.dwell_s,
        at_s - memory.mode_since_s,
        tick.inputs.control.battery_switch_cost,
        memory.regret,
        min(LONGEST_TICK_S, at_s - memory.decided_s),
    )
    without_w = home.without_battery_w
    shares: Mapping[str, int] = {}
    if not home.batteries:
        kept = Target(None, Reason.RELEASED)
    elif without_w is None or any(b.soc_pct is None for b in home.batteries):
        kept, shares = _unmeasured(tick)
    else:
        weighed = _weighed(tick, without_w)
        new = _target(tick, without_w, coming_w, weighed)
        lost_per_h = _lost_by_staying(new, old, weighed)
        damping = damping.after(
            new, old, lost_per_h, _new_prices_last_h(tick), earns=_earns(old, weighed)
        )
        stays_as = _keepable(tick, old, without_w, coming_w)
        kept = new if stays_as is None else steady(new, stays_as, damping)
        if kept.power_w is not None:
            shares = split(kept.power_w, home.batteries, limits.reserve_pct)
            before = memory.setpoints.batteries_w
            shares = steady_shares(shares, before, damping, home.batteries, limits.reserve_pct)
        elif low := _low_elsewhere(tick):
            kept, shares = Target(None, Reason.RESERVE), low
    stays = kept.mode == old.mode
    since_s = memory.mode_since_s if stays else at_s
    told_w = kept.power_w or 0
    direction = 0
    if kept.reason is Reason.DELIVERY:
        direction = _sign(told_w) or memory.direction
    return BatteryTick(shares, kept.reason, since_s, damping.regret if stays else 0.0, direction)


def _unmeasured(tick: Tick) -> tuple[Target, Mapping[str, int]]:
    """What holds without a measurement: the owner's hold, and the reserve of each battery that tells its charge.

    All else is left to the inverters. Where the meter is lost and no inverter says that the grid is there, it may be
    gone, and the reserve is what lights the house: then that is let go, too.
    """
    if tick.held:
        return Target(0, Reason.HOLD), {b.name: 0 for b in tick.home.batteries}
    outage = tick.home.grid_w is None and tick.inputs.snapshot.off_grid is None
    reserve_pct = tick.limits.reserve_pct
    low = {b.name: 0 for b in tick.home.batteries if at_reserve(b, reserve_pct) and not outage}
    return (Target(0, Reason.RESERVE), low) if low else (Target(None, Reason.NOT_MEASURED), {})


def _target(tick: Tick, without_w: float, coming_w: float, weighed: Weighed | None) -> Target:
    """What the batteries together should do now, inside every limit."""
    power_w, reason = _wanted(tick, without_w, weighed)
    most_w = math.inf if _delivers_sold(tick) else _beside_car_w(tick, without_w)
    if (without_w if power_w is None else power_w) > most_w:
        power_w, reason = most_w, Reason.NOT_FOR_CAR
    if power_w is None:
        if _releasable(tick):
            return Target(None, reason)
        power_w, reason = without_w, Reason.RESERVE if _low(tick) else reason  # as by themselves
    within_w, why = within(power_w, tick.home, tick.limits, coming_w)
    if why is Reason.EXPORT_LIMIT and tick.held and within_w < power_w and _panels_yield(tick):
        return Target(0, Reason.HOLD)
    return Target(round(within_w), why or reason)


def _panels_yield(tick: Tick) -> bool:
    """Whether the panels can be told to give less, and the export limit is kept: then no battery is filled against the
    owner's word."""
    panels = (i for i in tick.inputs.snapshot.inverters if (i.pv_w or 0.0) > 0)
    return all(i.limitable for i in panels) and tick.inputs.tightening.export_w <= 0


def _keepable(tick: Tick, old: Target, without_w: float, coming_w: float) -> Target | None:
    """What was decided before, as far as it keeps every limit, the reserve, and the battery out of the car.

    Less of the same where a limit has come nearer; None where nothing is left of it.
    """
    power_w = (
        without_w if old.power_w is None else old.power_w
    )  # by themselves inverters cover the home
    beside_w = _beside_car_w(tick, without_w) + tick.inputs.control.deadband_w
    if power_w > beside_w and not _delivers_sold(tick):
        return None
    if old.power_w is None:
        return old if _releasable(tick) else None
    if old.reason in (Reason.RESERVE, Reason.PRICE_REST) and _sun_fills(tick):
        return None  # what it may store no meter shows
    narrowed_w, why = within(old.power_w, tick.home, tick.limits, coming_w)
    if why is None:
        return old
    less = Target(round(narrowed_w), old.reason)
    return less if less.mode == old.mode and old.mode != "rest" else None


def _delivers_sold(tick: Tick) -> bool:
    """Whether something was sold for now: it is delivered, and who draws more than it bought pays for it."""
    return not tick.held and tick.position_wh > 0 and tick.inputs.delivered_wh is not None


def _low(tick: Tick) -> bool:
    return any(at_reserve(b, tick.limits.reserve_pct) for b in tick.home.batteries)


def _releasable(tick: Tick) -> bool:
    """Whether inverters may be left to themselves: they know neither our reserve nor a limit taken tighter.

    While their panels are held back they have more sun than the house takes: then a battery at its reserve is
    filled by it and not emptied. Held at 0 W it would stay at its reserve all day.
    """
    emptied = _low(tick) and not _sun_fills(tick)
    return not emptied and tick.inputs.tightening == Tightening()


def _sun_fills(tick: Tick) -> bool:
    """Whether inverters that panels are behind give just what they were told to give at most, and the house takes no more:
    a load that has just come would be covered by the battery until the limit follows."""
    snapshot, without_w = tick.inputs.snapshot, tick.home.without_battery_w
    if (snapshot.pv_w or 0.0) < LEAST_SUN_W or (without_w or 0.0) > NO_IMPORT_W:
        return False
    return at_limit(snapshot, tick.inputs.memory.setpoints)


def _low_elsewhere(tick: Tick) -> dict[str, int]:
    """Batteries at their reserve that no panels behind them can fill, while the others are left to themselves."""
    held = tick.inputs.memory.setpoints.pv_limits_w
    reserve_pct = tick.limits.reserve_pct
    return {
        b.name: 0 for b in tick.home.batteries if at_reserve(b, reserve_pct) and b.name not in held
    }


def _beside_car_w(tick: Tick, without_w: float) -> float:
    """The most that the batteries may give so that no car gets it from them, W.

    What was stored has been converted once already, and would be again: only where a value says that it is
    worth it, and the user lets it, a car is charged from the battery.
    """
    car_w = tick.inputs.snapshot.charger_w or 0.0
    valued = tick.terms is not None and tick.terms.value is not None
    if car_w <= LEAST_CAR_W or (valued and tick.inputs.settings.car_from_battery):
        return math.inf
    return max(0.0, without_w - car_w)


def _not_turned(tick: Tick, without_w: float, power_w: float, left_s: float) -> float:
    """``power_w`` of a delivery, or 0 where it would turn the batteries round and can be made up later.

    What counts is the energy of the whole interval: a heat pump that runs for three minutes turns nothing.
    But nothing is bought from the retailer for it.
    """
    if power_w * tick.inputs.memory.direction >= 0 or without_w > 0:
        return power_w
    most_w_each = (
        b.max_discharge_w if power_w > 0 else b.max_charge_w for b in tick.home.batteries
    )
    able_w = sum(most_w(w) for w in most_w_each)
    return 0.0 if left_s > TURN_S and abs(power_w) < TURN_PART * able_w else power_w


def _wanted(tick: Tick, without_w: float, weighed: Weighed | None) -> tuple[float | None, Reason]:
    """The user's hold, else what was sold or bought, else the price; None = self-consumption."""
    if tick.held:
        return 0.0, Reason.HOLD
    delivered_wh = tick.inputs.delivered_wh
    if tick.terms is not None and tick.position_wh and delivered_wh is not None:
        left_s = (tick.terms.interval.end - tick.inputs.now).total_seconds()
        rest_w = (tick.position_wh - delivered_wh) * 3600 / max(left_s, SHORTEST_LEFT_S)
        # Whatever the home does now, the battery makes up the difference to the wanted export.
        return _not_turned(tick, without_w, without_w + rest_w, left_s), Reason.DELIVERY
    power_w = None if weighed is None else weighed.power_w
    if power_w is None:
        return None, Reason.SELF_CONSUMPTION
    if power_w == 0:
        return power_w, Reason.PRICE_REST
    return power_w, Reason.PRICE_DISCHARGE if power_w > 0 else Reason.PRICE_CHARGE


def _weighed(tick: Tick, without_w: float) -> Weighed | None:
    """What the value of stored energy asks for; None where nothing has a value now."""
    control, terms = tick.inputs.control, tick.terms
    batteries = tick.home.batteries
    spec = combined(batteries, control.battery, tick.limits.reserve_pct)
    held_wh = stored_wh(batteries)
    if terms is None or terms.value is None or spec is None or held_wh is None:
        return None
    value = terms.value
    may_sell = tick.order is None or tick.order.resellable
    exportable_w = None if may_sell and not terms.export_assumed else 0.0
    moment = tick.dispatch_inputs(without_w, exportable_w)
    if moment is None:
        return None
    charge_w = sum(most_w(b.max_charge_w) for b in tick.home.batteries)
    give_w = sum(can_give_w(b, tick.limits.reserve_pct) for b in tick.home.batteries)
    able = replace(spec, max_charge_w=charge_w, max_discharge_w=give_w)
    power_w = battery_power_w(value, held_wh, moment, able)
    if terms.import_assumed:  # nothing is bought for it; the sun's surplus may be stored
        power_w = max(power_w, min(without_w, 0.0))
    discharge_w = sum(most_w(b.max_discharge_w) for b in tick.home.batteries)
    own_w = min(discharge_w, max(-charge_w, without_w))
    near = abs(power_w - own_w) <= control.deadband_w

    peak_w = math.inf if moment.import_limit_w is None else moment.import_limit_w

    def per_h(watts: float) -> float:
        over_w = max(0.0, without_w - watts - peak_w - control.deadband_w)
        return earned_per_h(watts, value, held_wh, moment, able) - over_w * PER_W_OVER_PEAK

    return Weighed(None if near else power_w, own_w, per_h)
