"""ABB Terra AC (Modbus TCP or RTU, unit 1). It counts any request as a sign of life.

Its communication timeout (0x4106) is not read here, so what we change is also stored and put back.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write, span
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, one
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, Missing, Value, encode

_LIMIT, _SET = 0x400E, 0x4100
_STATES = {0: "idle", 1: "plugged", 2: "plugged", 3: "plugged", 4: "charging", 5: "plugged"}


def _state(value: Value) -> Value:
    """The low seven bits of the third byte of the status."""
    if not isinstance(value, int):
        return value if isinstance(value, Missing) else Missing.BAD
    return _STATES.get((value >> 8) & 0x7F, Missing.BAD)


def _hold(amps: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    milliamps = round(amps * 1000) if amps >= 6 else 0
    return (Write(_SET, encode(min(32_000, milliamps), "u32"), check=False),)


def _neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    before = tuple(saved[a] for a in span(_LIMIT, 2) if a in saved)
    return (Write(_SET, before, check=False),) if len(before) == 2 else ()


PROFILE = Profile(
    key="abb-terra-ac",
    title="ABB Terra AC charger",
    kind="charger",
    verified="data sheet",
    communication=Communication(unit=1, timeout_s=3.0),
    identify=(
        (Field(0x4006, "u32", valid=(6_000, 80_000)), r"."),  # largest current, mA
        (Field(0x400A, "u32"), r"^(0|1|17|257|273)$"),  # cable and lock
        (Field(_LIMIT, "u32", valid=(0, 80_000)), r"."),
    ),
    controls=frozenset({Control.CHARGE_CURRENT}),
    source=Source(
        outputs=(
            Output("charger_state", (Field(0x400D, "u16"),), _state),
            one("charger_power_w", Field(0x401C, "u32", valid=(0, 50_000))),
            one("charger_session_wh", Field(0x401E, "u32")),
        ),
        controls=(
            ControlSheet(
                control=Control.CHARGE_CURRENT,
                limits="charger",
                sources=(
                    "ABB: Terra AC charger, Modbus communication",
                    "evcc: charger abb",
                ),
                read_back=(Block("holding", _LIMIT, 2),),
                hold=_hold,
                neutral=_neutral,
                on_foreign_setpoint="keep",
                restore_registers=span(_LIMIT, 2),
                lease=Lease("none", refresh_s=30.0),
            ),
        ),
    ),
)
