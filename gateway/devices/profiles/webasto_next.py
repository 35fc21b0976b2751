"""Webasto Next and Ampure Next chargers (Modbus TCP 502, unit 255). Energy in Wh; it tells no name.

Measurements are input registers. The life bit 6000 must be set again within the timeout 2002 (s),
else the charger takes its fail-safe current.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write, restore
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, numeric, one
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, Missing, Value

_CURRENT, _ALIVE = 5004, 6000
_CHARGING = 1
_CAR_PLUGGED = 2  # cable states from here on


def _state(charging: Value, cable: Value) -> Value:
    def name(charging: float, cable: float) -> Value:
        if charging not in (0, _CHARGING):
            return Missing.BAD
        if cable < _CAR_PLUGGED:
            return "idle"
        return "charging" if charging == _CHARGING else "plugged"

    return numeric(name)(charging, cable)


def _hold(amps: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    current = int(amps) if amps >= 6 else 0
    return (Write(_ALIVE, (1,), fc=6, check=False), Write(_CURRENT, (min(32, current),), fc=6))


def _neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    return restore(saved, _CURRENT, fc=6)


def outputs(counter_wh: float) -> tuple[Output, ...]:
    """What is read; ``counter_wh`` is one count of the lifetime energy."""
    return (
        Output("charger_state", (Field(1001, "u16", "input"), Field(1004, "u16", "input")), _state),
        one("charger_power_w", Field(1020, "u32", "input", valid=(0, 50_000))),
        one("charger_energy_wh", Field(1036, "u32", "input", scale=counter_wh)),
        one("charger_session_wh", Field(1502, "u32", "input")),
    )


CONTROL = ControlSheet(
    control=Control.CHARGE_CURRENT,
    limits="charger",
    sources=("evcc: charger webasto-next", "OpenEMS: EVCS Webasto Next"),
    read_back=(Block("holding", _CURRENT, 1),),
    hold=_hold,
    neutral=_neutral,
    on_foreign_setpoint="keep",
    restore_registers=(_CURRENT,),
    persists_after_lease=(_CURRENT,),
    lease=Lease("heartbeat", 20.0, refresh_s=5.0),
)

PROFILE = Profile(
    key="webasto-next",
    title="Webasto Next charger",
    kind="charger",
    verified="data sheet",
    communication=Communication(unit=255, timeout_s=3.0),
    identify=(
        (Field(1000, "u16", "input"), r"^[0-8]$"),
        (Field(1001, "u16", "input"), r"^[01]$"),
        (Field(1004, "u16", "input"), r"^[0-3]$"),
        (Field(1100, "u16", "input", valid=(6, 80)), r"."),  # largest and least current, A
        (Field(1102, "u16", "input", valid=(6, 80)), r"."),
    ),
    controls=frozenset({Control.CHARGE_CURRENT}),
    source=Source(outputs=outputs(counter_wh=1), controls=(CONTROL,)),
)
