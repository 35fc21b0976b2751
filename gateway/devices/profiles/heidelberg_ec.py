"""Heidelberg Energy Control (RTU 19200 8E1, unit 1; measurements are input registers).

Without a request for the time in 257 (ms) the charger takes its fail-safe current 262; 258 = 4 keeps
it from standby, in which it would not answer; 259 = 0 locks it (state 10, which is no error). They stay until the next start. Current in 0.1 A.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write, restore
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, named, one
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field

_STANDBY, _UNLOCKED, _CURRENT = 258, 259, 261
_NO_STANDBY = 4
_STATES = {
    2: "idle",
    3: "idle",
    4: "plugged",
    5: "plugged",
    6: "charging",
    7: "charging",
    8: "plugged",
    9: "error",
    10: "idle",  # locked from outside
    11: "error",
}


def _hold(amps: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    """A charger that is locked by register is unlocked when it is asked to charge."""
    tenths = round(amps * 10) if amps >= 6 else 0
    return (
        Write(_STANDBY, (_NO_STANDBY,)),
        *((Write(_UNLOCKED, (1,), optional=True),) if tenths else ()),
        Write(_CURRENT, (min(160, tenths),)),
    )


def _neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (
        *restore(saved, _CURRENT),
        *restore(saved, _UNLOCKED),
        *restore(saved, _STANDBY),
    )


PROFILE = Profile(
    key="heidelberg-ec",
    title="Heidelberg Energy Control charger",
    kind="charger",
    verified="data sheet",
    communication=Communication(unit=1, timeout_s=2.0, min_gap_s=0.05),
    identify=(
        (Field(4, "u16", "input", valid=(0x100, 0x10F)), r"."),  # version of the register layout
        (Field(5, "u16", "input", valid=(2, 11)), r"."),
        (Field(100, "u16", "input", valid=(6, 16)), r"."),  # largest and least current, A
        (Field(101, "u16", "input", valid=(6, 16)), r"."),
    ),
    controls=frozenset({Control.CHARGE_CURRENT}),
    source=Source(
        outputs=(
            Output("charger_state", (Field(5, "u16", "input"),), named(_STATES)),
            one("charger_power_w", Field(14, "u16", "input", valid=(0, 50_000))),
            one("charger_energy_wh", Field(17, "u32", "input")),
        ),
        controls=(
            ControlSheet(
                control=Control.CHARGE_CURRENT,
                limits="charger",
                sources=(
                    "Heidelberg: Energy Control Modbus register table",
                    "evcc: charger heidelberg",
                ),
                read_back=(
                    Block("holding", _STANDBY, 1),
                    Block("holding", _UNLOCKED, 1),
                    Block("holding", _CURRENT, 1),
                ),
                hold=_hold,
                neutral=_neutral,
                on_foreign_setpoint="keep",
                restore_registers=(_STANDBY, _UNLOCKED, _CURRENT),
                persists_after_lease=(_STANDBY, _UNLOCKED, _CURRENT),
                lease=Lease("heartbeat", 15.0, refresh_s=7.0),
            ),
        ),
    ),
)
