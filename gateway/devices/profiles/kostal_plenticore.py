"""Kostal Plenticore hybrids (Modbus TCP 1502, unit 71, one client only).

SunSpec for the inverter; the battery by model 802 (W: discharge +, as evcc reads it). Setpoint
1034 is f32 in LE words by default (a setting of the inverter), negative = charge; the inverter drops
it after the time set on its web page (30 s by default). Writing 'normal' would keep external mode
alive, so letting go is to stop writing. External control must be enabled by the installer;
after that nothing of ours stays. 1034 is meant for cyclic writing (RAM);
firmware 02.20 ignores 1034 (evcc-io/evcc#31827): the effect is checked on the measured power.
"""

from collections.abc import Mapping

from gateway.devices.datasheet import (
    Communication,
    ControlSheet,
    Lease,
    Profile,
    ReadBack,
    Source,
    SunSpecSheet,
    Write,
    lifetime,
)
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, encode

_SETPOINT, _MODE = 1034, 1080


def _energy(address: int) -> Field:
    return Field(address, "f32", words="little", valid=(0, 1e12))


def _hold(watts: float, _read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (Write(_SETPOINT, encode(watts, "f32", "little"), check=False),)


def _neutral(_read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    return ()


PROFILE = Profile(
    key="kostal-plenticore",
    title="Kostal Plenticore hybrid",
    kind="hybrid",
    verified="data sheet",
    communication=Communication(port=1502, unit=71, timeout_s=3.0, max_gap=20, single_client=True),
    sunspec=SunSpecSheet(unnamed_are_panels=True),
    maker="kostal",
    controls=frozenset({Control.BATTERY_POWER}),
    source=Source(
        outputs=(
            lifetime("pv_energy_wh", _energy(1056), "slow"),
            lifetime("battery_charge_wh", _energy(1046), "slow"),
            lifetime("battery_discharge_wh", _energy(1048), "slow"),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="battery",
                read_back=(Block("holding", _MODE, 1),),
                hold=_hold,
                neutral=_neutral,
                lease=Lease("heartbeat", 30.0, refresh_s=10.0),
            ),
        ),
    ),
)
