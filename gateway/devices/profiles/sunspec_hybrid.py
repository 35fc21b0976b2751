"""Any SunSpec hybrid: storage model 124 (rates in % of WChaMax), or the 700 generation by 704.

The standard relates OutWRte to WDisChaMax, which 124 does not hold; makers use WChaMax for both
(seen on Fronius). Prove it on the device with `energy-gateway verify` before trading with it.
"""

from gateway.devices.datasheet import Communication, Profile, SunSpecSheet
from gateway.domain.control import Control

PROFILE = Profile(
    key="sunspec-hybrid",
    title="SunSpec hybrid inverter",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(unit=1, timeout_s=3.0, max_gap=30),
    sunspec=SunSpecSheet(battery_control=True, pv_limit=True),
    controls=frozenset({Control.BATTERY_POWER, Control.PV_LIMIT}),
)
