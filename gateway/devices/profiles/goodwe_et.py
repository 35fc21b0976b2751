"""GoodWe ET / EH / BT / BH hybrids (Modbus TCP 502 or RTU, unit 247; holding registers, BE words).

Meanings: marcelblijleven/goodwe (et.py) and evcc's template goodwe-hybrid; the meter counts export
as +. EMS power modes: 1 auto, 8 battery standby, 11 charge and 12 discharge battery with 47512 W.
There is no watchdog, the mode persists (evcc-io/evcc#30965): what we change is stored and put back
at the next start. The inverter sleeps at night.

Mode and power are written cyclically by FENECON's OpenEMS in thousands of homes, so they are not
budgeted. The export limit (47509 on, 47510 W at the grid connection; marcelblijleven/goodwe and OpenEMS
agree for models up to 30 kW) is a setting in flash.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write, restore, span
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import (
    Output,
    frequency,
    grid_counters,
    held_unless,
    lifetime,
    named,
    numeric,
    one,
    total_of_present,
)
from gateway.domain.control import Control
from gateway.domain.metrics import PHASES
from gateway.modbus.registers import Block, Field, Missing, Value

_EXPORT_ON, _EXPORT_W, _MODE, _POWER = 47509, 47510, 47511, 47512
_AUTO, _STANDBY, _CHARGE, _DISCHARGE = 1, 8, 11, 12
_NO_BATTERY = 0  # of the battery's mode; then standby, discharge, charge, and both announced
_BATTERY_MODES = range(1, 6)
_STATES = {
    0: "waiting",
    1: "running",
    2: "off_grid",
    3: "fault",
    4: "updating",
    5: "checking",
}
_RATED = Field(35001, "u16", valid=(1000, 60_000))
_POSSIBLE_W = (-200_000, 200_000)  # the largest of the family has 30 kW


def _panel(address: int) -> Field:
    return Field(address, "u32", valid=(0, 100_000))


def _signed(address: int) -> Field:
    return Field(address, "i32", valid=_POSSIBLE_W)


def _metered(working: Value, power: Value) -> Value:
    """The meter's power counts only while the inverter hears the meter."""
    if Missing.BAD in (working, power):
        return Missing.BAD
    return -power if working == 1 and isinstance(power, int | float) else Missing.ABSENT


def _in_battery(mode: Value, value: Value) -> Value:
    """What a battery says, where there is one: without it the registers hold 0."""
    if mode is Missing.BAD:
        return Missing.BAD
    return Missing.ABSENT if mode == _NO_BATTERY else value


def _both(mode: Value, power: Value, mode_2: Value, power_2: Value) -> Value:
    """The power of one or two batteries."""
    return total_of_present(_in_battery(mode, power), _second(mode_2, power_2))


def _second(mode: Value, value: Value) -> Value:
    """Only some models have registers of a second battery, and few owners a second battery."""
    if mode is Missing.BAD:
        return Missing.BAD
    return value if isinstance(mode, int) and mode in _BATTERY_MODES else Missing.ABSENT


def _soc(*values: Value) -> Value:
    """Of two batteries the mean, weighted by their modules."""
    mode, soc, modules, mode_2, soc_2, modules_2 = values
    first, second = _in_battery(mode, soc), _second(mode_2, soc_2)
    if second is Missing.ABSENT:
        return first
    if first is Missing.ABSENT:
        return second
    numbers = (first, second, modules, modules_2)
    if not all(isinstance(v, int) for v in numbers) or 0 in (modules, modules_2):
        return Missing.ABSENT
    return numeric(lambda a, b, m, n: (a * m + b * n) / (m + n))(*numbers)


def _hold(watts: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    mode = _STANDBY if abs(watts) < 1 else _DISCHARGE if watts > 0 else _CHARGE
    return (
        Write(_POWER, (min(0xFFFF, round(abs(watts))),)),
        Write(_MODE, (mode,)),
    )


def _neutral(_read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(_MODE, (_AUTO,)), Write(_POWER, (0,)))


_BATTERY_MODE, _BATTERY_2_MODE = Field(35184, "u16"), Field(35266, "u16")


def _hold_export(watts: float, read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Never wider than a limit of the owner's; more than the inverter's rating is refused by it."""
    wanted = max(0, min(read_back.number(_RATED) or 0xFFFF, round(watts)))
    if saved.get(_EXPORT_ON) == 1:
        wanted = min(wanted, saved.get(_EXPORT_W, wanted))
    return (Write(_EXPORT_W, (int(wanted),)), Write(_EXPORT_ON, (1,)))


def _neutral_export(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Off before the power is put back; a limit that stays on is put back first."""
    switch, power = restore(saved, _EXPORT_ON), restore(saved, _EXPORT_W)
    return (*power, *switch) if saved.get(_EXPORT_ON) == 1 else (*switch, *power)


PROFILE = Profile(
    key="goodwe-et",
    title="GoodWe ET / EH / BT / BH hybrid",
    kind="hybrid",
    verified="capture",
    communication=Communication(unit=247, timeout_s=3.0, max_gap=50, sleeps_at_night=True),
    identify=(
        # the serial number: rating, two or three letters of the family, year and number
        (Field(35003, "str", count=8), r"^\d[0-9A-Z]{4}[A-Z]{2,3}[0-9A-Z]{8,9}$"),
        (Field(35001, "u16", valid=(500, 60_000)), r"."),  # rating in W
        (Field(35100, "u16"), r"."),
    ),
    says=(("serial", Field(35003, "str", count=8)), ("model", Field(35011, "str", count=5))),
    controls=frozenset({Control.BATTERY_POWER, Control.EXPORT_LIMIT}),
    source=Source(
        outputs=(
            one("ac_power_w", Field(35138, "i16")),
            Output(
                "pv_power_w",
                tuple(_panel(a) for a in (35105, 35109, 35113, 35117)),
                total_of_present,
            ),
            frequency(Field(35123, "u16", scale=0.01)),
            Output("inverter_state", (Field(35187, "u16"),), named(_STATES)),
            Output(
                "battery_power_w",
                (_BATTERY_MODE, _signed(35182), _BATTERY_2_MODE, _signed(35264)),
                _both,
            ),
            Output(
                "battery_soc_pct",
                (
                    _BATTERY_MODE,
                    Field(37007, "u16", valid=(0, 100)),
                    Field(37009, "u16"),
                    _BATTERY_2_MODE,
                    Field(39005, "u16", valid=(0, 100)),
                    Field(39007, "u16"),
                ),
                _soc,
            ),
            Output(
                "battery_mode",
                (_BATTERY_MODE, Field(_MODE, "u16")),
                lambda battery, mode: _in_battery(battery, held_unless(_AUTO)(mode)),
            ),
            Output("grid_power_w", (Field(36004, "u16"), _signed(36025)), _metered),
            *(
                Output(f"grid_power_{name}_w", (Field(36004, "u16"), _signed(at)), _metered)
                for name, at in zip(PHASES, (36019, 36021, 36023), strict=True)
            ),
            *grid_counters(Field(36017, "f32"), Field(36015, "f32")),
            lifetime("pv_energy_wh", Field(35191, "u32", scale=100)),
            lifetime("battery_charge_wh", Field(35206, "u32", scale=100)),
            lifetime("battery_discharge_wh", Field(35209, "u32", scale=100)),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="battery",
                sources=(
                    "marcelblijleven/goodwe: et.py",
                    "OpenEMS: GoodWe",
                ),
                read_back=(Block("holding", _MODE, 2),),
                hold=_hold,
                neutral=_neutral,
                is_neutral=lambda read_back: read_back.word(_MODE) == _AUTO,
                restore_registers=span(_MODE, 2),
                lease=Lease("none", refresh_s=120.0),
            ),
            ControlSheet(
                control=Control.EXPORT_LIMIT,
                limits="grid",
                sources=(
                    "marcelblijleven/goodwe: et.py",
                    "OpenEMS: GoodWe",
                ),
                read_back=(Block("holding", 35001, 1), Block("holding", _EXPORT_ON, 2)),
                required=(Block("holding", _EXPORT_ON, 2),),
                hold=_hold_export,
                neutral=_neutral_export,
                is_neutral=lambda read_back: read_back.word(_EXPORT_ON) == 0,
                restore_registers=span(_EXPORT_ON, 2),
                flash=span(_EXPORT_ON, 2),
                max_per_day=24,
                on_foreign_setpoint="keep",
                lease=Lease("none", refresh_s=300.0),
            ),
        ),
    ),
)
