"""SolarEdge inverters with StorEdge battery (Modbus TCP 1502 or 502, unit 1, one client only).

SunSpec for the inverter and its meter (whose power counts export as +); battery and control in
0xE000-0xE1FF with LE words. The command mode falls back to the default mode 0xE00A when no
command came for 0xE00B seconds. The charge and discharge limits and the timeout are forgotten in a
restart (evcc-io/evcc#11663), so they are no flash. Control mode 0xE004, default mode 0xE00A and
the export limit are kept; whether that wears flash is open (WillCodeForCats/solaredge-modbus-multi#726),
so they are treated as if it did. After the fallback they stay as we set them, until the next start.

Export limit: 0xE000 bit 0 limits the export directly (bits 1 and 2 are other limits, left to their
owner), 0xE001 = 0 for the sum of the phases, 0xE002 in W (WillCodeForCats/solaredge-modbus-multi,
binsentsu, OpenEMS agree). It works only where the installer has set up a meter.
"""

import struct
from collections.abc import Mapping

from gateway.devices.profile import (
    Connection,
    ControlSheet,
    Facts,
    Lease,
    Output,
    Profile,
    Source,
    SunSpecSheet,
    Write,
    numeric,
    one,
    restore,
    span,
)
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.registers import Block, Field, encode

_MODE, _DEFAULT, _TIMEOUT, _COMMAND = 0xE004, 0xE00A, 0xE00B, 0xE00D
_CHARGE_W, _DISCHARGE_W = 0xE00E, 0xE010
_REMOTE = 4
_CHARGE_ALL, _EXPORT, _SELF_USE = 3, 4, 7
_LEASE_S = 300
_EXPORT_MODE, _EXPORT_BY, _EXPORT_W = 0xE000, 0xE001, 0xE002
_DIRECT, _OTHER_LIMITS = 1, 0b110
_IN_ALL = 0  # 0xE001: the limit is for the sum of the phases


def _f32(address: int, valid: tuple[float, float]) -> Field:
    """The battery block marks absent values with the lowest float as well as with NaN."""
    return Field(address, "f32", words="little", valid=valid)


_POWER = _f32(0xE174, (-1e5, 1e5))
_SOC = _f32(0xE184, (0, 100))


def _hold(watts: float, _facts: Facts, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Charge and discharge are limited to the wanted power; at 0 W both limits are 0."""
    charge = encode(max(0.0, -watts), "f32", "little")
    discharge = encode(max(0.0, watts), "f32", "little")
    mode = _EXPORT if watts >= 1 else _CHARGE_ALL if watts <= -1 else _SELF_USE
    return (
        Write(_MODE, (_REMOTE,), fc=6),
        Write(_DEFAULT, (_SELF_USE,), fc=6),
        Write(_TIMEOUT, encode(_LEASE_S, "u32", "little")),
        Write(_CHARGE_W, charge),
        Write(_DISCHARGE_W, discharge),
        Write(_COMMAND, (mode,), fc=6),
    )


def _neutral(_facts: Facts, saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (
        Write(_COMMAND, (_SELF_USE,), fc=6),
        *restore(saved, _CHARGE_W, 2),
        *restore(saved, _DISCHARGE_W, 2),
        *restore(saved, _TIMEOUT, 2),
        *restore(saved, _DEFAULT, fc=6),
        *restore(saved, _MODE, fc=6),
    )


def _hold_export(watts: float, _facts: Facts, saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Never wider than a limit of the owner's; what the other bits say stays."""
    mode, wanted = saved.get(_EXPORT_MODE, 0), max(0.0, watts)
    if mode & _OTHER_LIMITS or (mode & _DIRECT and saved.get(_EXPORT_BY) != _IN_ALL):
        raise DeviceError(f"the inverter limits in its own way (0xE000 = {mode:#x}); left to it")
    if mode & _DIRECT and watts >= _saved_limit(saved):
        return _neutral_export(_facts, saved)
    return (
        Write(_EXPORT_W, encode(wanted, "f32", "little")),
        Write(_EXPORT_BY, (_IN_ALL,), fc=6),
        Write(_EXPORT_MODE, (mode | _DIRECT,), fc=6),
    )


def _saved_limit(saved: Mapping[int, int]) -> float:
    """The owner's limit in W; NaN compares as none."""
    low, high = saved.get(_EXPORT_W, 0), saved.get(_EXPORT_W + 1, 0)
    value: float = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    return value


def _neutral_export(_facts: Facts, saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Off before the power is put back; a limit that stays on is put back first."""
    switch = (*restore(saved, _EXPORT_MODE, fc=6), *restore(saved, _EXPORT_BY, fc=6))
    power = restore(saved, _EXPORT_W, 2)
    return (*power, *switch) if saved.get(_EXPORT_MODE, 0) & _DIRECT else (*switch, *power)


PROFILE = Profile(
    key="solaredge-storedge",
    title="SolarEdge with StorEdge battery",
    kind="hybrid",
    verified="data sheet",
    connection=Connection(port=1502, unit=1, timeout_s=5.0, max_gap=20, single_client=True),
    sunspec=SunSpecSheet(battery_charge=_POWER),
    maker="solaredge",
    identify=((Field(0xE100, "str", count=16), r"\w"),),
    controls=frozenset({Control.BATTERY_POWER, Control.EXPORT_LIMIT}),
    source=Source(
        outputs=(
            Output("battery_power_w", (_POWER,), numeric(lambda w: -w)),
            one("battery_soc_pct", _SOC),
            one("battery_discharge_wh", Field(0xE176, "u64", words="little"), "slow"),
            one("battery_charge_wh", Field(0xE17A, "u64", words="little"), "slow"),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                facts=(Block("holding", _MODE, 1), Block("holding", _DEFAULT, 8)),
                hold=_hold,
                neutral=_neutral,
                is_neutral=lambda facts: facts.word(_COMMAND) == _SELF_USE,
                saved=(_MODE, *span(_DEFAULT, 3), *span(_CHARGE_W, 4)),
                stays=(_MODE, *span(_DEFAULT, 3)),
                flash=(_MODE, _DEFAULT),
                max_per_day=50,
                lease=Lease("reversion", _LEASE_S, refresh_s=120.0),
            ),
            ControlSheet(
                control=Control.EXPORT_LIMIT,
                facts=(Block("holding", _EXPORT_MODE, 4),),
                needs=(Block("holding", _EXPORT_MODE, 4),),
                hold=_hold_export,
                neutral=_neutral_export,
                is_neutral=lambda facts: not (facts.word(_EXPORT_MODE) or 0) & _DIRECT,
                saved=span(_EXPORT_MODE, 4),
                flash=span(_EXPORT_MODE, 4),
                max_per_day=24,
                foreign="keep",
                lease=Lease("none", refresh_s=300.0),
            ),
        ),
    ),
)
