"""go-eCharger from firmware 40 on (Modbus TCP, unit 1); goecharger/go-eCharger-API-v2: modbus-en.md.

Power is in 0.01 W on hardware V3 and later, in 10 W on V1 and V2 (goecharger/go-eCharger-API-v2#163).
Measurements are input registers, settings holding registers that take function 16 only. There is
no dead-man: what we change is stored and put back at the next start. 299 is the volatile current
(300 would wear the EEPROM; firmware 59.4 writes it along with 299, goecharger/go-eCharger-API-v2#310).
It is not budgeted: a charger whose budget were spent could no longer obey the fuse, and the current is
written in whole amperes on change only. Firmware 60.3 swaps bytes by mistake; its values fall out of range.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, named, one
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, Missing, Value

_AMPERE_VOLATILE, _FORCE = 299, 337
_FIRMWARE = Field(105, "str", "input", count=2)
_V3_FIRMWARE, _MOST_W = 50, 50_000
_FORCE_NEUTRAL, _FORCE_OFF, _FORCE_ON = 0, 1, 2
_STATES = {0: "error", 1: "idle", 2: "charging", 3: "plugged", 4: "plugged"}


def _power(firmware: Value, raw: Value) -> Value:
    """Hardware from V3 on counts 0.01 W, the first two 10 W; their firmware stays below 050."""
    if not isinstance(raw, int | float) or raw == 0:
        return raw
    digits = str(firmware)[:3]
    if isinstance(firmware, Missing) or not digits.isdecimal():
        return Missing.BAD
    watts = raw / 100 if int(digits) >= _V3_FIRMWARE else raw * 10
    return watts if 0 <= watts <= _MOST_W else Missing.BAD


def _hold(amps: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Whole amperes, rounded down; below 6 A pause."""
    if amps < 6:
        return (Write(_FORCE, (_FORCE_OFF,)),)
    return (Write(_AMPERE_VOLATILE, (min(32, int(amps)),)), Write(_FORCE, (_FORCE_ON,)))


def _neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    before = saved.get(_AMPERE_VOLATILE)
    return (
        Write(_FORCE, (saved.get(_FORCE, _FORCE_NEUTRAL),)),
        *((Write(_AMPERE_VOLATILE, (before,)),) if before else ()),
    )


PROFILE = Profile(
    key="go-e",
    title="go-eCharger",
    kind="charger",
    verified="data sheet",
    identify=(
        (Field(304, "str", "input", count=6), r"^[0-9A-Z]{6,12}$"),
        (Field(100, "u16", "input"), r"^[0-4]$"),
    ),
    says=(("serial", Field(304, "str", "input", count=6)),),
    communication=Communication(unit=1, timeout_s=3.0, max_gap=12),
    controls=frozenset({Control.CHARGE_CURRENT}),
    source=Source(
        outputs=(
            Output("charger_state", (Field(100, "u16", table="input"),), named(_STATES)),
            Output("charger_power_w", (_FIRMWARE, Field(120, "u32", "input")), _power),
            one("charger_energy_wh", Field(128, "u32", "input", scale=100)),
            one("charger_session_wh", Field(132, "u32", "input", scale=1 / 360)),
        ),
        controls=(
            ControlSheet(
                control=Control.CHARGE_CURRENT,
                limits="charger",
                sources=(
                    "go-e: modbus-en.md",
                    "evcc: charger go-e",
                ),
                read_back=(
                    Block("holding", _AMPERE_VOLATILE, 1),
                    Block("holding", _FORCE, 1),
                ),
                hold=_hold,
                neutral=_neutral,
                on_foreign_setpoint="keep",
                restore_registers=(_AMPERE_VOLATILE, _FORCE),
                is_neutral=lambda read_back: read_back.word(_FORCE) == _FORCE_NEUTRAL,
                lease=Lease("none", refresh_s=60.0),
            ),
        ),
    ),
)
