"""SolarEdge inverters with StorEdge battery (Modbus TCP 1502 or 502, unit 1, one client only).

SunSpec for the inverter and its meter (whose power counts export as +); battery and control in
0xE000-0xE1FF with LE words. The command mode falls back to the default mode 0xE00A when no
command came for 0xE00B seconds; the limits stay, so that a battery at rest is put back at the next start. The charge and discharge limits and the timeout are forgotten in a
restart (evcc-io/evcc#11663), so they are no flash. Control mode 0xE004, default mode 0xE00A and
the export limit are kept; whether that wears flash is open (WillCodeForCats/solaredge-modbus-multi#726),
so they are treated as if it did. After the fallback they stay as we set them, until the next start.

Export limit: 0xE000 bit 0 limits the export directly (bits 1 and 2 are other limits, left to their
owner), 0xE001 = 0 for the sum of the phases, 0xE002 in W (WillCodeForCats/solaredge-modbus-multi,
binsentsu, OpenEMS agree). It works only where the installer has set up a meter.

Reserve: 0xE008, a float of 0 to 100 %, kept for an outage (WillCodeForCats, binsentsu); a setting, so on change only.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write, restore, span
from gateway.devices.datasheet import Communication, Profile, Source, SunSpecSheet
from gateway.devices.readout import Output, Poll, lifetime, numeric
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.registers import Block, Field, Missing, Value, encode

_MODE, _DEFAULT, _TIMEOUT, _COMMAND = 0xE004, 0xE00A, 0xE00B, 0xE00D
_CHARGE_W, _DISCHARGE_W = 0xE00E, 0xE010
_REMOTE = 4
_CHARGE_ALL, _EXPORT, _SELF_USE = 3, 4, 7
_LEASE_S = 300
_SOME_WH = 10_000.0  # of a battery whose size nobody says: only a weight beside others
_LOWEST = -3.4028234663852886e38  # marks what is absent, as NaN does
_EXPORT_MODE, _EXPORT_BY, _EXPORT_W = 0xE000, 0xE001, 0xE002
_RESERVE = 0xE008  # % kept for an outage
_DIRECT, _OTHER_LIMITS = 1, 0b110
_IN_ALL = 0  # 0xE001: the limit is for the sum of the phases


def _f32(address: int, valid: tuple[float, float]) -> Field:
    """The battery block marks absent values with the lowest float as well as with NaN."""
    return Field(address, "f32", words="little", valid=valid, absent=frozenset({_LOWEST}))


_RESERVED = _f32(_RESERVE, (0, 100))


@dataclass(frozen=True, slots=True)
class _Battery:
    """One of up to three blocks of registers. Firmware 4.18 shows a second battery of 0 Wh."""

    base: int

    def f32(self, offset: int, valid: tuple[float, float]) -> Field:
        return _f32(self.base + offset, valid)

    @property
    def rated(self) -> Field:
        return self.f32(0x42, (1, 1e6))


_BATTERIES = (_Battery(0xE100), _Battery(0xE200), _Battery(0xE400))
_RATED = tuple(b.rated for b in _BATTERIES)


def _installed(combine: Callable[..., Value]) -> Callable[..., Value]:
    """``combine`` on the pairs (rated Wh, value) of the batteries that can hold anything.

    The first one counts, too, where it does not say how much.
    """

    def checked(*values: Value) -> Value:
        rated, stated = values[: len(_RATED)], values[len(_RATED) :]
        if rated[0] is Missing.BAD:
            return Missing.BAD
        if rated[0] is Missing.ABSENT and not isinstance(stated[0], Missing):
            rated = (_SOME_WH, *rated[1:])
        pairs = [(r, v) for r, v in zip(rated, stated, strict=True) if not isinstance(r, Missing)]
        if not pairs:
            return Missing.ABSENT
        return numeric(lambda *flat: combine(flat[: len(pairs)], flat[len(pairs) :]))(
            *(r for r, _ in pairs), *(v for _, v in pairs)
        )

    return checked


def _sum(
    metric: str, offset: int, valid: tuple[float, float], sign: int = 1, poll: Poll = "fast"
) -> Output:
    """A power of all batteries."""
    fields = tuple(b.f32(offset, valid) for b in _BATTERIES)
    return Output(metric, (*_RATED, *fields), _installed(lambda _, watts: sign * sum(watts)), poll)


def _weighted(rated: tuple[float, ...], soc: tuple[float, ...]) -> float:
    return sum(r * s for r, s in zip(rated, soc, strict=True)) / sum(rated)


def _capacity(rated: tuple[float, ...], _: tuple[float, ...]) -> float:
    return sum(rated)


def _held(control: float, command: float, charge_w: float, discharge_w: float) -> bool:
    """While commands are taken, and the command is another than self-consumption or lets the battery do nothing."""
    return control == _REMOTE and (command != _SELF_USE or charge_w == discharge_w == 0)


def _mode(*told: Value) -> Value:
    return numeric(lambda *numbers: "held" if _held(*numbers) else "auto")(*told)


def _is_neutral(read_back: ReadBack) -> bool | None:
    """A battery at rest is not: the limits of 0 W stay when the command has timed out."""
    told = [read_back.number(f) for f in (_CONTROL, _TOLD, *_MAY)]
    return None if None in told else not _held(*(t for t in told if t is not None))


_CONTROL, _TOLD = Field(_MODE, "u16"), Field(_COMMAND, "u16")
_MAY = tuple(Field(a, "f32", words="little") for a in (_CHARGE_W, _DISCHARGE_W))
_CHARGE = _sum("", 0x74, (-1e5, 1e5))


def _hold(watts: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
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


def _neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (
        Write(_COMMAND, (_SELF_USE,), fc=6),
        *restore(saved, _CHARGE_W, 2),
        *restore(saved, _DISCHARGE_W, 2),
        *restore(saved, _TIMEOUT, 2),
        *restore(saved, _DEFAULT, fc=6),
        *restore(saved, _MODE, fc=6),
    )


def _hold_export(watts: float, _read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Never wider than a limit of the owner's; what the other bits say stays."""
    mode, wanted = saved.get(_EXPORT_MODE, 0), max(0.0, watts)
    if mode & _OTHER_LIMITS or (mode & _DIRECT and saved.get(_EXPORT_BY) != _IN_ALL):
        raise DeviceError(f"the inverter limits in its own way (0xE000 = {mode:#x}); left to it")
    if mode & _DIRECT and watts >= _saved_limit(saved):
        return _neutral_export(_read_back, saved)
    return (
        Write(_EXPORT_W, encode(wanted, "f32", "little")),
        Write(_EXPORT_BY, (_IN_ALL,), fc=6),
        Write(_EXPORT_MODE, (mode | _DIRECT,), fc=6),
    )


def _saved_limit(saved: Mapping[int, int]) -> float:
    """The owner's limit in W; NaN compares as none."""
    return _saved_f32(saved, _EXPORT_W)


def _saved_f32(saved: Mapping[int, int], address: int) -> float:
    low, high = saved.get(address, 0), saved.get(address + 1, 0)
    value: float = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    return value


def _neutral_export(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Off before the power is put back; a limit that stays on is put back first."""
    switch = (*restore(saved, _EXPORT_MODE, fc=6), *restore(saved, _EXPORT_BY, fc=6))
    power = restore(saved, _EXPORT_W, 2)
    return (*power, *switch) if saved.get(_EXPORT_MODE, 0) & _DIRECT else (*switch, *power)


def _hold_reserve(
    percent: float, _read_back: ReadBack, saved: Mapping[int, int]
) -> tuple[Write, ...]:
    """Never below the owner's own."""
    return (Write(_RESERVE, encode(max(percent, _saved_f32(saved, _RESERVE)), "f32", "little")),)


def _neutral_reserve(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    return restore(saved, _RESERVE, 2)


PROFILE = Profile(
    key="solaredge-storedge",
    title="SolarEdge with StorEdge battery",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(port=1502, unit=1, timeout_s=5.0, max_gap=60, single_client=True),
    sunspec=SunSpecSheet(battery_charge=_CHARGE),
    maker="solaredge",
    identify=((Field(0xE100, "str", count=16), r"\w"),),
    controls=frozenset({Control.BATTERY_POWER, Control.EXPORT_LIMIT, Control.RESERVE}),
    source=Source(
        outputs=(
            _sum("battery_power_w", 0x74, (-1e5, 1e5), sign=-1),
            Output(
                "battery_soc_pct",
                (*_RATED, *(b.f32(0x84, (0, 100)) for b in _BATTERIES)),
                _installed(_weighted),
            ),
            Output("battery_mode", (_CONTROL, _TOLD, *_MAY), _mode),
            Output("battery_capacity_wh", (*_RATED, *_RATED), _installed(_capacity), "slow"),
            _sum("battery_max_charge_w", 0x44, (0, 1e6), poll="slow"),
            _sum("battery_max_discharge_w", 0x46, (0, 1e6), poll="slow"),
            lifetime("battery_discharge_wh", Field(0xE176, "u64", words="little"), "slow"),
            lifetime("battery_charge_wh", Field(0xE17A, "u64", words="little"), "slow"),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="battery",
                sources=(
                    "evcc: solaredge-hybrid",
                    "WillCodeForCats/solaredge-modbus-multi",
                ),
                read_back=(Block("holding", _MODE, 1), Block("holding", _DEFAULT, 8)),
                hold=_hold,
                neutral=_neutral,
                is_neutral=_is_neutral,
                restore_registers=(_MODE, *span(_DEFAULT, 3), *span(_CHARGE_W, 4)),
                persists_after_lease=(_MODE, *span(_DEFAULT, 3), *span(_CHARGE_W, 4)),
                flash=(_MODE, _DEFAULT),
                max_per_day=50,
                lease=Lease("reversion", _LEASE_S, refresh_s=120.0),
            ),
            ControlSheet(
                control=Control.EXPORT_LIMIT,
                limits="grid",
                sources=(
                    "WillCodeForCats/solaredge-modbus-multi",
                    "binsentsu/home-assistant-solaredge-modbus",
                    "evcc: solaredge-hybrid",
                ),
                read_back=(Block("holding", _EXPORT_MODE, 4),),
                required=(Block("holding", _EXPORT_MODE, 4),),
                hold=_hold_export,
                neutral=_neutral_export,
                is_neutral=lambda read_back: not (read_back.word(_EXPORT_MODE) or 0) & _DIRECT,
                restore_registers=span(_EXPORT_MODE, 4),
                flash=span(_EXPORT_MODE, 4),
                max_per_day=24,
                on_foreign_setpoint="keep",
                lease=Lease("none", refresh_s=300.0),
            ),
            ControlSheet(
                control=Control.RESERVE,
                limits="battery",
                sources=(
                    "WillCodeForCats/solaredge-modbus-multi",
                    "binsentsu/home-assistant-solaredge-modbus",
                ),
                read_back=(Block("holding", _RESERVE, 2),),
                required=(Block("holding", _RESERVE, 2),),
                suits=lambda read_back: read_back.number(_RESERVED) is not None,
                hold=_hold_reserve,
                neutral=_neutral_reserve,
                restore_registers=span(_RESERVE, 2),
                flash=span(_RESERVE, 2),
                max_per_day=24,
                on_foreign_setpoint="keep",
                lease=Lease("none", refresh_s=600.0),
            ),
        ),
    ),
)
