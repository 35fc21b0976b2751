"""Deye / Sunsynk three-phase hybrids (RS485, unit 1; BE registers, u32 low word first).

Measured only. What all sources agree on (evcc, ha-solarman, kellerza/sunsynk) are settings in flash
without a watchdog: 108 / 109 charge and discharge limits in A, 127-130 charging from the grid, 146 and
166-171 the time-of-use programme. They limit, they set no power: with 109 = 0 the battery rests, but
'discharge 2000 W' cannot be said, and 108 / 109 are currents of a battery whose voltage moves.
BATTERY_POWER promises a power that follows every few seconds, so none of it is offered, not
even within a write budget: a plan that sells energy would trust it. Newer firmware has a remote control
at 1100-1121 with setpoint and watchdog; it is published in one place only (davidrapan/ha-solarman#978)
and waits for a second one, or for a captured device. High-voltage models give PV and battery power in 10 W: register 0 tells them.
"""

from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import (
    Output,
    frequency,
    grid_counters,
    lifetime,
    named,
    numeric,
    one,
    total,
)
from gateway.modbus.registers import Field, Value

_TYPE = Field(0, "u16")
_TYPES = r"^(5|6|1280|1536|1537)$"  # some firmware shows the type in the high byte
_HIGH_VOLTAGE = (0x0006, 0x0600, 0x0601)
_STATES = {0: "standby", 1: "checking", 2: "running", 3: "warning", 4: "fault"}


def _watts(kind: Value, *powers: Value) -> Value:
    factor = 10 if kind in _HIGH_VOLTAGE else 1
    return numeric(lambda w: factor * w)(total(*powers))


def _u32(address: int) -> Field:
    return Field(address, "u32", words="little", scale=100)


PROFILE = Profile(
    key="deye-3p",
    title="Deye / Sunsynk three-phase hybrid",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(unit=1, timeout_s=3.0, min_gap_s=0.05, max_gap=20, max_read=60),
    identify=(
        (_TYPE, _TYPES),
        (Field(3, "str", count=5), r"^[0-9A-Z]{10}$"),
    ),
    says=(("serial", Field(3, "str", count=5)),),
    source=Source(
        outputs=(
            Output("pv_power_w", (_TYPE, *(Field(a, "u16") for a in range(672, 676))), _watts),
            Output("battery_power_w", (_TYPE, Field(590, "i16")), _watts),
            one("battery_soc_pct", Field(588, "u16", valid=(0, 100))),
            one("grid_power_w", Field(625, "i16")),
            one("ac_power_w", Field(636, "i16")),
            Output("inverter_state", (Field(500, "u16"),), named(_STATES)),
            frequency(Field(609, "u16", scale=0.01)),
            lifetime("battery_charge_wh", _u32(516), "slow"),
            lifetime("battery_discharge_wh", _u32(518), "slow"),
            *grid_counters(_u32(522), _u32(524), "slow"),
            lifetime("pv_energy_wh", _u32(534), "slow"),
        ),
    ),
)
