"""Solax X1 / X3 hybrids of generation 3 to 6 (RS485 or LAN, unit 1; input registers, LE words).

Feed-in counts export as +, battery power charge as + (evcc: solax).
Battery by remote control mode 4 ('push power'): one write of 0x7C-0x8A, of which 0x89 is the
battery's power in W, discharge +, in LE words; 0x88 is the time-out without requests (0 disables it, openWB), the unused registers are 0 (Solax' VPP document;
openWB and wills106/homeassistant-solax-modbus agree). It is kept in RAM and ends by itself after 10
minutes. 0x7C cannot be read back: input register 0x100 tells the active mode, 0 none, 6 the
self-consumption into which mode 4 ends. Firmware before DSP 1.52 / ARM 1.50 has no such register. An inverter that says
that it is locked (input register 0x54 = 0; again after each restart) is unlocked first, by the user's code in register 0, as
the VPP document asks; wills106/homeassistant-solax-modbus names both. It locks itself at its next restart. Manual mode 0x1F / 0x20 is EEPROM and not used; so is the export
limit 0x42, whose unit differs between models (W or 10 W): left out.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import (
    Output,
    grid_counters,
    lifetime,
    named,
    numeric,
    one,
    total_of_present,
    while_battery,
)
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, Kind, encode

_REMOTE, _ACTIVE = 0x7C, 0x100
_PUSH_POWER, _SET = 4, 1
_ENDED = (0, 6)
_UNUSED = (0,) * 10  # 0x7E-0x87 belong to other modes
_TIMEOUT_S = 300  # 0x88: 0 would switch the fall-back off that comes when nobody talks to it
_LEASE_S = 600.0
_MODE = Field(_ACTIVE, "u16", "input")
_UNLOCK, _USERS_CODE = 0, 2014  # read, register 0 is the serial number
_LOCK = Field(0x54, "u16", "input")
_LOCKED = 0

_STATES = {
    0: "waiting",
    1: "checking",
    2: "running",
    3: "fault",
    4: "fault",
    5: "updating",
    6: "waiting",
    7: "off_grid",
    8: "checking",
    9: "standby",
    10: "standby",
}


def _input(address: int, kind: Kind, scale: float = 1) -> Field:
    return Field(address, kind, "input", words="little", scale=scale)


def _hold(watts: float, read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    power = encode(watts, "i32", "little")
    return (
        *_unlocked(read_back),
        Write(_REMOTE, (_PUSH_POWER, _SET, *_UNUSED, _TIMEOUT_S, *power), check=False),
    )


def _neutral(read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    """One that is locked and does not control anything may refuse it."""
    unlocked = _unlocked(read_back)
    if unlocked and _is_neutral(read_back):
        return (Write(_REMOTE, (0,), check=False, optional=True),)
    return (*unlocked, Write(_REMOTE, (0,), check=False))


def _unlocked(read_back: ReadBack) -> tuple[Write, ...]:
    """The write that lets the others through, where the inverter says that it is locked."""
    if read_back.number(_LOCK) != _LOCKED:
        return ()
    return (Write(_UNLOCK, (_USERS_CODE,), fc=6, check=False),)


def _is_neutral(read_back: ReadBack) -> bool | None:
    mode = read_back.number(_MODE)
    return None if mode is None else mode in _ENDED


PROFILE = Profile(
    key="solax-x",
    title="Solax X1 / X3 hybrid",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(
        unit=1, timeout_s=3.0, min_gap_s=0.1, max_gap=10, sleeps_at_night=True
    ),
    identify=((Field(7, "str", count=7), r"(?i)solax"),),
    says=(("serial", Field(0, "str", count=7)), ("model", Field(14, "str", count=7))),
    controls=frozenset({Control.BATTERY_POWER}),
    source=Source(
        outputs=(
            Output(
                "pv_power_w",  # the third input of larger models stands apart
                (_input(10, "u16"), _input(11, "u16"), _input(0x124, "u16")),
                total_of_present,
            ),
            *while_battery(
                Field(28, "u16", "input", valid=(0, 100)),
                _input(20, "i16"),
                Output("battery_power_w", (_input(22, "i16"),), numeric(lambda w: -w)),
                one("battery_soc_pct", Field(28, "u16", "input", valid=(0, 100))),
            ),
            Output("inverter_state", (Field(9, "u16", "input"),), named(_STATES)),
            Output("grid_power_w", (_input(70, "i32"),), numeric(lambda w: -w)),
            *grid_counters(_input(74, "u32", 10), _input(72, "u32", 10)),
            lifetime("pv_energy_wh", _input(148, "u32", 100), "slow"),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="battery",
                sources=(
                    "SolaX: VPP document",
                    "openWB: solax",
                    "wills106/homeassistant-solax-modbus",
                ),
                read_back=(Block("input", _ACTIVE, 1), Block("input", _LOCK.address, 1)),
                required=(Block("input", _ACTIVE, 1),),
                hold=_hold,
                neutral=_neutral,
                is_neutral=_is_neutral,
                lease=Lease("reversion", _LEASE_S, refresh_s=60.0),
            ),
        ),
    ),
)
