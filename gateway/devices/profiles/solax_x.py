"""Solax X1 / X3 hybrids of generation 3 and 4 (RS485 or LAN, unit 1; input registers, LE words).

Measured only: manual mode is kept in EEPROM, and the remote-control block 0x7C sets the AC side, not
the battery. Feed-in counts export as +, battery power charge as + (evcc: solax).
"""

from gateway.devices.profile import Connection, Output, Profile, Source, named, numeric, one, total
from gateway.modbus.registers import Field, Kind

_STATES = {
    0: "waiting",
    1: "checking",
    2: "running",
    3: "fault",
    4: "fault",
    5: "updating",
    6: "waiting",
    7: "off_grid",
    8: "checking",
    9: "standby",
    10: "standby",
}


def _input(address: int, kind: Kind, scale: float = 1) -> Field:
    return Field(address, kind, "input", words="little", scale=scale)


PROFILE = Profile(
    key="solax-x",
    title="Solax X1 / X3 hybrid",
    kind="hybrid",
    verified="data sheet",
    connection=Connection(unit=1, timeout_s=3.0, min_gap_s=0.1, max_gap=10, sleeps_at_night=True),
    identify=((Field(7, "str", count=7), r"(?i)solax"),),
    says=(("serial", Field(0, "str", count=7)), ("model", Field(14, "str", count=7))),
    source=Source(
        outputs=(
            Output("pv_power_w", (_input(10, "u16"), _input(11, "u16")), total),
            Output("battery_power_w", (_input(22, "i16"),), numeric(lambda w: -w)),
            Output("inverter_state", (Field(9, "u16", "input"),), named(_STATES)),
            one("battery_soc_pct", Field(28, "u16", "input", valid=(0, 100))),
            Output("grid_power_w", (_input(70, "i32"),), numeric(lambda w: -w)),
            one("grid_export_wh", _input(72, "u32", 10)),
            one("grid_import_wh", _input(74, "u32", 10)),
            one("pv_energy_wh", _input(148, "u32", 100), "slow"),
        ),
    ),
)
