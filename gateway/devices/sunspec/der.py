"""Battery power of a SunSpec 700-generation hybrid: by the AC setpoint of model 704.

WSet is the active power of the whole inverter, out of it +. The battery's part is what it leaves
after the panels, so the panels' power is read from the ports of 714 with each setpoint, and the setpoint
is made anew as they change. WSetRvrtTms makes it a lease; after it WSetEnaRvrt = 0 lets go.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.devices.control_sheet import (
    ControlSheet,
    Lease,
    MeasuredPower,
    ReadBack,
    Write,
    restore,
    span,
)
from gateway.devices.sunspec.control import LEASE_S
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus import sunspec as ss
from gateway.modbus.registers import SCALE_RANGE, Block, Field, encode

_WATTS = 1  # 704.WSetMod


def battery_704(model: ss.ModelAt, rating: ss.ModelAt, measured: MeasuredPower) -> ControlSheet:
    """Hold the battery at a power by steering the inverter's AC power (704.WSet)."""
    enable, mode, setpoint = (ss.at(model, p) for p in ("WSetEna", "WSetMod", "WSet"))
    enable_after, timer = ss.at(model, "WSetEnaRvrt"), ss.at(model, "WSetRvrtTms")
    sf = Field(ss.at(model, "WSet_SF"), "i16", absent=frozenset({-0x8000}))
    largest = ss.field(rating, "WMax")

    def hold(watts: float, read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
        most, power = read_back.number(largest), read_back.number(sf)
        if not most:
            raise DeviceError("WMax cannot be read, so no AC setpoint can be made")
        if power is None or not -SCALE_RANGE <= power <= SCALE_RANGE:
            raise DeviceError("the scale factor WSet_SF is not usable")
        wanted = measured.ac_setpoint(watts, read_back)
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
        limits="inverter_ac",
        sources=("SunSpec: model 704", "OpenEMS: SunSpec S_704"),
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
