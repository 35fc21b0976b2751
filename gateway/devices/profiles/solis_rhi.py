"""Ginlong Solis RHI hybrids (RS485, 9600 baud, unit 1; input registers).

Register meanings: candlerb/solis_exporter (docs/packet_log) and evcc's template solis-hybrid.
Battery power is voltage x current with the direction register: the power register 33149 is
unsigned on some firmware and signed on other. Grid power is the meter's 33263 (+ = export there).
Measured only. 43110 (mode bits) and 43024 (reserve) are settings in flash that limit but set no power
(evcc). There is a remote control, 43135 (1 charge, 2 discharge) with 43136 / 43129 in 10 W, which
ends by itself after 5 min whatever 43282 says; it is not offered because owners report that it is
renewed only by switching off and on again, that charging from the grid did not start, and all of
them have the newer S6 models (Pho3niX90/solis_modbus#123, #158, #336, #352): of this model nobody tells.
"""

from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.readout import Output, frequency, grid_counters, lifetime, named, numeric, one
from gateway.modbus.registers import Field, Kind, Missing, Value

_STATES = {0: "waiting", 1: "starting", 2: "starting", 3: "running"}
_DISCHARGING = 1


def _input(address: int, kind: Kind, scale: float = 1) -> Field:
    return Field(address, kind, "input", scale=scale)


def _battery(volts: Value, amps: Value, direction: Value) -> Value:
    def power(volts: float, amps: float, direction: float) -> Value:
        if direction not in (0, _DISCHARGING):
            return Missing.BAD
        return volts * amps if direction == _DISCHARGING else -volts * amps

    return numeric(power)(volts, amps, direction)


def _state(value: Value) -> Value:
    if isinstance(value, int) and value >= 0x1000:
        return "fault"
    return named(_STATES)(value)


PROFILE = Profile(
    key="solis-rhi",
    title="Solis RHI hybrid",
    kind="hybrid",
    verified="capture",
    communication=Communication(unit=1, timeout_s=3.0, min_gap_s=0.1, max_gap=5),
    identify=(
        (_input(33000, "u16"), r"."),
        (Field(33004, "str", "input", count=8), r"^[0-9A-Z]{5}"),
    ),
    says=(("serial", Field(33004, "str", "input", count=8)),),
    source=Source(
        outputs=(
            one("ac_power_w", _input(33079, "i32")),
            one("pv_power_w", _input(33057, "u32")),
            frequency(_input(33094, "u16", 0.01)),
            Output("inverter_state", (_input(33095, "u16"),), _state),
            Output(
                "battery_power_w",
                (_input(33133, "u16", 0.1), _input(33134, "u16", 0.1), _input(33135, "u16")),
                _battery,
            ),
            one("battery_soc_pct", Field(33139, "u16", "input", valid=(0, 100))),
            one("grid_power_w", _input(33263, "i32", -1)),
            *grid_counters(_input(33283, "u32", 10), _input(33285, "u32", 10)),
            lifetime("pv_energy_wh", _input(33029, "u32", 1000), "slow"),
            lifetime("battery_charge_wh", _input(33161, "u32", 1000), "slow"),
            lifetime("battery_discharge_wh", _input(33165, "u32", 1000), "slow"),
        ),
    ),
)
