"""Victron GX (Cerbo, Venus; Modbus TCP 502, system service = unit 100; BE words).

The control is the grid setpoint 2716 (volatile, Venus >= 3.50; 2700 would wear flash) in ESS mode 2
without a watchdog: what we change is stored and put back. A battery power becomes a grid setpoint
by the loads and the panels measured in the same read, so it is written again as they change.
2700-2702 are settings that are logged to flash; they are not written. No export limit: 2706 is in
100 W with -1 for 'no limit', which cannot be told from 0 W when it is read back through the
scale, so that it could not be restored.
In ESS mode 3 (2902) 2716 is ignored, so nothing is set. With Dynamic ESS active (5400 = 1) control is refused: two masters would fight.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write, restore, span
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, numeric, one, total_of_present, while_battery
from gateway.domain.control import Control
from gateway.domain.metrics import PHASES
from gateway.errors import DeviceError
from gateway.modbus.registers import Block, Field

_SETPOINT, _ESS_MODE, _DYNAMIC_ESS = 2716, 2902, 5400
_EXTERNAL = 3
_SOC = Field(843, "u16", valid=(0, 100))
_PANELS = tuple(Field(a, "u16") for a in (*span(808, 9), 850))
_LOADS = tuple(Field(a, "u16") for a in span(817, 3))
_GRID = tuple(Field(a, "i16") for a in span(820, 3))


def _hold(watts: float, read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    if read_back.word(_ESS_MODE) == _EXTERNAL:
        raise DeviceError("ESS is set to external control (2902 = 3), which ignores this setpoint")
    if read_back.word(_DYNAMIC_ESS) == 1:
        raise DeviceError("Dynamic ESS is active and would fight; switch it off to let us control")
    load, panels = (
        total_of_present(*(read_back.value(f) for f in group)) for group in (_LOADS, _PANELS)
    )
    if not isinstance(load, int | float) or not isinstance(panels, int | float):
        raise DeviceError("loads or panels cannot be read, so no setpoint can be computed")
    grid = round((load - panels - watts) / 50) * 50
    word = grid & 0xFFFF_FFFF
    return (Write(_SETPOINT, (word >> 16, word & 0xFFFF)),)


def _neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    return restore(saved, _SETPOINT, 2)


PROFILE = Profile(
    key="victron-gx",
    title="Victron GX system",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(unit=100, timeout_s=3.0, max_gap=10),
    identify=((Field(800, "str", count=6), r"^[0-9a-fA-F]{12}$"),),
    says=(("serial", Field(800, "str", count=6)),),
    controls=frozenset({Control.BATTERY_POWER}),
    source=Source(
        outputs=(
            # what the home does not have (a phase, panels on the genset) is absent there
            Output("pv_power_w", _PANELS, total_of_present),
            Output("grid_power_w", _GRID, total_of_present),
            *(one(f"grid_power_{name}_w", f) for name, f in zip(PHASES, _GRID, strict=True)),
            *while_battery(
                _SOC,
                Field(840, "u16"),
                Output("battery_power_w", (Field(842, "i16"),), numeric(lambda w: -w)),
                one("battery_soc_pct", _SOC),
            ),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="grid",
                sources=(
                    "victronenergy/dbus_modbustcp: attributes.csv",
                    "evcc: victron-energy",
                ),
                read_back=(
                    Block("holding", 808, 12),
                    Block("holding", 850, 1),
                    Block("holding", _SETPOINT, 2),
                    Block("holding", _ESS_MODE, 1),
                    Block("holding", _DYNAMIC_ESS, 1),
                ),
                hold=_hold,
                neutral=_neutral,
                restore_registers=span(_SETPOINT, 2),
                lease=Lease("none", refresh_s=20.0),
                recompute=True,
            ),
        ),
    ),
)
