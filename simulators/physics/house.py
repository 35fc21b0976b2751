"""The physics of the home: battery, hybrid inverter, car and meter, one step at a time. Pure.

Within one step every power is constant, so energies are exact and ``load + ev + losses + change of stored
energy = pv + import - export`` up to the rounding of floats (`imbalance_wh`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from simulators.physics.values import (
    MIN_CURRENT_A,
    VOLTAGE_V,
    AtBox,
    BoxCommands,
    BoxState,
    Commands,
    House,
    Inputs,
    Inverter,
    Powers,
    State,
    Totals,
    soc_pct,
)


def _battery_bounds(
    house: House, state: State, commands: Commands, hours: float
) -> tuple[float, float]:
    """Lowest (most charge) and highest (most discharge) terminal power that cells allow, in W."""
    battery = house.battery
    soc = soc_pct(house, state)
    charge = battery.max_charge_w
    if soc > battery.taper_from_pct:
        part = min(1.0, (soc - battery.taper_from_pct) / (100.0 - battery.taper_from_pct))
        charge *= 1 - part * (1 - battery.taper_to)
    room_wh = max(0.0, battery.capacity_wh - state.stored_wh)
    charge = min(charge, room_wh / battery.charge_efficiency / hours)
    floor_pct = max(battery.min_soc_pct, min(100.0, commands.reserve_pct))
    spare_wh = max(0.0, state.stored_wh - battery.capacity_wh * floor_pct / 100.0)
    discharge = min(battery.max_discharge_w, spare_wh * battery.discharge_efficiency / hours)
    return -charge, discharge


def _allowed_range(
    commands: Commands, cells: tuple[float, float], own_w: float
) -> tuple[float, float]:
    """The cells' range cut by the external limits; a forced direction wins over the other limit.

    ``own_w`` is the sun that it may store without the grid's help.
    """
    low, high = cells
    ask_low = -commands.charge_limit_w if commands.charge_limit_w is not None else low
    ask_high = commands.discharge_limit_w if commands.discharge_limit_w is not None else high
    if not commands.grid_charge:
        low = max(low, -own_w)
    low, high = min(low, 0.0), max(high, 0.0)
    new_low = min(max(low, ask_low), high)
    new_high = max(min(high, ask_high), low)
    if new_low > new_high:  # contradictory limits: rest
        return 0.0, 0.0
    return new_low, new_high


def _to_ac(inverter: Inverter, dc_w: float) -> float:
    ac = dc_w * inverter.efficiency if dc_w >= 0 else dc_w / inverter.efficiency
    return ac - inverter.idle_w


def _to_dc(inverter: Inverter, ac_w: float) -> float:
    ac = ac_w + inverter.idle_w
    return ac / inverter.efficiency if ac >= 0 else ac * inverter.efficiency


def _dispatch(
    house: House, state: State, commands: Commands, inputs: Inputs, demand_w: float, hours: float
) -> tuple[float, float, float]:
    """PV, battery (DC) and inverter (AC) power: self-consumption within the commands' limits."""
    inverter = house.inverter
    if not commands.connected:
        return 0.0, 0.0, -inverter.idle_w
    pv = inputs.pv_w
    cells = _battery_bounds(house, state, commands, hours)
    own_w = pv + max(0.0, -demand_w) if house.ac_coupled else pv
    low, high = _allowed_range(commands, cells, own_w)
    wanted_w = demand_w - (commands.grid_power_w or 0.0)
    if commands.ac_power_w is not None:
        wanted_w = commands.ac_power_w
    battery = min(high, max(low, _to_dc(inverter, wanted_w) - pv))
    lowest_dc = _to_dc(inverter, -inverter.ac_rating_w)
    if pv + battery < lowest_dc:
        battery = lowest_dc - pv
    cap = inverter.ac_rating_w
    if commands.pv_limit_w is not None:
        cap = min(cap, max(0.0, commands.pv_limit_w))
    if commands.ac_power_w is not None:
        cap = min(cap, max(0.0, commands.ac_power_w))
    if commands.export_limit_w is not None:
        cap = min(cap, demand_w + max(0.0, commands.export_limit_w))
    excess = pv + battery - _to_dc(inverter, cap)
    if excess > 0:  # the battery gives way first, then the panels
        give = min(excess, max(0.0, battery - min(low, 0.0)) if low <= 0 else battery)
        battery -= give
        curtailed = min(pv, excess - give)
        pv -= curtailed
    return pv, battery, _to_ac(inverter, pv + battery)


def _alone(
    house: House, state: State, commands: Commands, inputs: Inputs, demand_w: float, hours: float
) -> tuple[float, float, float] | None:
    """PV, battery and AC power without a grid; None where that is not enough: then it is dark.

    What was asked of the battery holds on: one that is held at 0 W lights nothing.
    """
    inverter = house.inverter
    cells = _battery_bounds(house, state, commands, hours)
    low, high = _allowed_range(commands, cells, inputs.pv_w)
    needed = _to_dc(inverter, demand_w)
    if not commands.connected or needed > inputs.pv_w + high or demand_w > inverter.ac_rating_w:
        return None
    battery = max(low, needed - inputs.pv_w)
    return needed - battery, battery, demand_w


def _car_power(at: AtBox | None, stored_wh: float, box: BoxCommands, hours: float) -> float:
    """AC power into the car at a charger, W."""
    if at is None or not at.takes or box.current_a < MIN_CURRENT_A:
        return 0.0
    car = at.car
    current = min(box.current_a, car.max_current_a)
    soc = 100.0 * stored_wh / car.capacity_wh
    if soc > car.taper_from_pct:
        part = min(1.0, (soc - car.taper_from_pct) / (100.0 - car.taper_from_pct))
        current = min(current, car.max_current_a * (1 - part * (1 - car.taper_to)))
    room_w = (car.capacity_wh - stored_wh) / car.charge_efficiency / hours
    return max(0.0, min(current * min(box.phases, car.phases) * VOLTAGE_V, room_w))


def _boxes(state: State, commands: Commands, inputs: Inputs, hours: float) -> tuple[BoxState, ...]:
    """The further chargers after the step."""
    after = []
    for i, at in enumerate(inputs.boxes):
        before = state.boxes[i] if i < len(state.boxes) else BoxState()
        box = commands.boxes[i] if i < len(commands.boxes) else BoxCommands()
        power = _car_power(at, before.car_stored_wh, box, hours)
        gained = power * hours * at.car.charge_efficiency if at else 0.0
        got = power * hours
        session = before.session_wh + got if at else 0.0
        stored, total = before.car_stored_wh + gained, before.total_wh + got
        after.append(BoxState(power, stored, session, at is not None, total))
    return tuple(after)


# What each total gains in an hour.
_GAINS: Mapping[str, Callable[[Powers], float]] = {
    "pv": lambda p: p.pv,
    "load": lambda p: p.load,
    "ev": lambda p: p.ev,
    "grid_import": lambda p: max(0.0, p.grid),
    "grid_export": lambda p: max(0.0, -p.grid),
    "charge": lambda p: max(0.0, -p.battery),
    "discharge": lambda p: max(0.0, p.battery),
    "inverter_out": lambda p: max(0.0, p.inverter_ac),
    "inverter_in": lambda p: max(0.0, -p.inverter_ac),
    "losses": lambda p: p.losses,
    "curtailed": lambda p: p.pv_possible - p.pv + p.ac_pv_possible - p.ac_pv,
    "boxes": lambda p: p.boxes_w,
    "ac_pv": lambda p: p.ac_pv,
    "storage_out": lambda p: max(0.0, p.storage),
    "storage_in": lambda p: max(0.0, -p.storage),
}


def _advance(totals: Totals, powers: Powers, hours: float) -> Totals:
    after = {n: getattr(totals, n) + gain(powers) * hours for n, gain in _GAINS.items()}
    return Totals(**after)


def step(house: House, state: State, commands: Commands, inputs: Inputs, dt_s: float) -> State:
    """The home ``dt_s`` seconds later (positive); all powers are constant meanwhile."""
    hours = dt_s / 3600.0
    battery_spec = house.battery
    at = (inputs.car or AtBox(house.car)) if inputs.car_plugged else None
    box = BoxCommands(
        commands.charge_current_a if commands.charger_enabled else 0.0, commands.charge_phases
    )
    ev = _car_power(at, state.car_stored_wh, box, hours)
    boxes = _boxes(state, commands, inputs, hours)
    others = sum(b.power_w for b in boxes)
    limit_w = commands.ac_pv_limit_w
    ac_pv = inputs.ac_pv_w if limit_w is None else min(inputs.ac_pv_w, max(0.0, limit_w))
    load, storage = inputs.load_w, inputs.storage_w
    demand = load + ev + others - ac_pv - storage
    if inputs.outage:
        lit = _alone(house, state, commands, inputs, demand, hours)
        if lit is None:
            load = ev = others = ac_pv = storage = demand = 0.0
            boxes = tuple(replace(b, power_w=0.0) for b in state.boxes)
        pv, battery, ac = lit or (0.0, 0.0, 0.0)
    else:
        pv, battery, ac = _dispatch(house, state, commands, inputs, demand, hours)
    standby = min(battery_spec.standby_w, state.stored_wh / hours)
    if battery >= 0:
        cells = battery / battery_spec.discharge_efficiency
    else:
        cells = battery * battery_spec.charge_efficiency
    drain = min(cells + standby, state.stored_wh / hours)
    losses = (pv + battery - ac) + (drain - battery)
    powers = Powers(
        pv=pv,
        pv_possible=inputs.pv_w,
        battery=battery,
        inverter_ac=ac,
        load=load,
        ev=ev,
        grid=demand - ac,
        losses=losses,
        boxes_w=others,
        ac_pv=ac_pv,
        ac_pv_possible=inputs.ac_pv_w,
        storage=storage,
    )
    efficiency = at.car.charge_efficiency if at else 0.0
    return State(
        stored_wh=state.stored_wh - drain * hours,
        car_stored_wh=state.car_stored_wh + ev * efficiency * hours,
        session_wh=state.session_wh + ev * hours if inputs.car_plugged else 0.0,
        car_plugged=inputs.car_plugged,
        boxes=boxes,
        powers=powers,
        totals=_advance(state.totals, powers, hours),
        boiler=state.boiler,
        pump=state.pump,
        storage_wh=state.storage_wh,
    )
