"""Sigenergy SigenStor plants (Modbus TCP 502, plant = unit 247; input registers, BE words).

Measured only. Powers are whole watts (kW with gain 1000), energies 10 Wh (maker's protocol from V2.4 on;
TypQxQ/Sigenergy-Local-Modbus and openWB agree). 30005 counts import as +, 30037 charging as +; 30031 is
what the plant gives on the AC side, 30035 what its panels give.
The remote EMS (40029, 40031-40037) has no dead-man that anybody has published.
"""

from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, grid_counters, lifetime, named, numeric, one
from gateway.modbus.registers import Field, Kind

_STATES = {0: "standby", 1: "running", 2: "fault", 3: "off"}


def _input(address: int, kind: Kind, scale: float = 1) -> Field:
    return Field(address, kind, "input", scale=scale)


PROFILE = Profile(
    key="sigenergy",
    title="Sigenergy SigenStor plant",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(unit=247, timeout_s=3.0, min_gap_s=0.05, max_gap=10),
    identify=(
        (Field(30003, "u16", "input"), r"^[0-9]$"),  # EMS work mode
        (Field(30004, "u16", "input"), r"^[01]$"),  # whether the grid sensor is heard
        (Field(30014, "u16", "input", valid=(0, 1000)), r"."),
        (Field(30051, "u16", "input"), r"^[0-3]$"),
    ),
    source=Source(
        outputs=(
            one("ac_power_w", _input(30031, "i32")),
            one("pv_power_w", _input(30035, "i32")),
            one("grid_power_w", _input(30005, "i32")),
            Output("battery_power_w", (_input(30037, "i32"),), numeric(lambda w: -w)),
            one("battery_soc_pct", Field(30014, "u16", "input", scale=0.1, valid=(0, 100))),
            Output("inverter_state", (_input(30051, "u16"),), named(_STATES)),
            lifetime("battery_capacity_wh", _input(30083, "u32", 10), "slow"),
            lifetime("pv_energy_wh", _input(30088, "u64", 10), "slow"),
            lifetime("battery_charge_wh", _input(30200, "u64", 10), "slow"),
            lifetime("battery_discharge_wh", _input(30204, "u64", 10), "slow"),
            *grid_counters(_input(30216, "u64", 10), _input(30220, "u64", 10)),
        ),
    ),
)
