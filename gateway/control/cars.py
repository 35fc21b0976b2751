"""Which car charges how much now: each by what another Wh in it is worth, beside the battery.

The cars are asked in turn, the one whose Wh is worth most first; each sees what those before it take. What
a car takes from the sun the battery cannot store: that is part of its price. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.control.economics import DispatchInputs, battery_power_w
from gateway.domain.plan import BatterySpec, CarNeed, ValueCurve

_NOT_ENOUGH_PER_H = (
    0.5  # what it counts as an hour if a car charges with less surplus than its owner wants
)
_STAYS = 0.1  # of the price of import: so much more a Wh in another car must be worth
_PER_H = 1e-6  # W times a price per MWh in currency units an hour


@dataclass(frozen=True, slots=True)
class StoredNow:
    """The batteries as one: what their energy is worth, what they hold (Wh), and what they can."""

    curve: ValueCurve
    stored_wh: float
    spec: BatterySpec


@dataclass(frozen=True, slots=True)
class CarsNow:
    """The home as the cars find it; ``inputs.net_load_w`` is load minus PV, without them and the battery.

    ``held_back_w`` is sun that only flows if it is drawn. ``feed_in_w`` is the most that may be fed in: what
    is beyond earns nothing. ``charging`` are those that charge now: they are not left for another that is
    worth hardly more. ``from_battery``: the battery may feed them. ``help_w``: so much it can give them beyond the import limit.
    """

    inputs: DispatchInputs
    battery: StoredNow | None = None
    held_back_w: float = 0.0
    feed_in_w: float | None = None
    charging: frozenset[str] = frozenset()
    from_battery: bool = False
    help_w: float = 0.0


@dataclass(frozen=True, slots=True)
class CarChoice:
    """``power_w`` is best now (0: waiting is), ``charging_w`` the best of those that charge.

    ``gain_per_h`` is what that earns against waiting, currency units an hour. ``by_sun``: it would not
    charge from the grid alone.
    """

    name: str
    power_w: float
    charging_w: float
    gain_per_h: float
    by_sun: bool


def worth(need: CarNeed, curve: ValueCurve | None) -> float:
    """What another Wh in it is worth, per MWh. The curve ends at what was wanted when it was made."""
    value = need.more_value if need.more_wh > 0 else -math.inf
    if need.energy_wh > 0 and curve is not None:
        value = max(value, curve.at(max(curve.stored_wh[-1] - need.energy_wh, 0.0)))
    return value


def choices(
    needs: Sequence[CarNeed], curves: Mapping[str, ValueCurve], now: CarsNow
) -> list[CarChoice]:
    """What each should do now; those that can have nothing within the limit are not in it."""
    worths = [(worth(need, curves.get(need.name)), need) for need in needs]
    valued = [pair for pair in worths if pair[0] > -math.inf]
    made, taken_w, least_w = [], 0.0, 0.0
    limit_w = now.inputs.import_limit_w
    for value, need in sorted(valued, key=lambda pair: _rank(pair[0], pair[1], now)):
        left = replace(
            now.inputs,
            net_load_w=now.inputs.net_load_w + taken_w,
            # Under the fuse each has its least before one has more; who gets the rest `filled` says.
            import_limit_w=None if limit_w is None else limit_w + taken_w - least_w,
        )
        choice = _choice(value, need, curves.get(need.name), replace(now, inputs=left))
        if choice is not None:
            made.append(choice)
            taken_w += choice.power_w
            least_w += need.min_power_w if choice.power_w else 0.0
    return made


def _rank(value: float, need: CarNeed, now: CarsNow) -> float:
    """Falls with the value, in steps: cars of hardly different value keep their order.

    One that charges already is a step before its like.
    """
    step = max(_STAYS * abs(now.inputs.import_price), 1.0)
    return -round(value / step) - (need.name in now.charging)


def gain_of(value: float, need: CarNeed, curve: ValueCurve | None, now: CarsNow) -> float:
    """What its best power earns against waiting, currency units an hour; 0 where none is possible."""
    choice = _choice(value, need, curve, now)
    return 0.0 if choice is None else choice.gain_per_h


def _choice(
    value: float, need: CarNeed, curve: ValueCurve | None, now: CarsNow
) -> CarChoice | None:
    inputs = now.inputs
    limit_w = inputs.import_limit_w
    # Without the battery's help.
    alone_w = math.inf if limit_w is None else limit_w - inputs.net_load_w
    most_w = min(need.max_power_w, alone_w + now.help_w)
    if most_w < need.min_power_w:
        return None
    surplus_w = now.held_back_w - inputs.net_load_w
    least_w = need.min_power_w
    kinks = {surplus_w, most_w, least_w, alone_w}
    if now.battery is not None:
        spec = now.battery.spec
        kinks |= {surplus_w - spec.max_charge_w, surplus_w + spec.max_discharge_w}
    powers = sorted(min(max(w, least_w), most_w) for w in kinks)
    waiting = _rest(0.0, now)
    gains = [(value * w + _rest(w, now) - waiting) * _PER_H for w in powers]
    best = max(range(len(powers)), key=gains.__getitem__)
    gain = gains[best]
    # Paid to import, it need not wait for sun, whose end it would be itself; unless that was asked for.
    paid = need.surplus_w == 0 and inputs.import_price < 0
    if surplus_w < need.surplus_w and not paid and not _wished(need, curve, value):
        gain = -max(abs(gain), _NOT_ENOUGH_PER_H)
    return CarChoice(
        name=need.name,
        power_w=powers[best] if gain > 0 else 0.0,
        charging_w=powers[best],
        gain_per_h=gain,
        by_sun=value < inputs.import_price,
    )


def _wished(need: CarNeed, curve: ValueCurve | None, value: float) -> bool:
    """Whether the value is that of the wish, and not only of more."""
    return need.energy_wh > 0 and curve is not None and value > need.more_value


def _rest(car_w: float, now: CarsNow) -> float:
    """What battery and grid earn beside a car that takes ``car_w`` (money a second, times a constant)."""
    inputs = now.inputs
    house_w = inputs.net_load_w
    net_w = house_w + car_w - now.held_back_w
    battery_w = stored = 0.0
    if now.battery is not None:
        spec = now.battery.spec
        at = replace(inputs, net_load_w=net_w, import_limit_w=None)
        battery_w = battery_power_w(now.battery.curve, now.battery.stored_wh, at, spec)
        if battery_w > 0 and not now.from_battery:  # it is there for the house
            battery_w = min(battery_w, max(0.0, house_w))
        if now.help_w and inputs.import_limit_w is not None:
            battery_w = max(battery_w, min(now.help_w, net_w - inputs.import_limit_w))
        value = now.battery.curve.at(now.battery.stored_wh)
        stored = value * spec.change_wh(battery_w, 1.0) - max(battery_w, 0.0) * spec.wear_per_mwh
    grid_w = net_w - battery_w
    if grid_w < 0 and now.feed_in_w is not None:
        grid_w = max(grid_w, -max(0.0, now.feed_in_w))
    return stored - grid_w * (inputs.import_price if grid_w > 0 else inputs.export_price)
