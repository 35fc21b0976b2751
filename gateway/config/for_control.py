"""The configuration as control takes it: frozen values without pydantic."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from gateway.config.settings import Battery, Settings
from gateway.domain.control import BatteryAssumptions, ChargerAssumptions, ControlSettings

_KWH_PER_MWH = 1000


def control_settings(settings: Settings) -> ControlSettings:
    """What control knows of the home as long as this configuration holds."""
    site, car, control = settings.site, settings.car, settings.control
    return ControlSettings(
        zone=ZoneInfo(site.time_zone),
        import_limit_w=site.import_limit_w,
        export_limit_w=site.export_limit_w,
        battery=battery_assumptions(settings.battery),
        charger=ChargerAssumptions(car.phases, car.volts, car.min_current_a, car.max_current_a),
        deadband_w=control.deadband_w,
        dwell_s=control.dwell_s,
        car_dwell_s=control.car_dwell_s,
    )


def battery_assumptions(battery: Battery) -> BatteryAssumptions:
    """What the configuration assumes of the batteries."""
    return BatteryAssumptions(
        capacity_wh=battery.capacity_wh,
        max_charge_w=battery.max_charge_w,
        max_discharge_w=battery.max_discharge_w,
        charge_efficiency=battery.charge_efficiency,
        discharge_efficiency=battery.discharge_efficiency,
        charge_curve=battery.charge_efficiency_by_power,
        discharge_curve=battery.discharge_efficiency_by_power,
        standby_w=battery.standby_w,
        wear_per_mwh=float(battery.wear_per_kwh) * _KWH_PER_MWH,
    )
