"""Sungrow SH hybrids (inverter's own LAN port or RS485, unit 1; wire addresses, LE words).

External EMS mode (13049 = 3) falls back when the heartbeat 13079 has counted down to 0; the forced
mode 2 has no watchdog and is not used. WiNet-S dongles answer with other scales and are not
supported. Of the external mode nothing stays but the heartbeat's seconds, until the next start.
The charge and discharge limits 33046 / 33047 are settings (flash, by all that is known) and not
used. The export limit 13073 (W) / 13086 (0xAA on) is not offered: sources disagree about what is
written. mkaiser's map and modbus-connection write W, while owners of two models found that the
firmware takes 10 W a count in writing and W in reading (modbus-connection's sungrow library), so that
a limit might be ten times too wide. Battery power is signed (charge negative) since the firmware of 2024-11, before it
was unsigned with the direction in 13000: both are read right. Reads were checked on the registers of an
SH8.0RT (AlexanderLanin/homeassistant-sungrow, its test data; numbered from 1 there).
"""

from collections.abc import Callable, Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write, restore
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import (
    Output,
    Poll,
    frequency,
    grid_counters,
    held_unless,
    lifetime,
    named,
    numeric,
    one,
)
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, Kind, Missing, Value

_EMS, _COMMAND, _POWER, _HEARTBEAT = 13049, 13050, 13051, 13079
_SELF_USE, _EXTERNAL = 0, 3
_CHARGE, _DISCHARGE, _STOP = 0xAA, 0xBB, 0xCC
_LEASE_S = 60
_STATES = {
    0x0000: "running",
    0x0001: "off",
    0x0002: "off",
    0x0004: "off",
    0x0008: "standby",
    0x0010: "standby",
    0x0020: "starting",
    0x0040: "running",
    0x0100: "fault",
    0x0400: "running",  # maintaining the battery
    0x0800: "running",  # in a forced mode
    0x1000: "off_grid",
    0x4000: "running",  # under an external EMS
}
_CHARGING_BIT, _DISCHARGING_BIT = 2, 4


def _input(address: int, kind: Kind, scale: float = 1) -> Field:
    return Field(address, kind, "input", words="little", scale=scale)


_CAPACITY, _VOLTS = Field(5638, "u16", "input", scale=10), Field(13019, "u16", "input")


def _with_battery(combine: Callable[..., Value]) -> Callable[..., Value]:
    """Absent on an inverter without a battery: its registers are there, all at 0."""

    def present(capacity: Value, volts: Value, *values: Value) -> Value:
        there = any(isinstance(v, int | float) and v > 0 for v in (capacity, volts))
        if not there and Missing.BAD in (capacity, volts):
            return Missing.BAD
        return combine(*values) if there else Missing.ABSENT

    return present


def _in_battery(metric: str, field: Field, poll: Poll = "fast") -> Output:
    return Output(metric, (_CAPACITY, _VOLTS, field), _with_battery(lambda value: value), poll)


def _battery(state: Value, power: Value) -> Value:
    def signed(state: float, watts: float) -> Value:
        charging, discharging = int(state) & _CHARGING_BIT, int(state) & _DISCHARGING_BIT
        if watts < 0 or (watts > 0 and discharging and not charging):
            return watts
        if watts > 0 and charging and not discharging:
            return -watts
        return 0.0 if watts == 0 else Missing.BAD

    return numeric(signed)(state, power)


def _hold(watts: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    command = _STOP if abs(watts) < 1 else _DISCHARGE if watts > 0 else _CHARGE
    return (
        Write(_HEARTBEAT, (_LEASE_S,), check=False),
        Write(_POWER, (min(0xFFFF, round(abs(watts))),)),
        Write(_COMMAND, (command,)),
        Write(_EMS, (_EXTERNAL,)),
    )


def _neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Self-consumption first: from then on command and power mean nothing."""
    return (
        Write(_EMS, (_SELF_USE,)),
        Write(_COMMAND, (_STOP,)),
        Write(_POWER, (0,)),
        *restore(saved, _HEARTBEAT),
    )


PROFILE = Profile(
    key="sungrow-sh",
    title="Sungrow SH hybrid",
    kind="hybrid",
    verified="capture",
    communication=Communication(unit=1, timeout_s=3.0, max_gap=20),
    identify=(
        (Field(4999, "u16", "input", valid=(0xD00, 0xE7F)), r"."),  # the type code of a hybrid
        (Field(4989, "str", "input", count=10), r"^[0-9A-Z]{6,}"),
    ),
    says=(("serial", Field(4989, "str", "input", count=10)),),
    controls=frozenset({Control.BATTERY_POWER}),
    source=Source(
        outputs=(
            one("ac_power_w", _input(13033, "i32")),
            one("pv_power_w", _input(5016, "u32")),
            one("grid_power_w", _input(13009, "i32", -1)),
            Output(
                "battery_power_w",
                (_CAPACITY, _VOLTS, Field(13000, "u16", "input"), _input(13021, "i16")),
                _with_battery(_battery),
            ),
            Output("inverter_state", (Field(12999, "u16", "input"),), named(_STATES)),
            Output("battery_mode", (Field(_EMS, "u16"),), held_unless(_SELF_USE)),
            frequency(Field(5241, "u16", "input", scale=0.01)),
            _in_battery("battery_soc_pct", Field(13022, "u16", "input", scale=0.1, valid=(0, 100))),
            lifetime("pv_energy_wh", _input(13002, "u32", 100), "slow"),
            lifetime("battery_discharge_wh", _input(13026, "u32", 100), "slow"),
            lifetime("battery_charge_wh", _input(13040, "u32", 100), "slow"),
            lifetime("battery_capacity_wh", _CAPACITY, "slow"),
            *grid_counters(_input(13036, "u32", 100), _input(13045, "u32", 100)),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="battery",
                sources=(
                    "mkaiser/Sungrow-SHx-Inverter-Modbus-Home-Assistant",
                    "evcc: sungrow-hybrid",
                ),
                read_back=(Block("holding", _EMS, 3), Block("holding", _HEARTBEAT, 1)),
                hold=_hold,
                neutral=_neutral,
                is_neutral=lambda read_back: read_back.word(_EMS) == _SELF_USE,
                restore_registers=(_HEARTBEAT,),
                persists_after_lease=(_HEARTBEAT,),
                lease=Lease("heartbeat", _LEASE_S, refresh_s=25.0),
            ),
        ),
    ),
)
