"""What is true in the simulated home, by name, as registers may show it. W, Wh, V, A, %, Hz; NaN when blind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import nan

from simulators.devices.view import View
from simulators.physics.values import PHASES, VOLTAGE_V

STRINGS = ((0.58, 412.0), (0.42, 366.0))  # the panels' inputs: share of the power, volts
BATTERY_V = 410.0


def _seen(view: View, value: float) -> float:
    return nan if view.blind else value


def _string_w(view: View, which: int) -> float:
    return view.powers().pv * STRINGS[which][0]


def _car_a(view: View, phase: int) -> float:
    """The car's current from one phase; on fewer than all it is on the first."""
    on = min(view.home.commands.charge_phases, view.home.house.car.phases)
    return view.powers().ev / on / VOLTAGE_V if phase <= on else 0 * view.powers().ev


def _tank(view: View, which: str, what: str) -> float:
    """Of the boiler's or the heat pump's tank; NaN where the home has none."""
    tank = getattr(view.home.state(), which)
    return nan if tank is None else _seen(view, getattr(tank, what))


def _count(what: str, view: View) -> float:
    return view.counter(what)


# Counters of a lifetime: name -> the view's. They show complete steps, and wrap.
COUNTERS: Mapping[str, str] = {
    "pv_wh": "pv",
    "charge_wh": "charge",
    "discharge_wh": "discharge",
    "import_wh": "grid_import",
    "export_wh": "grid_export",
    "inverter_out_wh": "inverter_out",
    "car_wh": "charger",
}
TRUTHS: Mapping[str, Callable[[View], float]] = {
    "pv_w": lambda v: v.powers().pv,
    "pv_1_w": lambda v: _string_w(v, 0),
    "pv_2_w": lambda v: _string_w(v, 1),
    "pv_1_v": lambda v: _seen(v, STRINGS[0][1]),
    "pv_2_v": lambda v: _seen(v, STRINGS[1][1]),
    "pv_1_a": lambda v: _string_w(v, 0) / STRINGS[0][1],
    "pv_2_a": lambda v: _string_w(v, 1) / STRINGS[1][1],
    "battery_w": lambda v: v.powers().battery,  # discharge +
    "charge_w": lambda v: max(0.0, -v.powers().battery) + 0 * v.powers().battery,
    "discharge_w": lambda v: max(0.0, v.powers().battery) + 0 * v.powers().battery,
    "battery_v": lambda v: _seen(v, BATTERY_V),
    "battery_a": lambda v: v.powers().battery / BATTERY_V,
    "battery_size_a": lambda v: abs(v.powers().battery) / BATTERY_V,
    "soc_pct": lambda v: v.soc_pct(),
    "capacity_wh": lambda v: v.home.house.battery.capacity_wh,
    "stored_wh": lambda v: v.soc_pct() / 100 * v.home.house.battery.capacity_wh,
    "max_charge_w": lambda v: v.home.house.battery.max_charge_w,
    "max_discharge_w": lambda v: v.home.house.battery.max_discharge_w,
    "ac_w": lambda v: v.powers().inverter_ac,  # out of the inverter +
    "ac_phase_w": lambda v: v.powers().inverter_ac / PHASES,
    "rating_w": lambda v: v.home.house.inverter.ac_rating_w,
    "grid_w": lambda v: v.powers().grid,  # import +
    "grid_phase_w": lambda v: v.powers().grid / PHASES,
    "grid_phase_a": lambda v: v.powers().grid / PHASES / VOLTAGE_V,
    "grid_phase_size_a": lambda v: abs(v.powers().grid) / PHASES / VOLTAGE_V,
    "import_w": lambda v: max(0.0, v.powers().grid) + 0 * v.powers().grid,
    "export_w": lambda v: max(0.0, -v.powers().grid) + 0 * v.powers().grid,
    "load_w": lambda v: v.powers().load + v.powers().ev + v.powers().boxes_w,
    "load_phase_w": lambda v: (v.powers().load + v.powers().ev + v.powers().boxes_w) / PHASES,
    "line_v": lambda v: _seen(v, VOLTAGE_V),
    "frequency_hz": lambda v: v.frequency_hz(),
    "car_w": lambda v: v.powers().ev,
    "car_phase_w": lambda v: v.powers().ev / PHASES,
    "car_phase_a": lambda v: v.powers().ev / PHASES / VOLTAGE_V,
    **{f"car_l{n}_a": partial(_car_a, phase=n) for n in (1, 2, 3)},
    "car_current_a": lambda v: v.home.commands.charge_current_a,  # what it is allowed
    "car_plugged": lambda v: float(v.home.state().car_plugged),
    "rod_w": lambda v: _tank(v, "boiler", "power_w"),
    "boiler_c": lambda v: _tank(v, "boiler", "temperature_c"),
    "pump_w": lambda v: _tank(v, "pump", "power_w"),
    "pump_tank_c": lambda v: _tank(v, "pump", "temperature_c"),
    "sg_ready": lambda v: _seen(v, v.home.commands.sg_ready),
    "session_wh": lambda v: v.home.state().session_wh,
    **{name: partial(_count, what) for name, what in COUNTERS.items()},
}
# States as words, and which there are.
WORDS: Mapping[str, tuple[str, ...]] = {
    "inverter_state": ("running", "throttled", "standby", "off_grid"),
    "battery_direction": ("charging", "discharging", "resting"),
    "grid_direction": ("importing", "exporting", "balanced"),
    "car_state": ("none", "waiting", "charging", "paused"),
}


def word(view: View, name: str) -> str:
    """The state that is true now."""
    home = view.home
    powers = home.powers()
    if name == "battery_direction":
        return _direction(powers.battery, "discharging", "charging", "resting")
    if name == "grid_direction":
        return _direction(powers.grid, "importing", "exporting", "balanced")
    if name == "car_state":
        if not home.state().car_plugged:
            return "none"
        if powers.ev > 0:
            return "charging"
        wanted = home.commands.charger_enabled and home.commands.charge_current_a >= 6
        return "waiting" if wanted else "paused"
    if home.alone:
        return "off_grid"
    if powers.pv_possible - powers.pv > 20:
        return "throttled"
    return "running" if powers.pv > 5 or abs(powers.battery) > 5 else "standby"


def _direction(watts: float, up: str, down: str, rest: str) -> str:
    if abs(watts) < 10:
        return rest
    return up if watts > 0 else down
