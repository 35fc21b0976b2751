"""Carlo Gavazzi EM24 and EM340 meters (RS485 or Ethernet, unit 1; i32 low word first).

Power in 0.1 W at 0x28, frequency in 0.1 Hz at 0x33, energy in 0.1 kWh at 0x34 and 0x4E.
"""

from gateway.devices.datasheet import Communication, Profile, Source, frequency, grid_counters, one
from gateway.modbus.registers import Field


def _i32(address: int, scale: float) -> Field:
    return Field(address, "i32", "input", words="little", scale=scale)


PROFILE = Profile(
    key="carlo-gavazzi-em",
    title="Carlo Gavazzi EM24 / EM340 meter",
    kind="meter",
    verified="data sheet",
    communication=Communication(unit=1, timeout_s=2.0, min_gap_s=0.05, max_gap=10, max_read=11),
    identify=((Field(0x0B, "u16", "input"), r"^(7[0-3]|34[0-5]|16(4[89]|5[0-3]))$"),),
    source=Source(
        outputs=(
            one("grid_power_w", _i32(0x28, 0.1)),
            frequency(Field(0x33, "u16", "input", scale=0.1)),
            *grid_counters(_i32(0x34, 100), _i32(0x4E, 100)),
        ),
    ),
)
