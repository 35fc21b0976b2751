"""Growatt SPH hybrids (RS485 or stick, unit 1; input registers, BE, powers in 0.1 W).

Measured only: the sign of the remote power setting 30409 is not certain from what is published,
and a battery must not be sent the wrong way.
"""

from gateway.devices.profile import Connection, Output, Profile, Source, named, numeric, one
from gateway.modbus.registers import Field

_STATES = {
    0: "waiting",
    1: "checking",
    3: "fault",
    4: "updating",
    5: "running",
    6: "running",
    7: "off_grid",
    8: "off_grid",
}


def _energy(address: int) -> Field:
    """A counter in 0.1 kWh; one that ran below 0 shows what no home can have counted."""
    return Field(address, "u32", "input", scale=100, valid=(0, 1e10))


def _watts(address: int) -> Field:
    return Field(address, "u32", "input", scale=0.1, valid=(0, 1e6))


PROFILE = Profile(
    key="growatt-sph",
    title="Growatt SPH hybrid",
    kind="hybrid",
    verified="data sheet",
    connection=Connection(unit=1, timeout_s=3.0, min_gap_s=0.1, max_gap=10, max_read=45),
    identify=(
        (Field(23, "str", count=5), r"^[0-9A-Z]{10}$"),  # the serial number
        (Field(1000, "u16", "input"), r"^[0-8]$"),
        (Field(1014, "u16", "input", valid=(0, 100)), r"."),
    ),
    says=(("serial", Field(23, "str", count=5)), ("version", Field(9, "str", count=6))),
    source=Source(
        outputs=(
            one("pv_power_w", _watts(1)),
            Output(
                "battery_power_w",
                (_watts(1009), _watts(1011)),
                numeric(lambda out, charge: out - charge),
            ),
            Output("inverter_state", (Field(1000, "u16", "input"),), named(_STATES)),
            one("grid_frequency_hz", Field(37, "u16", "input", scale=0.01, valid=(40, 70))),
            one("battery_soc_pct", Field(1014, "u16", "input", valid=(0, 100))),
            Output("grid_power_w", (_watts(1021), _watts(1029)), numeric(lambda i, e: i - e)),
            one("grid_import_wh", _energy(1046)),
            one("grid_export_wh", _energy(1050)),
            one("pv_energy_wh", _energy(91), "slow"),
            one("battery_discharge_wh", _energy(1054), "slow"),
            one("battery_charge_wh", _energy(1058), "slow"),
        ),
    ),
)
