"""SMA hybrids and battery inverters, SMA's own map (unit 3; BE words; its SunSpec map is unit 126).

Setpoint 40149 (W, out of the inverter +) is in force while 40151 = 802. It is the AC output of panels
and battery together (an owner in evcc-io/evcc#11580; OpenEMS writes it as the inverter's power): at
'0' the sun stops, too. So it follows the panels' measured power. Battery inverters (SBS, Sunny Island)
have no panels: all their inputs are absent, and it is the battery's. SMA renews its battery setpoints for
300 s and falls back by firmware after 10-30 min (evcc-io/evcc#17115). Only these two registers are
meant for cyclic writing: other parameters are flash and not used, the export limit among them. After
the fallback nothing of ours is in force (total yield 30513 is no PV energy: it is the AC side's, with the
battery's discharge in it); 40151 is set to 803 again at the next start.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, MeasuredPower, ReadBack, Write
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import (
    Output,
    frequency,
    grid_counters,
    lifetime,
    named,
    numeric,
    one,
    total_of_present,
)
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, encode

_SETPOINT, _ACTIVE = 40149, 40151
_ON, _OFF = 802, 803
_STATES = {35: "fault", 303: "off", 307: "running", 455: "warning"}


def _i32(address: int) -> Field:
    return Field(address, "i32")


def _u32(address: int, valid: tuple[float, float] | None = None) -> Field:
    return Field(address, "u32", valid=valid)


def _u64(address: int) -> Field:
    return Field(address, "u64")


_PANELS = (_i32(30773), _i32(30961), _i32(30967))
_BATTERY = Output(
    "battery_power_w",
    (_u32(31393), _u32(31395)),
    numeric(lambda charge, out: out - charge),
)
_MEASURED = MeasuredPower(_PANELS, _BATTERY, _i32(30775))


def _hold(watts: float, read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    power = encode(_MEASURED.ac_setpoint(watts, read_back), "i32")
    return (
        Write(_SETPOINT, power, check=False),
        Write(_ACTIVE, (0, _ON), check=False),
    )


def _neutral(_read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(_ACTIVE, (0, _OFF), check=False), Write(_SETPOINT, (0, 0), check=False))


PROFILE = Profile(
    key="sma-hybrid",
    title="SMA hybrid or battery inverter (own map)",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(unit=3, timeout_s=3.0),
    identify=((_u32(30051), r"^80\d\d$"), (_u32(30053), r"^\d{4,5}$"), (_u32(30845), r".")),
    says=(("serial", _u32(30057)),),
    controls=frozenset({Control.BATTERY_POWER}),
    source=Source(
        outputs=(
            one("ac_power_w", _i32(30775)),
            Output("pv_power_w", _PANELS, total_of_present),
            _BATTERY,
            one("battery_soc_pct", _u32(30845, (0, 100))),
            Output("grid_power_w", (_u32(30865), _u32(30867)), numeric(lambda i, e: i - e)),
            Output("inverter_state", (_u32(30201),), named(_STATES)),
            frequency(Field(30803, "u32", scale=0.01)),
            *grid_counters(_u32(30581), _u32(30583)),
            lifetime("battery_charge_wh", _u64(31397), "slow"),
            lifetime("battery_discharge_wh", _u64(31401), "slow"),
            one("battery_capacity_wh", _u32(40187), "slow"),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="inverter_ac",
                sources=(
                    "evcc: sma-hybrid and evcc-io/evcc#11580",
                    "OpenEMS: SMA SunnyTripower",
                ),
                recompute=True,
                read_back=(Block("holding", _SETPOINT, 4), *_MEASURED.blocks),
                hold=_hold,
                neutral=_neutral,
                lease=Lease("reversion", 600.0, refresh_s=60.0),
            ),
        ),
    ),
)
