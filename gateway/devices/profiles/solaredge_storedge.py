"""SolarEdge inverters with StorEdge battery (Modbus TCP 1502 or 502, unit 1, one client only).

SunSpec for the inverter and its meter (whose power counts export as +); battery and control in
0xE000-0xE1FF with LE words. The command mode falls back to the default mode 0xE00A when no
command came for 0xE00B seconds. Whether these settings wear flash is open
(WillCodeForCats/solaredge-modbus-multi#726), so the lease is long.
"""

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
from gateway.modbus.registers import Block, Field, encode

_MODE, _DEFAULT, _TIMEOUT, _COMMAND = 0xE004, 0xE00A, 0xE00B, 0xE00D
_CHARGE_W, _DISCHARGE_W = 0xE00E, 0xE010
_REMOTE = 4
_CHARGE_ALL, _EXPORT, _SELF_USE = 3, 4, 7
_LEASE_S = 300


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


PROFILE = Profile(
    key="solaredge-storedge",
    title="SolarEdge with StorEdge battery",
    kind="hybrid",
    verified="data sheet",
    connection=Connection(port=1502, unit=1, timeout_s=5.0, max_gap=20, single_client=True),
    sunspec=SunSpecSheet(battery_charge=_POWER),
    maker="solaredge",
    identify=((Field(0xE100, "str", count=16), r"\w"),),
    controls=frozenset({Control.BATTERY_POWER}),
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
                lease=Lease("reversion", _LEASE_S, refresh_s=120.0),
            ),
        ),
    ),
)
