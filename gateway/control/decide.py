"""The decision of one tick: snapshot, order and limits in; setpoints, their reason and a memory out.

Missing input has a defined action, never 'keep the last value': it releases, or asks for the least.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from gateway.control import battery_decision, car_decision, charging, heat_decision
from gateway.control.heat_claim import beside_heaters
from gateway.control.heat_decision import HeatTick
from gateway.control.inputs import ControlMemory, Decision, DecisionInputs
from gateway.control.limits import (
    export_limit_w,
    grid_limits,
    import_spent,
    limits_of,
    pv_limits_w,
    steered,
)
from gateway.control.throttled import at_limit
from gateway.control.tick import Tick
from gateway.domain.control import GridLimits, Reason, Setpoints

FREED_S = 30.0  # an inverter that may give more does so within this, and a meter that lags shows it


def decide(inputs: DecisionInputs) -> Decision:
    """The setpoints of this tick. Without terms for the present interval there is nothing to follow."""
    if inputs.snapshot.off_grid:
        return _alone(inputs)
    tick, curtail = _tick(inputs)
    cars = car_decision.chargers(beside_heaters(tick))
    coming_w = charging.coming_w(
        cars.amperes, tick.home, cars.contactors, inputs.control, inputs.monotonic_s
    )
    heat = heat_decision.heaters(tick, coming_w, cars.held_back_w)
    held_s = _sun_held_s(inputs)
    near = inputs.monotonic_s - held_s < FREED_S
    given_w = heat_decision.falls_w(inputs.snapshot, heat)  # no battery stands in for that
    rises_w = heat_decision.rises_w(tick, heat)
    # A car gets what the battery gives it beyond the import limit once the meter shows it: the battery goes first.
    risen_w = max(0.0, coming_w + rises_w - given_w) + cars.help_w
    stored = battery_decision.batteries(tick, risen_w)
    kept = grid_limits(inputs, curtail=curtail)
    setpoints = Setpoints(
        batteries_w=stored.shares,
        chargers_a=cars.amperes,
        charger_phases={name: 1 for name, memory in cars.phases.items() if memory.one},
        pv_limits_w=_pv_limits_w(
            tick, heat, stored.shares, near=near, coming_w=coming_w if curtail else 0.0
        ),
        export_limit_w=export_limit_w(inputs, kept.feed_in_w),
        reserve_pct=math.ceil(inputs.settings.reserve_pct),
        reason=stored.reason,
        phase_reasons={n: memory.why for n, memory in cars.phases.items() if memory.why},
        heaters_w=heat.heaters_w,
        sg_ready=heat.sg_ready,
        heat_reasons=heat.reasons,
    )
    memory = ControlMemory(
        setpoints,
        stored.since_s,
        cars.contactors,
        cars.phases,
        cars.spent,
        cars.sun,
        stored.regret,
        inputs.monotonic_s,
        stored.direction,
        (inputs.memory.worth[-1], battery_decision.worth_of(tick.terms)),
        held_s,
        heat.memories,
    )
    return Decision(
        setpoints,
        memory,
        kept,
        import_spent(setpoints, tick.home, tick.limits),
    )


def _tick(inputs: DecisionInputs) -> tuple[Tick, bool]:
    """What follows from the inputs alone, and whether the sun's surplus costs money and is held back."""
    order, settings = inputs.order, inputs.settings
    terms = order.at(inputs.now) if order else None
    position_wh = 0 if terms is None or settings.battery == "hold" else terms.position_wh
    price = terms.export_price if terms else None
    if terms is not None and terms.export_assumed:
        price = None  # no sun is held back for a price that nobody has published
    curtail = price is not None and price < 0 and position_wh <= 0
    # What was sold is delivered from what there is: only what was not may be kept back.
    resale = order is None or order.resellable or position_wh > 0
    limits = limits_of(inputs, curtail=curtail, resale=resale)
    home = steered(inputs.snapshot, inputs.control)
    return Tick(inputs, order, terms, position_wh, home, limits), curtail


def _pv_limits_w(
    tick: Tick, heat: HeatTick, told_w: Mapping[str, int], *, near: bool, coming_w: float
) -> dict[str, int]:
    """The most that each inverter may feed into the home; all else as `limits.pv_limits_w` has it."""
    inputs = tick.inputs
    if _is_paid_to_import(tick):
        return {i.name: 0 for i in inputs.snapshot.inverters if i.limitable}
    if inputs.keeps_export and inputs.tightening.export_w <= 0:  # else it says so, but does not
        return {}
    snapshot = heat_decision.falling(inputs.snapshot, heat)
    before = inputs.memory.setpoints
    return pv_limits_w(snapshot, tick.limits, before, told_w, near=near, coming_w=coming_w)


def _sun_held_s(inputs: DecisionInputs) -> float:
    """When an inverter was last at what it was told to give at most (monotonic, s).

    Once it is, how much the panels would give is not known: where a load comes the limit rises with it, and is not
    let go at once, or all the sun would go out until the next tick, or for as long as a meter lags.
    """
    before = inputs.memory.setpoints
    return inputs.monotonic_s if at_limit(inputs.snapshot, before) else inputs.memory.held_s


def _is_paid_to_import(tick: Tick) -> bool:
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
    ours would darken it. Only the export limit and the devices' own reserve stay as they are: both are void without a
    grid, and kept in flash.
    """
    before = inputs.memory.setpoints
    setpoints = Setpoints(
        chargers_a={c.name: 0.0 for c in inputs.snapshot.chargers if c.steerable and c.plugged},
        charger_phases=before.charger_phases,
        export_limit_w=before.export_limit_w,
        heaters_w={h.name: 0 for h in inputs.snapshot.heaters if h.steerable and not h.pump},
        reserve_pct=before.reserve_pct,
        reason=Reason.OFF_GRID,
        phase_reasons=before.phase_reasons,
    )
    memory = replace(inputs.memory, setpoints=setpoints, mode_since_s=inputs.monotonic_s)
    return Decision(setpoints, memory, GridLimits())
