"""Carlo Gavazzi EM24 and EM340 meters (RS485 or Ethernet, unit 1; i32 low word first).

Power in 0.1 W at 0x28. Frequency in 0.1 Hz and energy in 0.1 kWh stand elsewhere in the EM24-DIN (0x37,
0x42, 0x5C) than in EM340 and EM24 E1 (0x33, 0x34, 0x4E); the type at 0x0B tells them apart. No read of
more than 11 registers (volkszaehler/mbmd).
"""

from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, frequency, one
from gateway.devices.readout import grid_counters as counters
from gateway.modbus.registers import Field, Missing, Value

_TYPE = Field(0x0B, "u16", "input")
_DIN = range(70, 74)


def _i32(address: int, scale: float) -> Field:
    return Field(address, "i32", "input", words="little", scale=scale)


def _by_type(din: Output, other: Output) -> Output:
    """What the meter's type has at its own place."""
    split = len(din.fields)

    def chosen(kind: Value, *values: Value) -> Value:
        if isinstance(kind, Missing):
            return kind
        own = din if kind in _DIN else other
        return own.combine(*(values[:split] if kind in _DIN else values[split:]))

    return Output(din.metric, (_TYPE, *din.fields, *other.fields), chosen, din.poll)


PROFILE = Profile(
    key="carlo-gavazzi-em",
    title="Carlo Gavazzi EM24 / EM340 meter",
    kind="meter",
    verified="data sheet",
    communication=Communication(unit=1, timeout_s=2.0, min_gap_s=0.05, max_gap=10, max_read=11),
    identify=((_TYPE, r"^(7[0-3]|34[0-5]|16(4[89]|5[0-3]))$"),),
    source=Source(
        outputs=(
            one("grid_power_w", _i32(0x28, 0.1)),
            _by_type(
                frequency(Field(0x37, "u16", "input", scale=0.1)),
                frequency(Field(0x33, "u16", "input", scale=0.1)),
            ),
            *(
                _by_type(din, other)
                for din, other in zip(
                    counters(_i32(0x42, 100), _i32(0x5C, 100)),
                    counters(_i32(0x34, 100), _i32(0x4E, 100)),
                    strict=True,
                )
            ),
        ),
    ),
)
