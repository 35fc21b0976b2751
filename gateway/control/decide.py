"""The decision of one tick: snapshot, order and limits in; setpoints, their reason and a memory out.

Missing input has a defined action, never 'keep the last value': it releases, or asks for the least.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gateway.control import charging
from gateway.control.batteries import (
    at_reserve,
    can_give_w,
    combined,
    most_w,
    split,
    stored_wh,
)
from gateway.control.cars import CarsNow, StoredNow, choices
from gateway.control.damping import Damping, Target, steady, steady_shares
from gateway.control.economics import DispatchInputs, battery_power_w, earned_per_h
from gateway.control.fuse import FuseMargin, fused_a
from gateway.control.inputs import ContactorMemory, ControlMemory, Decision, DecisionInputs, Worth
from gateway.control.limits import (
    Limits,
    SteeredHome,
    export_limit_w,
    grid_limits,
    import_spent,
    limits_of,
    pv_limits_w,
    steered,
    within,
)
from gateway.control.throttled import LEAST_SUN_W, SunMemory, held, held_back_w
from gateway.domain.control import ChargerAssumptions, GridLimits, Reason, Setpoints, Tightening
from gateway.domain.order import IntervalTerms, Order

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
LEAST_CAR_W = 100.0  # a charger that draws less charges no car
_FILLS_H = 0.25  # a battery's last room is not filled faster


@dataclass(frozen=True, slots=True)
class _Tick:
    """One decision's inputs with what follows from them alone."""

    inputs: DecisionInputs
    order: Order | None
    terms: IntervalTerms | None
    position_wh: int
    home: SteeredHome
    limits: Limits

    @property
    def held(self) -> bool:
        """The owner's hand on the battery comes before what was sold."""
        return self.inputs.settings.battery == "hold"

    def dispatch_inputs(
        self, net_load_w: float, exportable_w: float | None
    ) -> DispatchInputs | None:
        """The home at this moment for the order's values; None while a price is not known."""
        order, terms = self.order, self.terms
        if (
            order is None
            or terms is None
            or terms.import_price is None
            or terms.export_price is None
        ):
            return None
        bounds = [w for w in (self.limits.import_limit_w, order.peak_import_w) if w is not None]
        return DispatchInputs(
            terms.import_price,
            terms.export_price,
            net_load_w,
            self.limits.export_limit_w,
            min(bounds, default=None),
            exportable_w,
        )


@dataclass(frozen=True, slots=True)
class _CarTick:
    """What the chargers get, A by name, and what is remembered; ``spent``: 'charge now' is."""

    amperes: dict[str, float]
    contactors: Mapping[str, ContactorMemory]
    sun: SunMemory
    spent: bool


def decide(inputs: DecisionInputs) -> Decision:
    """The setpoints of this tick. Without terms for the present interval there is nothing to follow."""
    order, control, settings = inputs.order, inputs.control, inputs.settings
    if inputs.snapshot.off_grid:
        return _alone(inputs)
    terms = order.at(inputs.now) if order else None
    position_wh = 0 if terms is None or settings.battery == "hold" else terms.position_wh
    price = terms.export_price if terms else None
    if terms is not None and terms.export_assumed:
        price = None  # no sun is held back for a price that nobody has published
    curtail = price is not None and price < 0 and position_wh <= 0
    # What was sold is delivered from what there is: only what was not may be kept back.
    resale = order is None or order.resellable or position_wh > 0
    limits = limits_of(inputs, curtail=curtail, resale=resale)
    tick = _Tick(inputs, order, terms, position_wh, steered(inputs.snapshot, control), limits)
    cars = _chargers(tick)
    coming_w = charging.coming_w(
        cars.amperes, tick.home, cars.contactors, inputs.control, inputs.monotonic_s
    )
    pv_w: dict[str, int] = {}
    if _is_paid_to_import(tick):
        pv_w = {i.name: 0 for i in inputs.snapshot.inverters if i.limitable}
    elif not inputs.keeps_export or inputs.tightening.export_w > 0:  # it says so, but it does not
        pv_w = pv_limits_w(inputs.snapshot, limits)
    batteries = _batteries(tick, coming_w)
    setpoints = Setpoints(
        batteries_w=batteries.shares,
        chargers_a=cars.amperes,
        pv_limits_w=pv_w,
        export_limit_w=export_limit_w(limits),
        reason=batteries.reason,
    )
    memory = ControlMemory(
        setpoints,
        batteries.since_s,
        cars.contactors,
        cars.spent,
        cars.sun,
        batteries.regret,
        inputs.monotonic_s,
        batteries.direction,
        (inputs.memory.worth[-1], _worth(tick.terms)),
    )
    return Decision(
        setpoints,
        memory,
        grid_limits(inputs, curtail=curtail),
        import_spent(setpoints, tick.home),
    )


def _is_paid_to_import(tick: _Tick) -> bool:
    """Whether every kWh of the home's own sun costs money: it earns nothing, and import is paid for.

    Not while something is sold, nor where the house without the sun would need more than a limit allows.
    """
    terms, house_w = tick.terms, tick.inputs.snapshot.load_w
    if terms is None or terms.import_assumed or terms.export_assumed or tick.position_wh > 0:
        return False
    bought, sold = terms.import_price, terms.export_price
    if bought is None or sold is None or bought >= 0 or sold > 0 or house_w is None:
        return False
    limit_w = tick.limits.import_limit_w
    own_w = house_w - (tick.inputs.snapshot.charger_w or 0.0)
    return tick.inputs.operator.import_w is None and (limit_w is None or own_w < limit_w)


def _alone(inputs: DecisionInputs) -> Decision:
    """Without a grid the reserve is for the house: whatever was held is let go, and cars wait.

    An inverter that feeds the home alone follows its load by itself, panels included; any setpoint of
    ours would darken it. Only the export limit stays as it is: it is void without a grid, and kept in flash.
    """
    before = inputs.memory.setpoints
    setpoints = Setpoints(
        chargers_a={c.name: 0.0 for c in inputs.snapshot.chargers if c.steerable and c.plugged},
        export_limit_w=before.export_limit_w,
        reason=Reason.OFF_GRID,
    )
    memory = replace(inputs.memory, setpoints=setpoints, mode_since_s=inputs.monotonic_s)
    return Decision(setpoints, memory, GridLimits())


# -- batteries --


@dataclass(frozen=True, slots=True)
class _BatteryTick:
    """What each battery is asked for, which rule decided, since when the mode holds, what staying in it
    has cost so far, and in which direction the batteries moved last."""

    shares: Mapping[str, int]
    reason: Reason
    since_s: float
    regret: float
    direction: int


@dataclass(frozen=True, slots=True)
class _Weighed:
    """What the value of stored energy asks for (``power_w`` None: what the inverters do by themselves), and
    what any other power would earn."""

    power_w: float | None
    own_w: float
    per_h: Callable[[float], float]

    def earns(self, power_w: float | None) -> float:
        """Currency units an hour."""
        return self.per_h(self.own_w if power_w is None else power_w)


def _new_prices_last_h(tick: _Tick) -> float:
    """How long prices and values that have just changed hold; 0 while they are the same, for then the sun or the
    load has changed, and may change again."""
    if tick.terms is None or not _renewed(tick):
        return 0.0
    left_s = (tick.terms.interval.end - tick.inputs.now).total_seconds()
    return max(left_s, LEAST_HELD_S) / 3600


def _renewed(tick: _Tick) -> bool:
    """Whether this decision or the one before it is the first by these prices and values."""
    worth, before = _worth(tick.terms), tick.inputs.memory.worth
    return any(w is not None and w != worth for w in before)


def _worth(terms: IntervalTerms | None) -> Worth | None:
    return None if terms is None else (terms.import_price, terms.export_price, terms.value)


def _sign(power_w: float) -> int:
    return (power_w > 0) - (power_w < 0)


def _lost_by_staying(new: Target, old: Target, weighed: _Weighed | None) -> float:
    """What staying with the old costs an hour; without values there is nothing to compare: at once."""
    if weighed is None or Reason.NOT_FOR_CAR in (new.reason, old.reason):
        return math.inf
    return weighed.earns(new.power_w) - weighed.earns(old.power_w)


def _batteries(tick: _Tick, coming_w: float) -> _BatteryTick:
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
        # The owner's hold needs no measurement; all else does.
        kept = Target(0, Reason.HOLD) if tick.held else Target(None, Reason.NOT_MEASURED)
        shares = {b.name: 0 for b in home.batteries} if tick.held else {}
    else:
        weighed = _weighed(tick, without_w)
        new = _target(tick, without_w, coming_w, weighed)
        lost_per_h = _lost_by_staying(new, old, weighed)
        damping = damping.after(new, old, lost_per_h, _new_prices_last_h(tick))
        kept = steady(new, old, damping, home, limits, coming_w)
        if kept.power_w is not None:
            shares = split(kept.power_w, home.batteries, limits.reserve_pct)
            before = memory.setpoints.batteries_w
            shares = steady_shares(shares, before, damping, home.batteries, limits.reserve_pct)
    stays = kept.mode == old.mode
    since_s = memory.mode_since_s if stays else at_s
    told_w = kept.power_w or 0
    direction = 0
    if kept.reason is Reason.DELIVERY:
        direction = _sign(told_w) or memory.direction
    return _BatteryTick(shares, kept.reason, since_s, damping.regret if stays else 0.0, direction)


def _target(tick: _Tick, without_w: float, coming_w: float, weighed: _Weighed | None) -> Target:
    """What the batteries together should do now, inside every limit."""
    power_w, reason = _wanted(tick, without_w, weighed)
    most_w = _beside_car_w(tick, without_w)
    if reason is not Reason.DELIVERY and (without_w if power_w is None else power_w) > most_w:
        power_w, reason = most_w, Reason.NOT_FOR_CAR
    if power_w is None:
        low = any(at_reserve(b, tick.limits.reserve_pct) for b in tick.home.batteries)
        tightening = tick.inputs.tightening
        if not low and tightening == Tightening():
            return Target(None, reason)
        # Released, an inverter would go below our reserve, or does not keep a limit: it is told what
        # it should do by itself.
        power_w, reason = without_w, Reason.RESERVE if low else reason
    power_w, why = within(power_w, tick.home, tick.limits, coming_w)
    return Target(round(power_w), why or reason)


def _beside_car_w(tick: _Tick, without_w: float) -> float:
    """The most that the batteries may give so that no car gets it from them, W.

    What was stored has been converted once already, and would be again: only where a value says that it is
    worth it, and the user lets it, a car is charged from the battery.
    """
    car_w = tick.inputs.snapshot.charger_w or 0.0
    valued = tick.terms is not None and tick.terms.value is not None
    if car_w <= LEAST_CAR_W or (valued and tick.inputs.settings.car_from_battery):
        return math.inf
    return max(0.0, without_w - car_w)


def _not_turned(tick: _Tick, without_w: float, power_w: float, left_s: float) -> float:
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


def _wanted(tick: _Tick, without_w: float, weighed: _Weighed | None) -> tuple[float | None, Reason]:
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


def _weighed(tick: _Tick, without_w: float) -> _Weighed | None:
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

    return _Weighed(None if near else power_w, own_w, per_h)


# -- cars --


def _chargers(tick: _Tick) -> _CarTick:
    """Amperes for each charger; none where no car stands."""
    inputs, home = tick.inputs, tick.home
    memory, control, at = inputs.memory, inputs.control, inputs.monotonic_s
    spent = inputs.settings.charge_now and (memory.charge_now_spent or _all_left(tick))
    specs = {c.name: charging.spec_of(c, control) for c in home.chargers if c.plugged}
    least_w = min((spec.min_power_w for spec in specs.values()), default=0.0)
    held_w, sun = held_back_w(
        memory.sun,
        inputs.snapshot.pv_w,
        at,
        by=held(
            inputs.snapshot,
            tick.limits.feed_in_w,
            memory.setpoints,
            keeps_export=inputs.keeps_export,
        ),
        cars_w=home.charger_w or 0.0,
        least_w=least_w,
    )
    if not specs:
        return _CarTick({}, memory.contactors, sun, spent)
    if inputs.settings.charge_now and not spent:
        wanted = {
            name: charging.at_full_power(spec, priced=False, urgent=True)
            for name, spec in specs.items()
        }
    else:
        wanted = _by_value(tick, specs, held_w)
    rules = charging.SwitchRules(
        control.car_dwell_s,
        control.car_start_cost,
        sunny=(inputs.snapshot.pv_w or 0.0) >= LEAST_SUN_W,
    )
    contactors, rested = dict(memory.contactors), {}
    for name, spec in specs.items():
        before = contactors.get(name, ContactorMemory())
        share = wanted.get(name, charging.Share(0.0, 0.0))
        rested[name], contactors[name] = charging.rested(before, share, spec, at, rules)
    by_value = [name for name in wanted if name in rested]
    ordered = {name: rested[name] for name in (*by_value, *(n for n in rested if n not in wanted))}
    yielding_w = charging.yielding_w(
        home,
        urgent=any(share.urgent for share in wanted.values()),
        from_battery=inputs.settings.car_from_battery,
    )
    given = charging.fused_a(ordered, home, tick.limits.import_limit_w, control, yielding_w)
    given = fused_a(
        {name: given[name] for name in ordered if name in given},
        inputs.snapshot,
        specs,
        {c.name: c.power_w or 0.0 for c in home.chargers},
        control,
        FuseMargin(tick.limits.phase_tighter_w, yielding_w),
    )
    amperes = {c.name: given.get(c.name, 0.0) for c in home.chargers}
    for name in specs:  # also one that the fuse gives back what it took
        if amperes[name] > memory.setpoints.chargers_a.get(name, 0.0):
            contactors[name] = replace(contactors[name], raised_s=at)
    return _CarTick(amperes, contactors, sun, spent)


def _by_value(
    tick: _Tick, specs: Mapping[str, ChargerAssumptions], held_w: float
) -> dict[str, charging.Share]:
    """By the value of another Wh in each car against the present price, dearest first.

    A car whose wish no plan knows (none yet, or made before it came) charges at full power from its latest
    start on; so do all where a price is not known: rather ready than short.
    """
    inputs, terms = tick.inputs, tick.terms
    needs = charging.needs(tick.home.chargers, inputs.settings, inputs.control, inputs.now)
    if tick.position_wh > 0:  # what was sold is not the cars'
        needs = {n: replace(need, more_wh=0.0) for n, need in needs.items() if need.energy_wh > 0}
    curves = terms.car_values if terms else {}
    late = {name for name, need in needs.items() if charging.late(need, inputs.now)}
    moment = tick.dispatch_inputs(tick.home.without_car_w or 0.0, None)
    unplanned = [n for n, need in needs.items() if need.energy_wh > 0 and n not in curves]
    full = {n for n in unplanned if n in late}
    if moment is None:
        full |= {n for n, need in needs.items() if need.energy_wh > 0 and n in curves}
    shares = {
        n: charging.at_full_power(specs[n], priced=True, urgent=n in late)
        for n in needs
        if n in full
    }
    if moment is None or not tick.inputs.order:
        return shares
    taken_w = sum(specs[n].max_power_w for n in full)
    moment = replace(moment, net_load_w=moment.net_load_w + taken_w)
    open_ones = [need for n, need in needs.items() if n not in full]
    on = frozenset(n for n, memory in inputs.memory.contactors.items() if memory.charging)
    cars_now = CarsNow(
        moment,
        _stored_now(tick),
        held_w,
        tick.limits.feed_in_w,
        on,
        inputs.settings.car_from_battery,
    )
    steps = charging.Steps(specs, moment.import_limit_w is not None, late)
    chosen = charging.shares(choices(open_ones, curves, cars_now), needs, steps)
    return shares | charging.shared_out(chosen, steps, moment)


def _stored_now(tick: _Tick) -> StoredNow | None:
    """The batteries beside the cars; None without any, or while they are held or not known."""
    control, terms = tick.inputs.control, tick.terms
    batteries = tick.home.batteries
    spec = combined(batteries, control.battery, tick.limits.reserve_pct)
    held_wh = stored_wh(batteries)
    if terms is None or terms.value is None or spec is None or held_wh is None or tick.held:
        return None
    room_w = max(0.0, spec.capacity_wh - held_wh) / _FILLS_H  # near full it takes little
    return StoredNow(
        terms.value, held_wh, replace(spec, max_charge_w=min(spec.max_charge_w, room_w))
    )


def _all_left(tick: _Tick) -> bool:
    """Whether the car for which the user said 'charge now' has left: the next has the usual wish."""
    chargers = tick.inputs.snapshot.chargers
    return bool(chargers) and all(c.plugged is False for c in chargers)
