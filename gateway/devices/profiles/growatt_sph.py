"""Growatt SPH hybrids (RS485 or stick, unit 1; input registers, BE, powers in 0.1 W).

Measured only: the sign of the remote power setting 30409 is not certain from what is published,
and a battery must not be sent the wrong way.
"""

from gateway.devices.profile import Connection, Output, Profile, Source, numeric, one
from gateway.modbus.registers import Field


def _watts(address: int) -> Field:
    return Field(address, "u32", "input", scale=0.1, valid=(0, 1e6))


PROFILE = Profile(
    key="growatt-sph",
    title="Growatt SPH hybrid",
    kind="hybrid",
    verified="data sheet",
    connection=Connection(unit=1, timeout_s=3.0, min_gap_s=0.1, max_gap=10, max_read=45),
    source=Source(
        outputs=(
            one("pv_power_w", _watts(1)),
            Output(
                "battery_power_w",
                (_watts(1009), _watts(1011)),
                numeric(lambda out, charge: out - charge),
            ),
            one("battery_soc_pct", Field(1014, "u16", "input", valid=(0, 100))),
            Output("grid_power_w", (_watts(1021), _watts(1029)), numeric(lambda i, e: i - e)),
        ),
    ),
)
