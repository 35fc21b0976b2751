"""FoxESS H3 hybrids (RS485 or LAN, unit 247; BE). Remote control 44000 with its timeout 44001 s.

44002 / 44003 are one i32, high word first: the inverter's AC power, out of it +, so that it is the
panels' power and the battery's together (evcc's template fox-ess-h3 and nathanmarlor/foxess_modbus
write both words). It is made anew as the sun changes; no two sources name the H3's AC power, so that
the losses (some 3 %) fall to the battery. The inverter leaves remote control when the timeout has run
out. The timeout itself stays as we set it until the next start. 44000-44003 are rewritten cyclically by every
known controller (evcc, nathanmarlor/foxess_modbus): remote control, not settings.

The same map has the H3 under other brands' names. H3-...-Smart, H3-...-M, H3-Pro and P3 have another one
(nathanmarlor/foxess_modbus: inverter_profiles.py, #1023; evcc: fox-ess-h3-smart).
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import (
    ControlSheet,
    Lease,
    MeasuredPower,
    ReadBack,
    Write,
    restore,
)
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import (
    Output,
    grid_counters,
    held_unless,
    numeric,
    one,
    total_of_present,
    while_battery,
)
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, encode

_ENABLE, _TIMEOUT, _POWER = 44000, 44001, 44002
_LEASE_S = 60
_SIZE = r"[\d.]+(?![\d.])"
_NAMES = rf"(?i)^((AIO-|STAR-)?H3-{_SIZE}(?!-(smart|m))|Kuara {_SIZE}-3-H|SK-HWR-{_SIZE}(?! smart))"
_PANELS = (Field(31002, "i16"), Field(31005, "i16"))
_MEASURED = MeasuredPower(_PANELS)


def _hold(watts: float, read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    power = encode(_MEASURED.ac_setpoint(watts, read_back), "i32")
    return (
        Write(_TIMEOUT, (_LEASE_S,), fc=6, check=False),
        Write(_POWER, power),
        Write(_ENABLE, (1,), fc=6),
    )


def _neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(_ENABLE, (0,), fc=6), Write(_POWER, (0, 0)), *restore(saved, _TIMEOUT, fc=6))


PROFILE = Profile(
    key="foxess-h3",
    title="FoxESS H3 hybrid",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(unit=247, timeout_s=3.0, min_gap_s=0.05, max_gap=10),
    # the text has one character a register, with a blank before it
    identify=((Field(30000, "str", count=16), _NAMES),),
    says=(("model", Field(30000, "str", count=16)), ("serial", Field(30016, "str", count=16))),
    controls=frozenset({Control.BATTERY_POWER}),
    source=Source(
        outputs=(
            Output("pv_power_w", _PANELS, total_of_present),
            Output(
                "grid_power_w",
                tuple(Field(a, "i16") for a in (31026, 31027, 31028)),
                numeric(lambda *phases: -sum(phases)),
            ),
            *while_battery(
                Field(31038, "u16", valid=(0, 100)),
                Field(31034, "i16"),
                one("battery_power_w", Field(31036, "i16")),
                one("battery_soc_pct", Field(31038, "u16", valid=(0, 100))),
            ),
            Output("battery_mode", (Field(_ENABLE, "u16"),), held_unless(0)),
            *grid_counters(Field(32012, "u32", scale=100), Field(32009, "u32", scale=100)),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="inverter_ac",
                sources=(
                    "evcc: fox-ess-h3",
                    "nathanmarlor/foxess_modbus",
                ),
                recompute=True,
                read_back=(Block("holding", _ENABLE, 4), *_MEASURED.blocks),
                hold=_hold,
                neutral=_neutral,
                is_neutral=lambda read_back: read_back.word(_ENABLE) == 0,
                restore_registers=(_TIMEOUT,),
                persists_after_lease=(_TIMEOUT,),
                lease=Lease("reversion", _LEASE_S, refresh_s=25.0),
            ),
        ),
    ),
)
