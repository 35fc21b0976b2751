"""Any SunSpec inverter: measured in full, its generation limited by model 123 where it has one."""

from gateway.devices.datasheet import Communication, Profile, SunSpecSheet
from gateway.domain.control import Control

PROFILE = Profile(
    key="sunspec-inverter",
    title="SunSpec inverter",
    kind="inverter",
    verified="capture",
    communication=Communication(unit=1, timeout_s=3.0, max_gap=30, sleeps_at_night=True),
    sunspec=SunSpecSheet(pv_limit=True),
    controls=frozenset({Control.PV_LIMIT}),
)
