"""SolarEdge inverters with StorEdge battery (Modbus TCP 1502 or 502, unit 1, one client only).

SunSpec for the inverter and its meter (whose power counts export as +); battery and control in
0xE000-0xE1FF with LE words. The command mode falls back to the default mode 0xE00A when no
command came for 0xE00B seconds. Whether these settings wear flash is open
(WillCodeForCats/solaredge-modbus-multi#726), so the lease is long.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.devices.profile import (
    Connection,
    ControlSheet,
    Facts,
    Lease,
    Output,
    Poll,
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
from gateway.modbus.registers import Block, Field, Missing, Value, encode

_MODE, _DEFAULT, _TIMEOUT, _COMMAND = 0xE004, 0xE00A, 0xE00B, 0xE00D
_CHARGE_W, _DISCHARGE_W = 0xE00E, 0xE010
_REMOTE = 4
_CHARGE_ALL, _EXPORT, _SELF_USE = 3, 4, 7
_LEASE_S = 300
_LOWEST = -3.4028234663852886e38  # marks what is absent, as NaN does


def _f32(address: int, valid: tuple[float, float]) -> Field:
    """The battery block marks absent values with the lowest float as well as with NaN."""
    return Field(address, "f32", words="little", valid=valid, absent=frozenset({_LOWEST}))


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
    """``combine`` on the pairs (rated Wh, value) of the batteries that can hold anything."""

    def checked(*values: Value) -> Value:
        rated, stated = values[: len(_RATED)], values[len(_RATED) :]
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


def _mode(control: Value, command: Value) -> Value:
    """Held while commands are taken and the command is another than self-consumption."""
    return numeric(lambda c, d: "held" if c == _REMOTE and d != _SELF_USE else "auto")(
        control, command
    )


_CHARGE = _sum("", 0x74, (-1e5, 1e5))


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
    connection=Connection(port=1502, unit=1, timeout_s=5.0, max_gap=60, single_client=True),
    sunspec=SunSpecSheet(battery_charge=_CHARGE),
    maker="solaredge",
    identify=((Field(0xE100, "str", count=16), r"\w"), (_BATTERIES[0].rated, r".")),
    controls=frozenset({Control.BATTERY_POWER}),
    source=Source(
        outputs=(
            _sum("battery_power_w", 0x74, (-1e5, 1e5), sign=-1),
            Output(
                "battery_soc_pct",
                (*_RATED, *(b.f32(0x84, (0, 100)) for b in _BATTERIES)),
                _installed(_weighted),
            ),
            Output("battery_mode", (Field(_MODE, "u16"), Field(_COMMAND, "u16")), _mode),
            Output("battery_capacity_wh", (*_RATED, *_RATED), _installed(_capacity), "slow"),
            _sum("battery_max_charge_w", 0x44, (0, 1e6), poll="slow"),
            _sum("battery_max_discharge_w", 0x46, (0, 1e6), poll="slow"),
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
