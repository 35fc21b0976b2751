"""KEBA KeContact P30 and P40 (Modbus TCP, unit 255); register numbers as in KEBA's programmer's guide.

Each value is two registers that must be read by themselves, so what stands still while no car
charges is then asked for once a minute only. Writes take function 6. The failsafe
(5018 timeout 10-600 s, 5016 current) is the device's own dead-man: when we die the car charges on, also
one that we had paused (traktore-org/sem-community#763). A pause is 5014 = 0, because the P30 takes no
current of 0 in 5004 (evcc-io/evcc#20860). Both are the owner's and stay as we set them until the next
start: they are stored and given back. His current is kept where he set one.
"""

from collections.abc import Mapping

from gateway.devices.control_sheet import ControlSheet, Lease, ReadBack, Write
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, numeric, one
from gateway.domain.control import Control
from gateway.modbus.registers import Block, Field, Value

_CURRENT, _ENABLE = 5004, 5014
_FAILSAFE_CURRENT, _FAILSAFE_S = 5016, 5018
_SAFE_MA_READ, _SAFE_S_READ = 1601, 1603  # where they are read: the low words of 1600 and 1602
_LEASE_S = 60
_MIN_MA, _MAX_MA = 6000, 32000
_CHARGING, _ERROR = 3, 4
_CAR_PLUGGED = 4  # bit of the cable state
_TIMEOUT = Field(1602, "u32")


def _state(charging: Value, cable: Value) -> Value:
    def name(charging: float, cable: float) -> str:
        if charging == _ERROR:
            return "error"
        if charging == _CHARGING:
            return "charging"
        return "plugged" if int(cable) & _CAR_PLUGGED else "idle"

    return numeric(name)(charging, cable)


def _hold(amps: float, _read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    """Below 6 A the standard knows no charging: pause."""
    safe = saved.get(_SAFE_MA_READ) or _MAX_MA
    lease = (
        Write(_FAILSAFE_CURRENT, (safe,), fc=6, optional=True, check=False),
        Write(_FAILSAFE_S, (_LEASE_S,), fc=6, check=False),
    )
    milliamps = round(amps * 1000)
    if milliamps < _MIN_MA:
        return (*lease, Write(_ENABLE, (0,), fc=6))
    current = Write(_CURRENT, (min(milliamps, _MAX_MA),), fc=6)
    return (*lease, current, Write(_ENABLE, (1,), fc=6))


def _neutral(_read_back: ReadBack, saved: Mapping[int, int]) -> tuple[Write, ...]:
    return (
        Write(_ENABLE, (1,), fc=6),
        Write(_CURRENT, (_MAX_MA,), fc=6),
        Write(_FAILSAFE_S, (saved.get(_SAFE_S_READ, 0),), fc=6, check=False),
        *(
            (Write(_FAILSAFE_CURRENT, (before,), fc=6, optional=True, check=False),)
            if (before := saved.get(_SAFE_MA_READ)) is not None
            else ()
        ),
    )


PROFILE = Profile(
    key="keba-p30",
    title="KEBA KeContact P30 / P40",
    kind="charger",
    verified="data sheet",
    identify=((Field(1016, "u32"), r"^[34]\d{5,6}$"), (Field(1000, "u32"), r"^[0-5]$")),
    says=(("serial", Field(1014, "u32")), ("model", Field(1016, "u32"))),
    communication=Communication(unit=255, timeout_s=3.0),
    controls=frozenset({Control.CHARGE_CURRENT}),
    source=Source(
        outputs=(
            Output("charger_state", (Field(1000, "u32"), Field(1004, "u32")), _state),
            one("charger_power_w", Field(1020, "u32", scale=0.001, valid=(0, 50_000)), "charging"),
            one("charger_energy_wh", Field(1036, "u32", scale=0.1), "slow"),
            one("charger_session_wh", Field(1502, "u32", scale=0.1), "charging"),
        ),
        controls=(
            ControlSheet(
                control=Control.CHARGE_CURRENT,
                limits="charger",
                sources=(
                    "KEBA: KeContact P30 Modbus TCP programmer's guide",
                    "evcc: charger keba-modbus",
                ),
                read_back=(Block("holding", 1600, 2), Block("holding", 1602, 2)),
                hold=_hold,
                neutral=_neutral,
                on_foreign_setpoint="keep",
                restore_registers=(_SAFE_MA_READ, _SAFE_S_READ),
                persists_after_lease=(_SAFE_MA_READ, _SAFE_S_READ),
                lease=Lease("heartbeat", _LEASE_S, refresh_s=25.0),
            ),
        ),
    ),
)
