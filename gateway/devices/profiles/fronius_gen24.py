"""Fronius GEN24 and Verto hybrids (SunSpec, unit 1; their meter answers as unit 200).

Battery: model 124, both rates in % of WChaMax; InOutWRte_RvrtTms is 0 (never) by default and
persists, so it is written with each setpoint and put back on release. Firmware 1.39.5 charges from
the grid with at most about 500 W (redpomodoro/fronius_modbus#87). Fronius documents no timeout for
battery setpoints; the timer is seen at work in evcc-io/evcc#33037.
"""

from gateway.devices.datasheet import Communication, Profile, SunSpecSheet
from gateway.domain.control import Control

PROFILE = Profile(
    key="fronius-gen24",
    title="Fronius GEN24 / Verto hybrid",
    kind="hybrid",
    verified="capture",
    communication=Communication(unit=1, timeout_s=3.0, max_gap=30),
    sunspec=SunSpecSheet(battery_control=True, pv_limit=True),
    maker="fronius",
    controls=frozenset({Control.BATTERY_POWER, Control.PV_LIMIT}),
)
