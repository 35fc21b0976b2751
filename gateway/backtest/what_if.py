"""What the home's own past would have cost otherwise: another battery, tariff or car, without us, without a battery."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from gateway.backtest.case import Case
from gateway.backtest.past import OwnPast
from gateway.backtest.simulate import (
    Outcome,
    Progress,
    no_battery,
    retail_prices,
    self_consumption,
    simulate,
)
from gateway.config.tariff import FlatPrice
from gateway.domain.intervals import iso
from gateway.errors import ConfigError
from gateway.planner import strategy
from gateway.tariff import TariffRules


@dataclass(frozen=True, slots=True)
class Change:
    """None leaves it as it is; prices per kWh are flat ones."""

    battery_kwh: float | None = None
    import_price: Decimal | None = None
    export_price: Decimal | None = None
    car_kwh: float | None = None

    def applied(self, case: Case) -> Case:
        """The home as it would be. Raises ConfigError for a car where none is configured."""
        made = case
        if self.battery_kwh is not None:
            made = made.with_battery(1000 * self.battery_kwh, case.battery.wear_per_mwh)
        if self.car_kwh is not None:
            if case.car is None:
                raise ConfigError("the configuration has no [car], whose times would be needed")
            car = replace(case.car, energy_wh=1000 * self.car_kwh) if self.car_kwh else None
            made = replace(made, car=car)
        prices = {
            name: FlatPrice(kind="flat", per_kwh=price)
            for name, price in (
                ("import_price", self.import_price),
                ("export_price", self.export_price),
            )
            if price is not None
        }
        if prices:
            tariff = case.tariff.tariff.model_copy(update=prices)
            made = replace(made, tariff=TariffRules(tariff, case.zone))
        return made


def what_if(
    past: OwnPast,
    case: Case,
    change: Change,
    *,
    has_battery: bool,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Bills of the home as it is and as it would be; money in currency units, to pay is +.

    ``without_battery`` charges a car when it comes, ``self_consumption`` serves the house whatever the price, ``gateway``
    is planned by us, who know the home from the days before. Bills are without fixed fees; ``wear`` of the battery stands apart. ``has_battery``: as it is, the home has one.
    """
    case = _empty(case)
    changed = _empty(change.applied(case))
    series = past.judged
    return {
        "currency": case.tariff.tariff.currency,
        "first": iso(series.start(0)),
        "end": iso(series.start(len(series))),
        "quarters": len(series),
        "filled": past.filled,
        "unpriced": past.unpriced,
        "battery_kwh": case.battery.capacity_wh / 1000 if has_battery else None,
        "now": _bills(past, case, has_battery, progress),
        "then": _bills(past, changed, has_battery or change.battery_kwh is not None, progress),
    }


def _empty(case: Case) -> Case:
    """It begins at the reserve: what was stored before costs nobody anything."""
    return replace(case, start_wh=case.battery.reserve_wh)


def _bills(
    past: OwnPast, case: Case, has_battery: bool, progress: Progress | None
) -> dict[str, dict[str, float] | None]:
    series, planner = past.judged, strategy("value")
    found: dict[str, Outcome | None] = {
        "without_battery": no_battery(series, case),
        "self_consumption": self_consumption(series, case) if has_battery else None,
        "gateway": simulate(past.series, case, planner, progress, past.lead)
        if has_battery
        else None,
    }
    mean = float(retail_prices(series, case).imports.mean())
    return {name: None if made is None else _bill(made, case, mean) for name, made in found.items()}


def _bill(made: Outcome, case: Case, mean_price: float) -> dict[str, float]:
    """What the battery holds above the reserve at the end is worth the mean import price."""
    wear = case.battery.wear_per_mwh * float(np.maximum(made.discharge, 0).sum()) / 1e6
    more_wh = float(made.stored[-1]) - case.start_wh if made.stored.any() else 0.0
    kept = more_wh * case.battery.discharge_efficiency * mean_price / 1e6
    return {
        "bill": round(-(made.total + wear + kept), 2),
        "wear": round(wear, 2),
        "import_kwh": round(float(np.maximum(made.grid, 0).sum()) / 1000, 1),
        "export_kwh": round(float(np.maximum(-made.grid, 0).sum()) / 1000, 1),
    }
