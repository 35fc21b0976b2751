"""Where energy goes at this moment: the value of stored energy against the present prices.

Called every tick, and by the planner and the backtest for the plan. It is exact, not a heap of cases:
what the home earns a second is piecewise linear in the power of a battery or car, so that the best
power is one of its kinks.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.plan import BatterySpec, ValueCurve

_WATTS_A_MW = 1e6
_NEVER = 1e9  # W; stands for 'no limit'


@dataclass(frozen=True, slots=True)
class DispatchInputs:
    """The home at this moment: prices per MWh, powers W.

    ``net_load_w`` is load minus PV without the battery. ``exportable_w`` is the most that the battery
    may feed into the grid (0 while all stored energy is of flat-night origin).
    """

    import_price: float
    export_price: float
    net_load_w: float
    export_limit_w: float | None = None
    import_limit_w: float | None = None
    exportable_w: float | None = None


def battery_power_w(
    curve: ValueCurve, stored_wh: float, inputs: DispatchInputs, spec: BatterySpec
) -> float:
    """The battery's best AC power at this moment, W, discharge +.

    Discharges where a Wh earns more than v / eta + wear, charges where it costs less than eta * v;
    within power, reserve, capacity, import and export limits. The import limit is kept even if
    storing energy is worth less than that; the reserve is kept always.
    """
    value = curve.at(stored_wh)
    low, high = _bounds(stored_wh, inputs, spec)
    net = inputs.net_load_w
    bends = [w for w, _ in spec.discharge_curve] + [-w for w, _ in spec.charge_curve]
    kinks = {low, high, *(min(max(w, low), high) for w in (0.0, net, *bends))}
    return max(sorted(kinks, key=abs), key=lambda p: _earned(p, value, inputs, spec))


def earned_per_h(
    power_w: float, curve: ValueCurve, stored_wh: float, inputs: DispatchInputs, spec: BatterySpec
) -> float:
    """What the home earns in an hour, currency units, while the battery gives ``power_w``, stored energy at its
    value."""
    return _earned(power_w, curve.at(stored_wh), inputs, spec) / _WATTS_A_MW


def _earned(power: float, value: float, inputs: DispatchInputs, spec: BatterySpec) -> float:
    """Money a second (times a constant) at battery power ``power``, with stored energy at ``value``."""
    grid = inputs.net_load_w - power
    cash = -grid * (inputs.import_price if grid > 0 else inputs.export_price)
    return cash - max(power, 0.0) * spec.wear_per_mwh + value * spec.change_wh(power, 1.0)


def _bounds(stored_wh: float, inputs: DispatchInputs, spec: BatterySpec) -> tuple[float, float]:
    """The smallest and largest allowed battery power, W."""
    net = inputs.net_load_w
    import_limit = _NEVER if inputs.import_limit_w is None else inputs.import_limit_w
    export_limit = _NEVER if inputs.export_limit_w is None else inputs.export_limit_w
    exportable = _NEVER if inputs.exportable_w is None else inputs.exportable_w
    can_charge = spec.max_charge_w if stored_wh < spec.capacity_wh else 0.0
    can_discharge = spec.max_discharge_w if stored_wh > spec.reserve_wh else 0.0
    low = max(-can_charge, min(0.0, net - import_limit))
    high = min(can_discharge, max(0.0, net + export_limit), max(0.0, net) + exportable)
    if net > import_limit:  # fuse before price: the battery must help
        low = min(net - import_limit, high)
    if -net > export_limit:  # more surplus than may leave: the battery takes what it can
        high = max(net + export_limit, low)
    return low, high
