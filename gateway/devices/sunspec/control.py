"""How SunSpec devices are steered: storage by model 124, generation by model 123."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write, restore
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus import sunspec as ss
from gateway.modbus.registers import SCALE_RANGE, Block, Field, encode

LEASE_S = 60  # the device drops our setpoint so long after the last renewal
_REFRESH_S = 25.0
_BOTH = 3  # 124.StorCtl_Mod: limit of charge and limit of discharge active


def battery_124(model: ss.ModelAt) -> ControlSheet:
    """Battery power by model 124, as Fronius reads it: both rates in % of WChaMax.

    The rates are limits; a negative limit of one direction forces the other. Discharge at x % is
    OutWRte = x and InWRte = -x; charge the other way round. InOutWRte_RvrtTms makes it a lease.
    """
    mode, out_rate = ss.at(model, "StorCtl_Mod"), ss.at(model, "OutWRte")
    revert, from_grid = ss.at(model, "InOutWRte_RvrtTms"), ss.at(model, "ChaGriSet")
    rate_sf = Field(ss.at(model, "InOutWRte_SF"), "i16", absent=frozenset({-0x8000}))
    largest = ss.field(model, "WChaMax")

    def rates(percent: float, read_back: ReadBack) -> tuple[int, int]:
        raw = _unscaled(percent, read_back, rate_sf, "InOutWRte_SF")
        return encode(raw, "i16")[0], encode(-raw, "i16")[0]

    def hold(watts: float, read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
        reference = read_back.number(largest)
        if not reference or reference < 0:
            raise DeviceError("model 124 does not state WChaMax, so no power can be set")
        percent = max(-100.0, min(100.0, 100.0 * watts / reference))
        # charging needs the permission to take from the grid where there is one (evcc writes it)
        permit = watts < 0 and read_back.word(from_grid) == 0
        return (
            *((Write(from_grid, (1,), optional=True),) if permit else ()),
            Write(out_rate, rates(percent, read_back)),
            Write(revert, (LEASE_S,), optional=True, check=False),
            Write(mode, (_BOTH,)),
        )

    def neutral(read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
        back = saved.get(revert)
        try:
            full = rates(100.0, read_back)[0]
        except DeviceError:  # asleep: the mode alone frees the battery
            return (Write(mode, (0,)),)
        return (
            Write(mode, (0,)),
            Write(out_rate, (full, full)),
            *((Write(revert, (back,), optional=True),) if back is not None else ()),
            *((Write(from_grid, (0,), optional=True),) if saved.get(from_grid) == 0 else ()),
        )

    return ControlSheet(
        control=Control.BATTERY_POWER,
        limits="battery",
        sources=("SunSpec: model 124", "evcc: fronius-gen24"),
        read_back=(Block("holding", model.address + 2, min(model.length, 24)),),
        hold=hold,
        neutral=neutral,
        is_neutral=lambda read_back: None if (now := read_back.word(mode)) is None else now == 0,
        restore_registers=(revert, from_grid),
        persists_after_lease=(revert, from_grid),
        lease=Lease("reversion", LEASE_S, _REFRESH_S),
    )


def reserve_124(model: ss.ModelAt) -> ControlSheet:
    """The reserve that the device keeps by itself: MinRsvPct, % of the battery; never below the owner's own.

    Fronius takes 5 to 100 %. Whether it lies in flash is not known, so it is written as if it did.
    """
    reserve = ss.field(model, "MinRsvPct")
    sf = Field(ss.at(model, "MinRsvPct_SF"), "i16", absent=frozenset({-0x8000}))
    block = Block("holding", model.address + 2, min(model.length, 24))

    def hold(percent: float, read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
        raw = _unscaled(percent, read_back, sf, "MinRsvPct_SF")
        return (Write(reserve.address, encode(max(raw, saved[reserve.address]), "u16")),)

    return ControlSheet(
        control=Control.RESERVE,
        limits="battery",
        sources=("SunSpec: model 124", "redpomodoro/fronius_modbus: minimum_reserve"),
        read_back=(block,),
        hold=hold,
        neutral=lambda _read_back, saved: restore(saved, reserve.address),
        lease=Lease("none", refresh_s=600.0),
        restore_registers=(reserve.address,),
        flash=(reserve.address,),
        max_per_day=24,
        required=(block,),
        suits=lambda read_back: read_back.number(reserve) is not None,
        on_foreign_setpoint="keep",
    )


def pv_limit_123(model: ss.ModelAt, rating: ss.ModelAt) -> ControlSheet:
    """Limit of generation by model 123 in % of WMax (121) or WRtg (120); WMaxLimPct_RvrtTms leases.

    A limit that was active before us is somebody's order (the grid operator's): it is never
    loosened, and it is put back when we let go.
    """
    percent, revert = ss.field(model, "WMaxLimPct"), ss.at(model, "WMaxLimPct_RvrtTms")
    enable = ss.at(model, "WMaxLim_Ena")
    sf = Field(ss.at(model, "WMaxLimPct_SF"), "i16", absent=frozenset({-0x8000}))
    largest = ss.field(rating, "WMax" if rating.model == 121 else "WRtg")

    def hold(watts: float, read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
        reference = read_back.number(largest)
        if not reference or reference < 0:
            raise DeviceError("the inverter does not state WMax, so no limit can be set")
        wanted = max(0.0, min(100.0, 100.0 * watts / reference))
        raw = _unscaled(wanted, read_back, sf, "WMaxLimPct_SF")
        if saved.get(enable) == 1:
            raw = min(raw, saved[percent.address])
        return (
            Write(percent.address, encode(raw, "u16")),
            Write(revert, (LEASE_S,), optional=True, check=False),
            Write(enable, (1,)),
        )

    def neutral(read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
        switch = Write(enable, (saved.get(enable, 0),))
        values = (*restore(saved, percent.address), *restore(saved, revert))
        return (*values, switch) if saved.get(enable) == 1 else (switch, *values)

    return ControlSheet(
        control=Control.PV_LIMIT,
        limits="inverter_ac",
        sources=("SunSpec: model 123", "OpenEMS: SunSpec S_123"),
        read_back=(
            Block("holding", model.address + 2, min(model.length, 24)),
            Block("holding", largest.span[0], largest.span[1] - largest.span[0]),
        ),
        hold=hold,
        neutral=neutral,
        restore_registers=(percent.address, revert, enable),
        persists_after_lease=(
            percent.address,
            revert,
            enable,
        ),  # reverting drops a limit that was there before us
        on_foreign_setpoint="keep",
        lease=Lease("reversion", LEASE_S, _REFRESH_S),
    )


def _unscaled(value: float, read_back: ReadBack, sf: Field, name: str) -> int:
    power = read_back.number(sf)
    if power is None or not -SCALE_RANGE <= power <= SCALE_RANGE:
        raise DeviceError(f"the scale factor {name} is not usable")
    return round(value * 10.0 ** -int(power))


def pv_limit_704(model: ss.ModelAt, rating: ss.ModelAt) -> ControlSheet:
    """Limit of generation by model 704 (DER controls) in % of 702.WMax; WMaxLimPctRvrtTms leases.

    After the lease WMaxLimPctRvrt applies: it is set to what was in force before us.
    """
    percent, enable = ss.field(model, "WMaxLimPct"), ss.at(model, "WMaxLimPctEna")
    revert, enable_after = ss.at(model, "WMaxLimPctRvrt"), ss.at(model, "WMaxLimPctEnaRvrt")
    timer = ss.at(model, "WMaxLimPctRvrtTms")
    sf = Field(ss.at(model, "WMaxLimPct_SF"), "i16", absent=frozenset({-0x8000}))
    largest = ss.field(rating, "WMax")

    def hold(watts: float, read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
        reference = read_back.number(largest)
        if not reference or reference < 0:
            raise DeviceError("the inverter does not state WMax, so no limit can be set")
        wanted = max(0.0, min(100.0, 100.0 * watts / reference))
        raw = _unscaled(wanted, read_back, sf, "WMaxLimPct_SF")
        foreign = saved.get(enable) == 1
        before = saved[percent.address] if foreign else _unscaled(100.0, read_back, sf, "")
        return (
            Write(percent.address, (min(raw, before) if foreign else raw,)),
            Write(revert, (before,), optional=True, check=False),
            Write(enable_after, (1 if foreign else 0,), optional=True, check=False),
            Write(timer, (0, LEASE_S), optional=True, check=False),
            Write(enable, (1,)),
        )

    def neutral(read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
        switch, value = Write(enable, (saved.get(enable, 0),)), restore(saved, percent.address)
        return (*value, switch) if saved.get(enable) == 1 else (switch, *value)

    return ControlSheet(
        control=Control.PV_LIMIT,
        limits="inverter_ac",
        sources=("SunSpec: model 704", "OpenEMS: SunSpec S_704"),
        read_back=(
            Block("holding", model.address + 2, min(model.length, 57)),
            Block("holding", largest.span[0], largest.span[1] - largest.span[0]),
        ),
        hold=hold,
        neutral=neutral,
        restore_registers=(percent.address, enable),
        on_foreign_setpoint="keep",
        lease=Lease("reversion", LEASE_S, _REFRESH_S),
    )
