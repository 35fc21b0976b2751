"""Whatever SunSpec shows: inverter, storage and meter of the unit, by its chain of models."""

from gateway.devices.datasheet import Communication, Profile, SunSpecSheet
from gateway.domain.control import Control

PROFILE = Profile(
    key="auto",
    title="any SunSpec device, by its models",
    kind="any",
    verified="capture",
    communication=Communication(unit=1, timeout_s=3.0, max_gap=30),
    sunspec=SunSpecSheet(battery_control=True, pv_limit=True),
    controls=frozenset({Control.BATTERY_POWER, Control.PV_LIMIT, Control.RESERVE}),
)
