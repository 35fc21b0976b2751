"""Mennekes Amtron Compact 2.0s / Start 2.0s (RTU 57600 8N2, unit 50; f32 in BE words, energy kWh).

The charger falls back when the heartbeat 0x0D00 = 0x55AA is missing for 10 s.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, named, one
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, encode

_CURRENT, _HEARTBEAT, _RELEASE = 0x0302, 0x0D00, 0x0D05
_TOKEN = 0x55AA
_STATES = {1: "idle", 2: "plugged", 3: "plugged", 4: "plugged", 5: "charging", 6: "error"}
_FULL_A = 16.0


def _hold(amps: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    beat = Write(_HEARTBEAT, (_TOKEN,), fc=6, check=False)
    if amps < 6:
        return (beat, Write(_RELEASE, (0,), fc=6))
    return (beat, Write(_CURRENT, encode(amps, "f32")), Write(_RELEASE, (1,), fc=6))


def _neutral(_read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(_RELEASE, (1,), fc=6), Write(_CURRENT, encode(_FULL_A, "f32")))


PROFILE = Profile(
    key="mennekes-compact",
    title="Mennekes Amtron Compact / Start",
    kind="charger",
    verified="data sheet",
    communication=Communication(unit=50, timeout_s=2.0),
    identify=(
        (Field(0x0100, "u16"), r"^[1-6]$"),
        (Field(_CURRENT, "f32", valid=(0, 40)), r"."),
        (Field(_RELEASE, "u16"), r"^[01]$"),
        (Field(0x0512, "f32", valid=(-100, 50_000)), r"."),
    ),
    controls=frozenset({Control.CHARGE_CURRENT}),
    source=Source(
        outputs=(
            Output("charger_state", (Field(0x0100, "u16"),), named(_STATES)),
            one("charger_power_w", Field(0x0512, "f32", valid=(-100, 50_000))),
            one("charger_session_wh", Field(0x0B02, "f32", scale=1000, valid=(0, 1e6))),
            one("charger_energy_wh", Field(0x1000, "f32", scale=1000, valid=(0, 1e12))),
        ),
        controls=(
            ControlSheet(
                control=Control.CHARGE_CURRENT,
                limits="charger",
                sources=(
                    "Mennekes: Amtron Compact Modbus RTU",
                    "evcc: charger mennekes-compact",
                ),
                read_back=(Block("holding", _CURRENT, 2), Block("holding", _RELEASE, 1)),
                hold=_hold,
                neutral=_neutral,
                on_foreign_setpoint="keep",
                lease=Lease("heartbeat", 10.0, refresh_s=4.0),
            ),
        ),
    ),
)
