"""Water that is heated by electricity: a boiler with a rod, a tank with a heat pump. Pure.

A tank is one temperature (it is stirred). It loses heat to its room in proportion to the difference, gives hot water at
the hours of a household, and takes what is heated. The rod has a thermostat of its own; the heat pump follows its SG Ready
state: blocked it stands still, normal it keeps its band, encouraged or ordered it heats to a higher one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

WATER_WH_PER_L_K = 4187 / 3600  # specific heat of water, 4187 J a kg and kelvin
COLD_C, MIXED_C = 12.0, 40.0  # of the mains, and of a shower
_BLOCKED, _NORMAL = 1, 2


@dataclass(frozen=True, slots=True)
class Draw:
    """Hot water of a household: so many litres at 40 °C from that local hour on, within ten minutes."""

    hour: float
    litres: float


FAMILY = (Draw(6.75, 80), Draw(12.5, 15), Draw(19.0, 90), Draw(21.5, 40))


@dataclass(frozen=True, slots=True)
class Tank:
    """``loss_w`` at 65 °C in a room of 20 °C (how energy labels state it)."""

    litres: float = 300.0
    loss_w: float = 70.0
    ambient_c: float = 20.0
    draws: tuple[Draw, ...] = FAMILY

    @property
    def wh_per_k(self) -> float:
        """Heat that warms it by a kelvin."""
        return self.litres * WATER_WH_PER_L_K


@dataclass(frozen=True, slots=True)
class Boiler:
    """A rod in a tank: it draws what it is told, up to its own thermostat."""

    tank: Tank = Tank()
    most_w: float = 3_500.0
    thermostat_c: float = 75.0
    start_c: float = 48.0


@dataclass(frozen=True, slots=True)
class HeatPump:
    """A heat pump at a tank; temperatures between which it heats, normally and when it is encouraged."""

    tank: Tank = Tank(litres=250.0)
    power_w: float = 1_800.0
    cop: float = 3.0
    normal_c: tuple[float, float] = (42.0, 47.0)
    encouraged_c: tuple[float, float] = (53.0, 57.0)
    start_c: float = 45.0


@dataclass(frozen=True, slots=True)
class HeatState:
    """Temperature, and the power (W) of the step before it; ``total_wh`` of electricity since the start."""

    temperature_c: float
    power_w: float = 0.0
    total_wh: float = 0.0
    starts: int = 0
    coldest_c: float = math.inf


def boiler_power_w(boiler: Boiler, state: HeatState, told_w: float) -> float:
    """What the rod draws now."""
    if state.temperature_c >= boiler.thermostat_c:
        return 0.0
    return min(max(told_w, 0.0), boiler.most_w)


def pump_power_w(pump: HeatPump, state: HeatState, sg_ready: int) -> float:
    """What the heat pump draws now: on below its band, off above, else as before."""
    if sg_ready == _BLOCKED:
        return 0.0
    low, high = pump.normal_c if sg_ready == _NORMAL else pump.encouraged_c
    if state.temperature_c < low:
        return pump.power_w
    return pump.power_w if state.power_w and state.temperature_c < high else 0.0


def after(
    tank: Tank, state: HeatState, power_w: float, cop: float, local: datetime, hours: float
) -> HeatState:
    """The tank ``hours`` later (minutes at most), the power even meanwhile."""
    hour = local.hour + local.minute / 60 + local.second / 3600
    drawn_l = sum(d.litres * 6 * hours for d in tank.draws if d.hour <= hour < d.hour + 1 / 6)
    lost_w = tank.loss_w * (state.temperature_c - tank.ambient_c) / 45.0
    heat_wh = power_w * cop * hours - lost_w * hours
    heat_wh -= drawn_l * WATER_WH_PER_L_K * (min(MIXED_C, state.temperature_c) - COLD_C)
    warm_c = state.temperature_c + heat_wh / tank.wh_per_k
    return replace(
        state,
        temperature_c=warm_c,
        power_w=power_w,
        total_wh=state.total_wh + power_w * hours,
        starts=state.starts + (power_w > 0 and not state.power_w),
        coldest_c=min(state.coldest_c, warm_c),
    )
