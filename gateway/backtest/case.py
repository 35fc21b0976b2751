"""What is tried: the home, its tariff and how it plans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import time
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.config.load import load_settings
from gateway.config.settings import Settings
from gateway.config.tariff import PublishedPrice, RetailPrice, Tariff, WholesalePrice
from gateway.domain.plan import BatterySpec
from gateway.domain.price import mwh_price
from gateway.errors import ConfigError
from gateway.forecasts.drivers import RestDay, weekend
from gateway.forecasts.household import rest_days, usual
from gateway.forecasts.load_pv import UNKNOWN_HOME, Usual
from gateway.forecasts.variants import USUAL, Variant
from gateway.sun import Place
from gateway.tariff import TariffRules

_CAPACITY_WH = 13_500.0
_POWER_W = 5_000.0
# Data of another device list than the one at home need none to be tried.
_NO_DEVICE = {"device": [{"name": "none", "host": "localhost"}]}


@dataclass(frozen=True, slots=True)
class CarHabit:
    """A car that comes home every day at ``arrival`` and wants ``energy_wh`` until ``departure``."""

    energy_wh: float
    arrival: time
    departure: time
    max_power_w: float
    min_power_w: float


@dataclass(frozen=True, slots=True)
class Case:
    """One home under one tariff. ``start_wh`` is stored at the beginning."""

    battery: BatterySpec
    start_wh: float
    tariff: TariffRules
    zone: ZoneInfo  # local days: day-ahead prices come at 13:30 local for the next day
    export_limit_w: float | None = None
    import_limit_w: float | None = None
    horizon_h: float = 36.0
    quantity_quantile: float = 0.05
    replan_quarters: int = 4
    car: CarHabit | None = None
    place: Place | None = None  # of the panels
    grid_energy_stays: bool = False  # what was bought from the grid is never sold again
    car_from_battery: bool = False  # the battery may feed the car
    rest_day: RestDay = weekend
    usual: Usual = UNKNOWN_HOME
    variant: Variant = USUAL  # of the forecasts
    careful: bool = True  # the first three days, as `planner.first_days = "careful"`

    def with_battery(self, capacity_wh: float, wear_per_mwh: float) -> Case:
        """The same with another battery, its power and reserve in proportion."""
        part = capacity_wh / self.battery.capacity_wh
        battery = replace(
            self.battery,
            capacity_wh=capacity_wh,
            reserve_wh=self.battery.reserve_wh * part,
            max_charge_w=self.battery.max_charge_w * part,
            max_discharge_w=self.battery.max_discharge_w * part,
            wear_per_mwh=wear_per_mwh,
        )
        return replace(self, battery=battery, start_wh=self.start_wh * part)


def evaluation_case() -> Case:
    """The case that everyone uses: 13.5 kWh, 5 kW, reserve 20 %, wear 0.02 per kWh; real-time prices
    with 45 per MWh on import; local time UTC-6."""
    tariff = Tariff.model_validate(
        {
            "import_price": {"kind": "wholesale", "adder_per_kwh": "0.045"},
            "export_price": {"kind": "wholesale"},
        }
    )
    zone = ZoneInfo("Etc/GMT+6")
    battery = BatterySpec(_CAPACITY_WH, 2_700.0, _POWER_W, _POWER_W)
    return Case(battery, 6_750.0, TariffRules(tariff, zone), zone)


def case_from(path: Path) -> Case:
    """The case of a gateway.toml; what it does not say of the battery is as in the evaluation case.

    Devices may be left out. A car takes part when the file has a [car] table.
    """
    return case_of(load_settings(path, defaults=_NO_DEVICE))


def case_of(settings: Settings) -> Case:
    """The case of a home's settings. Raises ConfigError where they do not say what import costs."""
    if not settings.tariff.says_import:
        raise ConfigError(
            'tariff.import_price: not stated; money is counted by it, e.g. import_price = { kind = "flat", per_kwh = "0.14" }'
        )
    zone = ZoneInfo(settings.site.time_zone)
    stated = settings.battery
    capacity = stated.capacity_wh or _CAPACITY_WH
    reserve = capacity * settings.site.reserve_pct / 100
    battery = BatterySpec(
        capacity_wh=capacity,
        reserve_wh=reserve,
        max_charge_w=stated.max_charge_w or _POWER_W,
        max_discharge_w=stated.max_discharge_w or _POWER_W,
        charge_efficiency=stated.charge_efficiency,
        discharge_efficiency=stated.discharge_efficiency,
        standby_w=stated.standby_w,
        wear_per_mwh=mwh_price(stated.wear_per_kwh),
    ).by_power(stated.charge_efficiency_by_power, stated.discharge_efficiency_by_power)
    return Case(
        battery=battery,
        start_wh=max(capacity / 2, reserve),
        tariff=TariffRules(_following(settings.tariff), zone),
        zone=zone,
        export_limit_w=settings.site.export_limit_w,
        import_limit_w=settings.site.import_limit_w,
        horizon_h=settings.planner.horizon_h,
        quantity_quantile=settings.planner.quantity_quantile,
        car=_habit(settings),
        place=settings.site.place,
        grid_energy_stays=settings.battery.grid_energy == "home",
        rest_day=rest_days(settings),
        usual=usual(settings),
        careful=settings.planner.first_days != "live",
    )


def _following(tariff: Tariff) -> Tariff:
    """The data has no prices of a retailer: what one publishes is taken for the market's."""

    def followed(price: RetailPrice) -> RetailPrice:
        if not isinstance(price, PublishedPrice):
            return price
        return WholesalePrice(
            kind="wholesale", factor=price.factor, adder_per_kwh=price.adder_per_kwh
        )

    bought, sold = tariff.import_price, tariff.export_price
    changed: dict[str, object] = {"import_price": followed(bought), "export_price": followed(sold)}
    if isinstance(bought, PublishedPrice) and bought.tax_included:
        changed |= {"grid_fee": None, "levies_per_kwh": Decimal(0), "tax_pct": Decimal(0)}
    return tariff.model_copy(update=changed)


def _habit(settings: Settings) -> CarHabit | None:
    if "car" not in settings.model_fields_set or settings.car.energy_wh <= 0:
        return None
    car = settings.car
    watts = car.volts * car.phases
    return CarHabit(
        energy_wh=car.energy_wh,
        arrival=time(18),
        departure=car.departure,
        max_power_w=watts * car.max_current_a,
        min_power_w=watts * car.min_current_a,
    )
