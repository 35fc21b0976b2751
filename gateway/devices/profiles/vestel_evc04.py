"""Webasto Unite and other chargers made by Vestel, EVC04 (Modbus TCP 502, unit 255).

The same registers as the Webasto Next, but the counter is in 0.1 kWh and it tells brand, model and serial number.
"""

from dataclasses import replace

from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.profiles.webasto_next import CONTROL, outputs
from gateway.domain.control import Control
from gateway.modbus.registers import Field

PROFILE = Profile(
    key="vestel-evc04",
    title="Vestel EVC04 charger (Webasto Unite and others)",
    kind="charger",
    verified="data sheet",
    communication=Communication(unit=255, timeout_s=3.0),
    identify=(
        (Field(190, "str", "input", count=10), r"^[A-Za-z]{3}"),  # the brand
        (Field(1001, "u16", "input"), r"^[01]$"),
        (Field(1004, "u16", "input"), r"^[0-3]$"),
    ),
    says=(
        ("model", Field(210, "str", "input", count=5)),
        ("version", Field(230, "str", "input", count=50)),
        ("serial", Field(100, "str", "input", count=25)),
    ),
    controls=frozenset({Control.CHARGE_CURRENT}),
    source=Source(
        outputs=outputs(counter_wh=100),
        controls=(replace(CONTROL, sources=("Vestel: EVC04 Modbus", "evcc: charger vestel")),),
    ),
)
