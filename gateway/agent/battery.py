"""What the planner is told of the battery: the configuration, and where that is silent the devices."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.settings import Battery
from gateway.domain.plan import BatterySpec
from gateway.domain.price import mwh_price

STATED = ("battery_capacity_wh", "battery_max_charge_w", "battery_max_discharge_w")
NOT_STATED = (
    "no device states the battery's size and power: set battery.capacity_wh and "
    "battery.max_charge_w; until then its energy is neither planned nor sold"
)


def battery_spec(
    own: Battery, stated: Mapping[str, float], reserve_pct: float
) -> BatterySpec | None:
    """The battery as the planner sees it; None while its size or power is not known.

    ``stated`` are the sums of what the devices say, by metric (`STATED`). A discharge power that is
    not known is taken as the charge power.
    """
    capacity_wh = own.capacity_wh or stated.get("battery_capacity_wh")
    charge_w = own.max_charge_w or stated.get("battery_max_charge_w")
    discharge_w = own.max_discharge_w or stated.get("battery_max_discharge_w") or charge_w
    if not capacity_wh or not charge_w or not discharge_w:
        return None
    return BatterySpec(
        capacity_wh=capacity_wh,
        reserve_wh=capacity_wh * reserve_pct / 100,
        max_charge_w=charge_w,
        max_discharge_w=discharge_w,
        charge_efficiency=own.charge_efficiency,
        discharge_efficiency=own.discharge_efficiency,
        standby_w=own.standby_w,
        wear_per_mwh=mwh_price(own.wear_per_kwh),
    ).by_power(own.charge_efficiency_by_power, own.discharge_efficiency_by_power)
