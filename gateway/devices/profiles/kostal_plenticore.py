"""Kostal Plenticore hybrids (Modbus TCP 1502, unit 71, one client only).

SunSpec for the inverter; the battery by model 802 (W: discharge +, as evcc reads it). Setpoint
1034 is f32, negative = charge; the order of words is a setting of the inverter and read from register 5 (0
little, 1 big; Kostal's interface description). Where it cannot be read nothing is written. The inverter drops
it after the time set on its web page (30 s by default). Writing 'normal' would keep external mode
alive, so letting go is to stop writing. External control must be enabled by the installer;
after that nothing of ours stays. 1034 is meant for cyclic writing (RAM);
firmware 02.20 ignores 1034 (evcc-io/evcc#31827): the effect is checked on the measured power.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write
from gateway.devices.datasheet import Communication, Profile, Source, SunSpecSheet
from gateway.devices.readout import Output, counted
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.registers import Block, Field, Missing, Value, Words, encode

_SETPOINT, _MODE = 1034, 1080
_ORDER = Field(5, "u16")
_BIG = 1
_ORDERS: Mapping[Value, Words] = {0: "little", _BIG: "big"}


def _energy(metric: str, address: int) -> Output:
    """A counter in Wh, read in the order that the inverter is set to."""

    def ordered(order: Value, little: Value, big: Value) -> Value:
        if order not in _ORDERS:
            return order if isinstance(order, Missing) else Missing.BAD
        return counted(big if order == _BIG else little)

    words = tuple(Field(address, "f32", words=w, valid=(0, 1e12)) for w in _ORDERS.values())
    return Output(metric, (_ORDER, *words), ordered, "slow")


def _hold(watts: float, read_back: ReadBack, _saved: Mapping[int, int]) -> tuple[Write, ...]:
    order = _ORDERS.get(read_back.word(_ORDER.address) or 0)
    if order is None or not read_back.has(_ORDER):
        raise DeviceError("the order of its words (register 5) cannot be read")
    return (Write(_SETPOINT, encode(watts, "f32", order), check=False),)


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
            _energy("pv_energy_wh", 1056),
            _energy("battery_charge_wh", 1046),
            _energy("battery_discharge_wh", 1048),
        ),
        controls=(
            ControlSheet(
                control=Control.BATTERY_POWER,
                limits="battery",
                sources=(
                    "Kostal: interface description Modbus (TCP) and SunSpec",
                    "evcc: kostal-plenticore",
                    "openWB: kostal_plenticore",
                ),
                read_back=(Block("holding", _ORDER.address, 1), Block("holding", _MODE, 1)),
                hold=_hold,
                neutral=_neutral,
                lease=Lease("heartbeat", 30.0, refresh_s=10.0),
            ),
        ),
    ),
)
