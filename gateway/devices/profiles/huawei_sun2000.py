"""Huawei SUN2000 with LUNA2000 (Modbus TCP through inverter or dongle, unit 1 or 0; BE words).

The device wants 1-2 s after connect and 50 ms between requests, answers one client only, and must
be opened by the installer. Forcible charge and discharge end by themselves after the period in
47083 (minutes): that is the dead-man, written again before half of it has passed. What it leaves is
the permission to charge from the grid (47087): that is put back at the next start. It and 47246 are
settings, so they are written on change only and the permission is kept until we let go.
Lifetime energy of the panels is 32108; 32106 is what left on the AC side, with the battery's discharge
in it (wlcrs/huawei_solar#1). Grid meter 37113 and battery 37765 count export and charge as + (evcc: huawei-sun2000-hybrid).

Export limit: 47415 = 6 limits the grid connection to 47416 W, 7 to 47418 x 0.1 % of the rated
power 30073, 5 to nothing, 0 has no limit, 1 leaves it to dry contacts (wlcrs/huawei-solar-lib;
evcc and Huawei's interface definitions agree on the addresses). These are settings in flash, without a dead-man.
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
    one,
)
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.registers import Block, Field, Missing, Value, encode

_PERIOD, _GRID_CHARGE, _FORCE, _BY = 47083, 47087, 47100, 47246
_CHARGE_W, _DISCHARGE_W = 47247, 47249
_STOP, _CHARGE, _DISCHARGE = 0, 1, 2
_PERIOD_MIN = 2
_EXPORT_MODE, _EXPORT_W, _EXPORT_PCT = 47415, 47416, 47418
_UNLIMITED, _NO_EXPORT, _LIMIT_W, _LIMIT_PCT = 0, 5, 6, 7


def _i32(address: int, scale: float = 1) -> Field:
    return Field(address, "i32", scale=scale, valid=(-1e6, 1e6))


def _u32(address: int, scale: float = 1) -> Field:
    return Field(address, "u32", scale=scale)


def _count(address: int) -> Field:
    """The meter's counters are i32 and may run below 0: their size counts (wlcrs/huawei_solar#1310)."""
    return Field(address, "u32", scale=10, size_counts=True)


_STATES = {
    **dict.fromkeys(range(4), "standby"),
    0x0100: "starting",
    0x0200: "running",
    0x0201: "throttled",
    0x0202: "throttled",
    0x0300: "fault",
    **dict.fromkeys(range(0x0301, 0x0309), "off"),
    0x0401: "throttled",
    0x0402: "throttled",
    0xA000: "sleeping",
}


def _heard(status: Value, value: Value) -> Value:
    """What meter (37100) or storage (37762) say while the inverter hears them; 0 is offline."""
    if status is Missing.BAD:
        return Missing.BAD  # refused just now: that says nothing about what is there
    return value if isinstance(status, int) and status != 0 else Missing.ABSENT


def _heard_export(status: Value, value: Value) -> Value:
    value = _heard(status, value)
    return -value if isinstance(value, int | float) else value


_METER, _STORAGE = Field(37100, "u16"), Field(37762, "u16")
_MAX_CHARGE, _MAX_DISCHARGE = _u32(37046), _u32(37048)


def _hold(watts: float, read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    """0 W is a forced discharge of nothing: neither direction runs, and it expires too."""
    most = read_back.number(_MAX_CHARGE if watts < 0 else _MAX_DISCHARGE)
    power = encode(min(abs(watts), most if most is not None else abs(watts)), "u32")
    timing = (Write(_BY, (0,), fc=6), Write(_PERIOD, (_PERIOD_MIN,), fc=6))
    if watts < 0:
        grid = Write(_GRID_CHARGE, (1,), fc=6)
        return (grid, *timing, Write(_CHARGE_W, power), Write(_FORCE, (_CHARGE,), fc=6))
    return (*timing, Write(_DISCHARGE_W, power), Write(_FORCE, (_DISCHARGE,), fc=6))


def _neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (
        Write(_FORCE, (_STOP,), fc=6),
        Write(_CHARGE_W, (0, 0)),
        Write(_DISCHARGE_W, (0, 0)),
        *restore(saved, _GRID_CHARGE, fc=6),
        *restore(saved, _BY, fc=6),
    )


_RATED = _u32(30073)


def _owners_limit(read_back: ReadBack, saved: Mapping[int, int]) -> float | None:
    """The export limit in W that stood there before us, None if there was none."""
    mode = saved.get(_EXPORT_MODE)
    if mode in (None, _UNLIMITED):
        return None
    if mode == _NO_EXPORT:
        return 0.0
    if mode == _LIMIT_W:
        watts = saved.get(_EXPORT_W, 0) << 16 | saved.get(_EXPORT_W + 1, 0)
        return float(watts - (1 << 32) if watts >> 31 else watts)  # below 0: always some import
    rated = read_back.number(_RATED)
    if mode == _LIMIT_PCT and rated:
        return rated * saved.get(_EXPORT_PCT, 0) / 1000
    raise DeviceError(f"the inverter limits its export by itself (47415 = {mode}); left to it")


def _hold_export(watts: float, read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Never wider than what the owner set: a limit of his that is smaller stays as it is."""
    owners = _owners_limit(read_back, saved)
    if owners is not None and watts >= owners:
        return _neutral_export(read_back, saved)
    return (
        Write(_EXPORT_W, encode(max(0.0, watts), "u32")),
        Write(_EXPORT_MODE, (_LIMIT_W,), fc=6),
    )


def _neutral_export(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (*restore(saved, _EXPORT_MODE, fc=6), *restore(saved, _EXPORT_W, 2))


PROFILE = Profile(
    key="huawei-sun2000",
    title="Huawei SUN2000 with LUNA2000",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(
        unit=1,
        timeout_s=5.0,
        connect_delay_s=1.5,
        min_gap_s=0.05,
        max_gap=20,
        single_client=True,
        sleeps_without_battery=True,  # it then refuses everything with exception 4
    ),
    identify=((Field(30000, "str", count=15), r"^SUN2000"),),
    says=(
        ("model", Field(30000, "str", count=15)),
        ("serial", Field(30015, "str", count=10)),
        ("version", Field(30050, "str", count=15)),  # wlcrs/huawei-solar-lib
    ),
    controls=frozenset({Control.BATTERY_POWER, Control.EXPORT_LIMIT}),
    source=Source(
        outputs=(
            one("ac_power_w", _i32(32080)),
            one("pv_power_w", _i32(32064)),
            frequency(Field(32085, "u16", scale=0.01)),
            Output("inverter_state", (Field(32089, "u16"),), named(_STATES)),
            Output("grid_power_w", (_METER, _i32(37113)), _heard_export),
            # both storage units together
            Output("battery_power_w", (_STORAGE, _i32(37765)), _heard_export),
            Output(
                "battery_soc_pct",
                (
                    _STORAGE,
                    Field(37760, "u16", scale=0.1, valid=(0, 100)),
                ),
                _heard,
            ),
            Output("battery_mode", (Field(_FORCE, "u16"),), held_unless(_STOP)),
            lifetime("pv_energy_wh", _u32(32108, 10), "slow"),
            *grid_counters(_count(37121), _count(37119), while_present=_METER),
            lifetime("battery_charge_wh", _u32(37780, 10), "slow"),
            lifetime("battery_discharge_wh", _u32(37782, 10), "slow"),
            one("battery_capacity_wh", _u32(37758), "slow"),
            one("battery_max_charge_w", _MAX_CHARGE, "slow"),
            one("battery_max_discharge_w", _MAX_DISCHARGE, "slow"),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="battery",
                sources=(
                    "evcc: huawei-sun2000-hybrid",
                    "wlcrs/huawei-solar-lib",
                ),
                read_back=(
                    Block("holding", 37046, 4),
                    Block("holding", _PERIOD, 1),
                    Block("holding", _GRID_CHARGE, 1),
                    Block("holding", _FORCE, 1),
                    Block("holding", _BY, 5),
                ),
                hold=_hold,
                neutral=_neutral,
                is_neutral=lambda read_back: read_back.word(_FORCE) == _STOP,
                restore_registers=(_GRID_CHARGE, _BY),
                persists_after_lease=(_GRID_CHARGE, _BY),
                flash=(_GRID_CHARGE, _BY),
                max_per_day=50,
                lease=Lease("reversion", 60.0 * _PERIOD_MIN, refresh_s=45.0),
            ),
            ControlSheet(
                control=Control.EXPORT_LIMIT,
                limits="grid",
                sources=(
                    "wlcrs/huawei-solar-lib",
                    "evcc: huawei-sun2000-hybrid",
                    "Huawei: Solar Inverter Modbus Interface Definitions",
                ),
                read_back=(Block("holding", 30073, 2), Block("holding", _EXPORT_MODE, 4)),
                required=(Block("holding", _EXPORT_MODE, 4),),
                hold=_hold_export,
                neutral=_neutral_export,
                is_neutral=lambda read_back: read_back.word(_EXPORT_MODE) == _UNLIMITED,
                restore_registers=span(_EXPORT_MODE, 4),
                flash=span(_EXPORT_MODE, 4),
                max_per_day=24,
                on_foreign_setpoint="keep",
                lease=Lease("none", refresh_s=300.0),
            ),
        ),
    ),
)
