"""Homes and orders as values, for the tables and properties of control."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.control.decide import decide
from gateway.control.inputs import ControlMemory, Decision, DecisionInputs
from gateway.domain.control import (
    BatteryAssumptions,
    ChargerAssumptions,
    ControlSettings,
    Reason,
    Setpoints,
)
from gateway.domain.intervals import Interval
from gateway.domain.order import IntervalTerms, Order, StandingSettings
from gateway.domain.plan import ValueCurve
from gateway.domain.readings import BatteryState, ChargerState, InverterState, Snapshot

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CONTROL = ControlSettings(
    zone=ZoneInfo("UTC"),
    export_limit_w=5_000,
    battery=BatteryAssumptions(),
    charger=ChargerAssumptions(),
    dwell_s=30.0,
    car_dwell_s=0.0,
    car_start_cost=0.0,
)
SETTINGS = StandingSettings(reserve_pct=20, departure_energy_wh=10_000)


def battery(
    name: str = "battery",
    power_w: float | None = 0.0,
    soc_pct: float | None = 60.0,
    capacity_wh: float | None = 10_000.0,
    max_w: float | None = 5_000.0,
    *,
    steerable: bool = True,
) -> BatteryState:
    return BatteryState(name, power_w, soc_pct, capacity_wh, max_w, max_w, steerable)


def charger(
    name: str = "box",
    power_w: float | None = 0.0,
    plugged: bool | None = True,
    got_wh: float | None = 0.0,
    *,
    steerable: bool = True,
) -> ChargerState:
    return ChargerState(name, power_w, plugged, got_wh, steerable)


def snapshot(
    grid: float | None = 500.0,
    pv: float | None = 0.0,
    batteries: tuple[BatteryState, ...] = (battery(),),
    chargers: tuple[ChargerState, ...] = (),
    inverters: tuple[InverterState, ...] | None = None,
) -> Snapshot:
    """The home at a moment; the load is what the powers leave. The panels have an inverter of their own."""
    parts = [pv, grid, *(b.power_w for b in batteries)]
    known = [p for p in parts if p is not None]
    powers = [b.power_w for b in batteries]
    boxes = [c.power_w for c in chargers]
    return Snapshot(
        NOON, {}, pv, _sum(powers), batteries[0].soc_pct if batteries else None, grid,
        max(0.0, sum(known)) if len(known) == len(parts) else None,
        _sum(boxes), any(c.plugged for c in chargers) if chargers else None, 0.0, 0.0, 0.0,
        batteries, chargers,
        (InverterState("roof", pv, None, tells_ac=False),) if inverters is None else inverters,
    )  # fmt: skip


def home(
    grid: float | None = 500.0,
    pv: float | None = 0.0,
    power: float | None = 0.0,
    soc: float | None = 60.0,
) -> Snapshot:
    """With one battery and no car."""
    return snapshot(grid, pv, (battery(power_w=power, soc_pct=soc),))


def _sum(parts: list[float | None]) -> float | None:
    known = [p for p in parts if p is not None]
    return sum(known) if known and len(known) == len(parts) else None


def flat(value: float, most_wh: float = 10_000.0) -> ValueCurve:
    """Every Wh is worth the same."""
    return ValueCurve(Interval(NOON, NOON + timedelta(minutes=15)), (0.0, most_wh), (value, value))


def order(
    left_s: float = 900.0, *, resellable: bool = True, peak_w: float | None = None, **terms: Any
) -> Order:
    """An order whose interval has ``left_s`` to go; ``terms`` are those of `IntervalTerms`."""
    end = NOON + timedelta(seconds=left_s)
    one = IntervalTerms(Interval(end - timedelta(minutes=15), end), **terms)
    return Order(NOON, NOON + timedelta(seconds=60), SETTINGS, (one,), resellable, peak_w)


def inputs(
    seen: Snapshot,
    asked: Order | None = None,
    delivered_wh: float | None = 0.0,
    control: ControlSettings = CONTROL,
    settings: StandingSettings = SETTINGS,
    **more: Any,
) -> DecisionInputs:
    values: dict[str, Any] = {"now": NOON, "monotonic_s": 1_000.0, **more}
    return DecisionInputs(seen, settings, asked, delivered_wh, control, **values)


def ask(*args: Any, **kwargs: Any) -> Setpoints:
    """The setpoints for `inputs`."""
    return decide(inputs(*args, **kwargs)).setpoints


def after(batteries_w: dict[str, int], reason: Reason, since_s: float = 0.0) -> ControlMemory:
    """As if that had been decided before, in a mode that began at ``since_s``."""
    return ControlMemory(Setpoints(batteries_w=batteries_w, reason=reason), since_s)


def again(decision: Decision, before: DecisionInputs, **changes: Any) -> DecisionInputs:
    """The next tick."""
    return replace(before, memory=decision.memory, **changes)


def sold(wh: int, left_s: float = 900.0) -> Order:
    return order(left_s, position_wh=wh)


def priced(price: float, value: float, *, resellable: bool = True) -> Order:
    """Import and export at ``price``, a stored MWh worth ``value``."""
    return order(resellable=resellable, import_price=price, export_price=price, value=flat(value))


def assumed(price: float, value: float) -> Order:
    """The same where nobody has published the prices: they stand in for them."""
    return order(
        import_price=price,
        export_price=price,
        import_assumed=True,
        export_assumed=True,
        value=flat(value),
    )


NONE = order()
FUSE = replace(CONTROL, import_limit_w=8_000)
