"""Battery power of a SunSpec 700-generation hybrid: by the AC setpoint of model 704.

WSet is the active power of the whole inverter, out of it +. The battery's part is what it leaves
after the panels, so the panels' power is read from the ports of 714 with each setpoint, and the setpoint
is made anew as they change. WSetRvrtTms makes it a lease; after it WSetEnaRvrt = 0 lets go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.devices.datasheet import ControlSheet, Lease, ReadBack, Write, restore, span, total
from gateway.devices.sunspec.control import LEASE_S
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus import sunspec as ss
from gateway.modbus.registers import SCALE_RANGE, Block, Field, encode, plan

_STEP_W = 50  # the panels' flicker is not worth a write
_MOST_LOSS = 0.1  # of the power converted
_WATTS = 1  # 704.WSetMod


@dataclass(frozen=True, slots=True)
class Measured:
    """What the AC setpoint depends on: DC power of panels and batteries, AC power of the inverter."""

    panels: tuple[Field, ...]
    batteries: tuple[Field, ...]
    ac: Field

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The requests that read them all."""
        fields = (*self.panels, *self.batteries, self.ac)
        return plan([(f.table, *f.span) for f in fields], max_gap=30)

    def losses(self, read_back: ReadBack) -> float:
        """DC minus AC power now, where all is known and the conversion is believable."""
        dc, ac = (
            total(*(read_back.value(f) for f in (*self.panels, *self.batteries))),
            read_back.value(self.ac),
        )
        if not isinstance(dc, int | float) or not isinstance(ac, int | float):
            return 0.0
        return max(0.0, min(_MOST_LOSS * max(abs(dc), abs(ac)), dc - ac))


def battery_704(model: ss.ModelAt, rating: ss.ModelAt, measured: Measured) -> ControlSheet:
    """Hold the battery at a power by steering the inverter's AC power (704.WSet)."""
    enable, mode, setpoint = (ss.at(model, p) for p in ("WSetEna", "WSetMod", "WSet"))
    enable_after, timer = ss.at(model, "WSetEnaRvrt"), ss.at(model, "WSetRvrtTms")
    sf = Field(ss.at(model, "WSet_SF"), "i16", absent=frozenset({-0x8000}))
    largest = ss.field(rating, "WMax")

    def hold(watts: float, read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
        sun, most, power = (
            total(*(read_back.value(f) for f in measured.panels)),
            read_back.number(largest),
            read_back.number(sf),
        )
        if not isinstance(sun, int | float) or not most:
            raise DeviceError("panels or WMax cannot be read, so no AC setpoint can be made")
        if power is None or not -SCALE_RANGE <= power <= SCALE_RANGE:
            raise DeviceError("the scale factor WSet_SF is not usable")
        wanted = round((watts + sun - measured.losses(read_back)) / _STEP_W) * _STEP_W
        raw = max(-most, min(most, wanted)) * 10.0 ** -int(power)
        return (
            Write(setpoint, encode(raw, "i32")),
            Write(mode, (_WATTS,), optional=True),
            Write(enable_after, (0,), optional=True, check=False),
            Write(timer, (0, LEASE_S), optional=True, check=False),
            Write(enable, (1,)),
        )

    def neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
        return (Write(enable, (0,)), *restore(saved, setpoint, 2), *restore(saved, timer, 2))

    return ControlSheet(
        control=Control.BATTERY_POWER,
        read_back=(
            Block("holding", model.address + 2, min(model.length, 57)),
            Block("holding", largest.span[0], largest.span[1] - largest.span[0]),
            *measured.blocks,
        ),
        hold=hold,
        neutral=neutral,
        is_neutral=lambda read_back: None if (now := read_back.word(enable)) is None else now == 0,
        restore_registers=(*span(setpoint, 2), *span(timer, 2)),
        persists_after_lease=(*span(setpoint, 2), *span(timer, 2)),
        lease=Lease("reversion", LEASE_S, refresh_s=25.0),
        recompute=True,
    )
