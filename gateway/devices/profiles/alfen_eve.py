"""Alfen Eve (Modbus TCP 502, socket 1 = unit 1; needs the EMS licence; f32 / f64 in BE words).

1210 holds for the validity time (60 s by default; 10 s seen, evcc-io/evcc#12492), then the safe current set
at the charger applies: to let go is to stop writing.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, one
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, Missing, Value, encode

_CURRENT = 1210


def _state(value: Value) -> Value:
    """Mode 3 state by IEC 61851: A no car, B plugged, C and D charging, E and F error."""
    if not isinstance(value, str):
        return value if isinstance(value, Missing) else Missing.BAD
    states = {"A": "idle", "B": "plugged", "C": "charging", "D": "charging"}
    return states.get(value[0], "error" if value[0] in "EF" else Missing.BAD)


def _hold(amps: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(_CURRENT, encode(amps if amps >= 6 else 0, "f32")),)


def _neutral(_read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return ()


PROFILE = Profile(
    key="alfen-eve",
    title="Alfen Eve charger",
    kind="charger",
    verified="data sheet",
    communication=Communication(unit=1, timeout_s=3.0),
    identify=(
        (Field(1201, "str", count=5), r"^[A-F][12]?$"),
        (Field(1200, "u16"), r"^[01]$"),  # whether it is available
    ),
    controls=frozenset({Control.CHARGE_CURRENT}),
    source=Source(
        outputs=(
            Output("charger_state", (Field(1201, "str", count=5),), _state),
            one("charger_power_w", Field(344, "f32", valid=(-100, 50_000))),
            one("charger_energy_wh", Field(374, "f64", valid=(0, 1e12))),
        ),
        controls=(
            ControlSheet(
                control=Control.CHARGE_CURRENT,
                limits="charger",
                sources=(
                    "Alfen: Modbus slave TCP/IP",
                    "evcc: charger alfen",
                    "openWB: alfen",
                ),
                read_back=(Block("holding", _CURRENT, 2),),
                hold=_hold,
                neutral=_neutral,
                on_foreign_setpoint="keep",
                lease=Lease("heartbeat", 60.0, refresh_s=20.0),
            ),
        ),
    ),
)
