"""Join the latest readings of all devices into one frozen Snapshot; a sum with a missing part is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gateway.domain.control import Control
from gateway.domain.metrics import PHASES
from gateway.domain.readings import (
    BatteryState,
    ChargerState,
    DeviceState,
    HeaterState,
    InverterState,
    Phase,
    Quality,
    Reading,
    Snapshot,
)
from gateway.site.island import off_grid
from gateway.site.roles import Roles, by_role, grid_value, has, having, meters

_FROM_PANELS = ("pv_power_w", "ac_power_w")
Controls = Mapping[str, Collection[Control]]


def join(
    time: datetime,
    devices: Mapping[str, DeviceState],
    *,
    dark: bool = False,
    roles: Roles | None = None,
    controls: Controls | None = None,
) -> Snapshot:
    """The home at ``time``. Only GOOD readings count; what a device does not have is not a gap.

    ``dark``: the sun is below the horizon for certain. An inverter without battery that sleeps then
    counts as 0 W; one that is silent by day, or might hold a battery, stays unknown. ``roles`` are
    those of the configuration, ``controls`` what each device can be asked (None: everything).
    Load is what the inverters feed into the home plus what the grid does; of one that does not tell
    its AC output, what its panels and battery give (conversion losses then count as load).
    """
    roles = roles or {}
    awake = tuple(_in_the_dark(s, time) if dark else s for s in devices.values())
    states = by_role(awake, roles)
    grid_w = grid_value(awake, "grid_power_w", roles)
    return Snapshot(
        time=time,
        devices=dict(devices),
        pv_w=_sum(states, "pv_power_w"),
        battery_w=_sum(states, "battery_power_w"),
        battery_soc_pct=_soc_pct(states),
        grid_w=grid_w,
        load_w=_load_w(states, grid_w),
        charger_w=_sum(states, "charger_power_w"),
        car_plugged=_plugged(states),
        car_session_wh=_sum(states, "charger_session_wh"),
        grid_import_wh=grid_value(awake, "grid_import_wh", roles),
        grid_export_wh=grid_value(awake, "grid_export_wh", roles),
        batteries=_batteries(states, controls),
        chargers=_chargers(states, controls),
        inverters=_inverters(states, controls),
        meters=meters(awake, roles),
        off_grid=off_grid(states),
        phases=_phases(awake, roles),
        heaters=_heaters(states, controls),
    )


def _phases(states: Sequence[DeviceState], roles: Roles) -> tuple[Phase, ...]:
    """Those that the meter of the connection tells; a home may have fewer than its meter could."""
    found = tuple(
        Phase(
            grid_value(states, f"grid_power_{n}_w", roles),
            grid_value(states, f"grid_current_{n}_a", roles),
        )
        for n in PHASES
    )
    return () if all(p == Phase(None, None) for p in found) else found


def _in_the_dark(state: DeviceState, time: datetime) -> DeviceState:
    if not state.asleep or has(state, "battery_power_w"):
        return state
    still = {m: Reading(m, 0.0, Quality.GOOD, time) for m in _FROM_PANELS if has(state, m)}
    return replace(state, readings={**state.readings, **still})


def _able(state: DeviceState, control: Control, controls: Controls | None) -> bool:
    return controls is None or control in controls.get(state.name, ())


def _batteries(
    states: Iterable[DeviceState], controls: Controls | None
) -> tuple[BatteryState, ...]:
    return tuple(
        BatteryState(
            name=s.name,
            power_w=s.number("battery_power_w"),
            soc_pct=s.number("battery_soc_pct"),
            capacity_wh=_stated(s, "battery_capacity_wh"),
            max_charge_w=_stated(s, "battery_max_charge_w"),
            max_discharge_w=_stated(s, "battery_max_discharge_w"),
            steerable=_able(s, Control.BATTERY_POWER, controls),
        )
        for s in states
        if has(s, "battery_power_w") or has(s, "battery_soc_pct")
    )


def _chargers(states: Iterable[DeviceState], controls: Controls | None) -> tuple[ChargerState, ...]:
    return tuple(_charger(s, controls) for s in having(states, "charger_state"))


def _charger(state: DeviceState, controls: Controls | None) -> ChargerState:
    said, steerable = state.text("charger_state"), _able(state, Control.CHARGE_CURRENT, controls)
    told = controls is not None and _able(state, Control.CHARGE_PHASES, controls)
    return ChargerState(
        name=state.name,
        power_w=state.number("charger_power_w"),
        plugged=None if said is None else said in ("plugged", "charging"),
        session_wh=state.number("charger_session_wh"),
        steerable=steerable,
        switchable=steerable and told,
    )


def _heaters(states: Iterable[DeviceState], controls: Controls | None) -> tuple[HeaterState, ...]:
    by = (Control.HEAT_POWER, Control.SG_READY)
    return tuple(
        HeaterState(
            name=s.name,
            power_w=s.number("heat_power_w"),
            temperature_c=s.number("heat_temperature_c"),
            steerable=any(_able(s, control, controls) for control in by),
            pump=has(s, "heat_pump_state"),
        )
        for s in states
        if any(has(s, m) for m in ("heat_power_w", "heat_pump_state"))
    )


def _inverters(
    states: Iterable[DeviceState], controls: Controls | None
) -> tuple[InverterState, ...]:
    return tuple(
        InverterState(
            name=s.name,
            pv_w=s.number("pv_power_w"),
            ac_w=s.number("ac_power_w"),
            tells_ac="ac_power_w" in s.readings,
            limitable=_able(s, Control.PV_LIMIT, controls),
        )
        for s in states
        if any(has(s, m) for m in _FROM_PANELS)
    )


def _stated(state: DeviceState, metric: str) -> float | None:
    """What is on the name plate: the last good value may stand in, for it does not change."""
    reading = state.readings.get(metric)
    if reading is None or not isinstance(reading.value, int | float):
        return None
    return float(reading.value)


def _load_w(states: Iterable[DeviceState], grid_w: float | None) -> float | None:
    if grid_w is None:
        return None
    telling = [s for s in states if "ac_power_w" in s.readings]
    others = [s for s in states if "ac_power_w" not in s.readings]
    ac_w = _sum(telling, "ac_power_w")
    if telling and ac_w is None:
        return None  # an inverter that should tell is silent
    pv_w, battery_w = (_sum(others, m) for m in ("pv_power_w", "battery_power_w"))
    if battery_w is None:
        if having(others, "battery_power_w"):
            return None  # there is a battery, and it is silent
        battery_w = 0.0
    if pv_w is None:
        if ac_w is None or having(others, "pv_power_w"):
            return None
        pv_w = 0.0
    return max(0.0, (ac_w or 0.0) + pv_w + battery_w + grid_w)


def _sum(states: Iterable[DeviceState], metric: str) -> float | None:
    parts = [s.number(metric) for s in having(states, metric)]
    known = [p for p in parts if p is not None]
    return sum(known) if known and len(known) == len(parts) else None


def _soc_pct(states: Iterable[DeviceState]) -> float | None:
    """Of all batteries together: by capacity where each states it, else each counts alike."""
    found = having(states, "battery_soc_pct")
    parts = [s.number("battery_soc_pct") for s in found]
    known = [p for p in parts if p is not None]
    if not known or len(known) < len(parts):
        return None
    if len(known) == 1:
        return known[0]
    capacities = [_stated(s, "battery_capacity_wh") or 0.0 for s in found]
    weights = capacities if all(capacities) else [1.0] * len(known)
    return sum(p * w for p, w in zip(known, weights, strict=True)) / sum(weights)


def _plugged(states: Iterable[DeviceState]) -> bool | None:
    chargers = having(states, "charger_state")
    if not chargers:
        return None
    texts = [s.text("charger_state") for s in chargers]
    if any(t in ("plugged", "charging") for t in texts):
        return True
    return None if None in texts else False
