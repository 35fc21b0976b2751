"""Growatt SPH hybrids (RS485 or stick, unit 1; input registers, BE, powers in 0.1 W).

Battery by the VPP registers of newer firmware (protocol from V2.01): 30100 authority, 30407 remote
control on, 30408 minutes, 30409 percent of the battery's rated power 30026, charge +. Sign and
meaning are those of Growatt's protocol V2.03, of its cloud interface (vppRemoteSetNew), and of what owners
measured (WouterTuinstra/Homeassistant-Growatt-Local-Modbus#43, 0xAHA/Growatt_ModbusTCP#306 and #373).
What they found besides, in #373 and #400:
- The minutes of 30408 are no dead-man: 5 of them had not ended anything after 6.5, and the
  registers stay set. So what we change is stored and undone at the next start.
- 30100 alone at 1 suspends the battery's own logic: it is given back first and taken last.
- 0 % passes the battery's own logic through; 1 % of either sign keeps the battery at rest.
30407-30409 are not kept in flash; 30100 and 30410 (charging from the grid allowed) are.
A WIT (type code 5600-5603 in 30000) forgets its export limit (122) when 30100 is taken back, and older firmware does not
set it again (0xAHA/Growatt_ModbusTCP#203): there it is written after 30100.
No export limit: 30200-30201 know only percent, and work under the same authority.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write, restore
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import (
    Output,
    frequency,
    grid_counters,
    lifetime,
    named,
    numeric,
    one,
    while_battery,
)
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.registers import Block, Field, encode

_AUTHORITY, _REMOTE, _MINUTES, _PERCENT, _GRID_CHARGE = 30100, 30407, 30408, 30409, 30410
_EXPORT_LIMIT, _TYPE, _WIT = 122, 30000, range(5600, 5604)
_TIMER_MIN = 5
_REST = 1  # percent: the least that is not 'as you like'
_RATED = Field(30026, "u32", scale=0.1, valid=(100, 100_000))

_STATES = {
    0: "waiting",
    1: "checking",
    3: "fault",
    4: "updating",
    5: "running",
    6: "running",
    7: "off_grid",
    8: "off_grid",
}


def _energy(address: int) -> Field:
    """A counter in 0.1 kWh; one that ran below 0 shows what no home can have counted."""
    return Field(address, "u32", "input", scale=100, valid=(0, 1e10))


def _watts(address: int) -> Field:
    return Field(address, "u32", "input", scale=0.1, valid=(0, 1e6))


def _hold(watts: float, read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Power and minutes before the switch, authority last, as the measurements have it."""
    rated = read_back.number(_RATED)
    if not rated:
        raise DeviceError("the inverter does not state its battery power (30026)")
    percent = max(-100, min(100, round(-100 * watts / rated))) or _REST
    return (
        *((Write(_GRID_CHARGE, (1,), fc=6, optional=True),) if watts < 0 else ()),
        Write(_PERCENT, encode(percent, "i16"), fc=6),
        Write(_MINUTES, (_TIMER_MIN,), fc=6, check=False),
        Write(_REMOTE, (1,), fc=6),
        Write(_AUTHORITY, (1,), fc=6),
    )


def _neutral(read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Without stored words only a remote control that still runs has its authority taken."""
    forced = read_back.word(_REMOTE) == 1
    authority = Write(_AUTHORITY, (0,), fc=6)
    limit = saved.get(_EXPORT_LIMIT, read_back.word(_EXPORT_LIMIT))
    forgets = read_back.word(_TYPE) in _WIT and limit is not None
    return (
        *(restore(saved, _AUTHORITY, fc=6) or ((authority,) if forced else ())),
        *((Write(_EXPORT_LIMIT, (limit or 0,), fc=6, again=True),) if forgets else ()),
        Write(_REMOTE, (0,), fc=6),
        Write(_PERCENT, (0,), fc=6),
        Write(_MINUTES, (0,), fc=6, check=False),
        *restore(saved, _GRID_CHARGE, fc=6),
    )


PROFILE = Profile(
    key="growatt-sph",
    title="Growatt SPH hybrid",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(unit=1, timeout_s=3.0, min_gap_s=0.1, max_gap=10, max_read=45),
    identify=(
        (Field(23, "str", count=5), r"^[0-9A-Z]{10}$"),  # the serial number
        (Field(1000, "u16", "input"), r"^[0-8]$"),
        (Field(1014, "u16", "input", valid=(0, 100)), r"."),
    ),
    says=(("serial", Field(23, "str", count=5)), ("version", Field(9, "str", count=6))),
    controls=frozenset({Control.BATTERY_POWER}),
    source=Source(
        outputs=(
            one("pv_power_w", _watts(1)),
            *while_battery(
                Field(1014, "u16", "input", valid=(0, 100)),
                Field(1013, "u16", "input"),
                Output(
                    "battery_power_w",
                    (_watts(1009), _watts(1011)),
                    numeric(lambda out, charge: out - charge),
                ),
                one("battery_soc_pct", Field(1014, "u16", "input", valid=(0, 100))),
            ),
            Output("inverter_state", (Field(1000, "u16", "input"),), named(_STATES)),
            frequency(Field(37, "u16", "input", scale=0.01)),
            Output("grid_power_w", (_watts(1021), _watts(1029)), numeric(lambda i, e: i - e)),
            *grid_counters(_energy(1046), _energy(1050)),
            lifetime("pv_energy_wh", _energy(91), "slow"),
            lifetime("battery_discharge_wh", _energy(1054), "slow"),
            lifetime("battery_charge_wh", _energy(1058), "slow"),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="battery",
                sources=(
                    "Growatt: Modbus RTU protocol VPP 2.03",
                    "0xAHA/Growatt_ModbusTCP#306, #373",
                ),
                read_back=(
                    Block("holding", 30026, 2),
                    Block("holding", _AUTHORITY, 1),
                    Block("holding", _REMOTE, 3),
                    Block("holding", _GRID_CHARGE, 1),  # apart: not every model has it
                    Block("holding", _TYPE, 1),
                    Block("holding", _EXPORT_LIMIT, 1),
                ),
                required=(Block("holding", _REMOTE, 3),),
                hold=_hold,
                neutral=_neutral,
                is_neutral=lambda read_back: read_back.word(_REMOTE) == 0,
                restore_registers=(_AUTHORITY, _GRID_CHARGE, _EXPORT_LIMIT),
                flash=(_AUTHORITY, _GRID_CHARGE, _EXPORT_LIMIT),
                max_per_day=50,
                lease=Lease("none", refresh_s=60.0),
            ),
        ),
    ),
)
