"""Eastron SDM630 meter (RS485 or gateway, unit 1; input registers, f32 in BE words, energy in kWh)."""

from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import frequency, grid_counters, one
from gateway.modbus.registers import Field


def _f32(address: int, scale: float = 1) -> Field:
    return Field(address, "f32", "input", scale=scale)


PROFILE = Profile(
    key="sdm630",
    title="Eastron SDM630 meter",
    kind="meter",
    verified="data sheet",
    communication=Communication(unit=1, timeout_s=2.0, min_gap_s=0.05, max_gap=30, max_read=60),
    identify=(
        (Field(0, "f32", "input", valid=(80, 300)), r"."),  # voltage of L1
        (Field(4, "f32", "input", valid=(0, 300)), r"."),
        (Field(70, "f32", "input", valid=(45, 66)), r"."),
        (Field(52, "f32", "input", valid=(-1e6, 1e6)), r"."),
    ),
    source=Source(
        outputs=(
            one("grid_power_w", _f32(52)),
            frequency(_f32(70)),
            *grid_counters(_f32(72, 1000), _f32(74, 1000)),
        ),
    ),
)
