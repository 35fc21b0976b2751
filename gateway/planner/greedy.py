"""Greedy self-consumption: surplus into the battery, the battery into the house, nothing else.

The yardstick that every home has today. It is expressed as a value like any other: high enough that
surplus is stored rather than exported, low enough that the house is served from the battery.
"""

from __future__ import annotations

import numpy as np

from gateway.domain.plan import (
    BatterySpec,
    CarValues,
    Forecast,
    OfferCurve,
    Outlook,
    Plan,
    ValueCurve,
)
from gateway.domain.sentences import Sentence
from gateway.planner.car import MISSED, missing_note, plugged_hours
from gateway.planner.offers import cautious_net, to_steps
from gateway.planner.schedule import expected_schedule, without_lost


class GreedyStrategy:
    """Self-consumption; offers only what PV leaves over once the battery is full."""

    name = "greedy"

    def plan(self, outlook: Outlook) -> Plan:
        """Values, offers and schedule; pure."""
        spec = outlook.battery or BatterySpec(1, 0, 0, 0)
        grid = np.linspace(spec.reserve_wh, max(spec.capacity_wh, spec.reserve_wh + 1), 2)
        car_wh, notes = _charge_at_once(outlook)
        levels = [_level(f, spec) for f in outlook.forecasts]
        rows = np.repeat(np.array(levels)[:, None], 2, axis=1)
        schedule = without_lost(
            outlook, expected_schedule(outlook, grid, rows, car_wh, outlook.battery)
        )
        values = tuple(
            ValueCurve(f.interval, tuple(grid.tolist()), (level, level))
            for f, level in zip(outlook.forecasts, levels, strict=True)
        )
        return Plan(
            made_at=outlook.now,
            strategy=self.name,
            values=values,
            cars=_car_values(outlook),
            offers=_offers(outlook, spec, car_wh),
            schedule=schedule,
            notes=notes,
            import_limit_w=outlook.import_limit_w,
        )


STRATEGY = GreedyStrategy()


def _charge_at_once(outlook: Outlook) -> tuple[list[float], tuple[Sentence, ...]]:
    """The cars at full power from now on, one after the other under the fuse."""
    taken = [0.0] * len(outlook.forecasts)
    notes: tuple[Sentence, ...] = ()
    for car in outlook.cars:
        left = car.energy_wh
        for t, f in enumerate(outlook.forecasts):
            hours = plugged_hours(f.interval.start, f.interval.end, outlook.now, car)
            room = car.max_power_w * hours
            if outlook.import_limit_w is not None:
                net = f.load_wh[1] - f.pv_wh[1] + taken[t]
                room = min(room, max(outlook.import_limit_w * f.interval.hours - net, 0.0))
            taken[t] += min(left, room)
            left -= min(left, room)
        notes += missing_note(car, car.energy_wh - left, outlook)
    return taken, notes


def _car_values(outlook: Outlook) -> dict[str, CarValues]:
    """A car comes before any price, until it has what is wanted."""
    return {
        car.name: CarValues(
            tuple(
                ValueCurve(f.interval, (0.0, car.energy_wh), (MISSED, MISSED))
                for f in outlook.forecasts
                if f.interval.start < car.departure
            )
        )
        for car in outlook.cars
        if car.energy_wh > 0
    }


def _level(forecast: Forecast, spec: BatterySpec) -> float:
    """A value between what surplus earns by export and what the house saves by discharge."""
    save = (forecast.import_price - spec.wear_per_mwh) * spec.discharge_efficiency
    earn = forecast.export_price / spec.charge_efficiency
    return (save + earn) / 2 if save > earn else save - 1e-6


def _offers(outlook: Outlook, spec: BatterySpec, car_wh: list[float]) -> tuple[OfferCurve, ...]:
    room = max(spec.capacity_wh - outlook.stored_wh, 0.0) / spec.charge_efficiency
    made: list[OfferCurve] = []
    for t, forecast in enumerate(outlook.forecasts):
        if forecast.interval.start < outlook.now:
            continue
        if len(made) >= outlook.offer_intervals:
            break
        dear, _ = cautious_net(forecast, outlook.quantity_quantile)
        net = dear + car_wh[t]
        # All room may be free by then: counted in full for every interval, so cautious.
        sold = max(-net - min(room, spec.max_charge_w * forecast.interval.hours), 0.0)
        if outlook.export_limit_w is not None:
            sold = min(sold, outlook.export_limit_w * forecast.interval.hours)
        steps = to_steps(np.array([forecast.export_price]), np.array([sold]), outlook.lot_wh)
        made.append(OfferCurve(forecast.interval, steps))
    return tuple(made)
