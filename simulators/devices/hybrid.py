"""A SunSpec hybrid inverter like Fronius GEN24: models 1, 103 or 113, 120-124 and 160 on unit 1.

The battery's charge and discharge are two unsigned modules of model 160, found by their names.
Scale factors move with the magnitude. Whether the AC values are integers with scale factors (103)
or floats (113) is a setting of the inverter; with it all later addresses shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import copysign, isnan

from simulators.devices.controls import BATTERY_V, GenerationControl, StorageControl
from simulators.devices.registers import Block, counted, limited, whole
from simulators.devices.sunspec import (
    ACC32,
    Model,
    SunSpecUnit,
    acc32,
    common,
    constant,
    scale_for,
    scaled,
)
from simulators.devices.view import View
from simulators.physics.values import VOLTAGE_V

_STRING_SHARE = (0.58, 0.42)
_STRING_V = (412.0, 366.0)
_YEAR_2000 = 946_684_800  # SunSpec timestamps count from here
_BETWEEN_PHASES_V = VOLTAGE_V * 3**0.5


def inverter_state(view: View) -> int:
    """St of models 101 to 113: 4 MPPT, 5 throttled, 8 standby."""
    powers = view.home.powers()
    if not view.home.commands.connected:
        return 8
    if powers.pv_possible - powers.pv > 20:
        return 5
    return 4 if powers.pv > 5 or abs(powers.battery) > 5 else 8


def _power_factor_pct(watts: float) -> float:
    return copysign(100.0, watts) if isnan(watts) or abs(watts) > 1 else 0.0


class AcModel:
    """Model 103, or 113 in floats: the AC side, with DC power = PV + battery as on hybrids."""

    def __init__(self, view: View, floats: bool = False) -> None:
        self.view = view
        self.model = Model(113, 60, self._floats) if floats else Model(103, 50, self._integers)

    def near_wrap(self, margin_wh: float) -> None:
        self.view.start_before("inverter_out", ACC32 / 100 - margin_wh)

    def _integers(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        watts = powers.inverter_ac
        current = abs(watts) / VOLTAGE_V
        factor = scale_for(current, 65534, -3 + view.coarse)
        third = scaled(current / 3, factor)
        block.u16(2, scaled(current, factor), third, third, third)
        block.i16(6, factor)
        lines, phase = whole(_BETWEEN_PHASES_V, 10), whole(VOLTAGE_V, 10)
        block.u16(7, *((None,) * 6 if view.blind else (lines, lines, lines, phase, phase, phase)))
        block.i16(13, -1)
        factor = scale_for(watts, 32767, -2 + view.coarse)
        block.i16(14, scaled(watts, factor), factor)
        block.u16(16, whole(view.frequency_hz(), 100))
        block.i16(17, -2, scaled(watts, factor), factor, 0, 0)
        block.i16(22, whole(_power_factor_pct(watts), 10), -1)
        block.acc32(24, acc32(view.counter("inverter_out"), -2))
        block.i16(26, -2)
        block.u16(27, None)
        block.i16(28, None)
        block.u16(29, None)
        block.i16(30, None)
        dc_watts = powers.pv + powers.battery
        factor = scale_for(dc_watts, 32767, -2 + view.coarse)
        block.i16(31, scaled(dc_watts, factor), factor)
        block.i16(33, whole(35 + abs(watts) / 400, 10), None, None, None, -1)
        block.u16(38, inverter_state(view), inverter_state(view))

    def _floats(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        watts, nan = powers.inverter_ac, float("nan")
        current = abs(watts) / VOLTAGE_V
        block.f32(2, current, current / 3, current / 3, current / 3)
        volts = (_BETWEEN_PHASES_V,) * 3 + (VOLTAGE_V,) * 3
        block.f32(10, *((nan,) * 6 if view.blind else volts))
        block.f32(22, watts, view.frequency_hz(), abs(watts), 0.0, _power_factor_pct(watts))
        block.f32(32, view.counter("inverter_out"), nan, nan, powers.pv + powers.battery)
        block.f32(40, 35 + abs(watts) / 400, nan, nan, nan)
        block.u16(48, inverter_state(view), inverter_state(view))


class HybridInverter(SunSpecUnit):
    """The inverter of the simulated home with its battery and panels."""

    firmware = "1.34.6-1"

    def __init__(self, view: View, floats: bool = False) -> None:
        self.view = view
        self.storage = StorageControl(view)
        self.generation = GenerationControl(view)
        self._ac = AcModel(view, floats)
        super().__init__(view, self._chain(self._ac.model))

    def _chain(self, measured: Model) -> Sequence[Model]:
        return [
            common("Fronius", "Symo GEN24 10.0 Plus", self.firmware, "SIM0000001"),
            measured,
            constant(Model(120, 26, self._nameplate)),
            constant(Model(121, 30, self._basic)),
            Model(122, 44, self._status),
            self.generation.model,
            Model(160, 8 + 20 * 4, self._modules),
            self.storage.model,
        ]

    def reboot(self) -> None:
        """Lose the volatile setpoints, as after a restart of the device."""
        self.storage.neutral()
        self.generation.neutral()

    def near_wrap(self, margin_wh: float) -> None:
        self._ac.near_wrap(margin_wh)
        for name in ("pv", "charge", "discharge"):
            self.view.start_before(name, ACC32 - margin_wh)

    def _nameplate(self, block: Block) -> None:
        house = self.view.home.house
        rating = limited(house.inverter.ac_rating_w, 0, 65534)
        block.u16(2, 82, rating)
        block.i16(4, 0)
        block.u16(5, rating)
        block.i16(6, 0)
        quarter = rating * 6 // 10
        block.i16(7, quarter, quarter, -quarter, -quarter, 0)
        block.u16(12, round(house.inverter.ac_rating_w / VOLTAGE_V * 100))
        block.i16(13, -2, -80, 80, 80, -80, -2)
        block.u16(19, limited(house.battery.capacity_wh, 0, 65534))
        block.i16(20, 0)
        block.u16(21, None)
        block.i16(22, None)
        block.u16(23, limited(house.battery.max_charge_w, 0, 65534))
        block.i16(24, 0)
        block.u16(25, limited(house.battery.max_discharge_w, 0, 65534))
        block.i16(26, 0)
        block.i16(27, None)

    def _basic(self, block: Block) -> None:
        rating = limited(self.view.home.house.inverter.ac_rating_w, 0, 65534)
        block.u16(2, rating, round(VOLTAGE_V), 0, None, None, rating)
        block.i16(8, None, None, None, None)
        block.u16(12, None)
        block.i16(13, None, None, None, None)
        block.u16(17, None, None, None, None, 1)
        block.i16(22, 0, 0, 0, None, 0, None, None, None, None, None)

    def _status(self, block: Block) -> None:
        block.u16(2, 7, 7, 1)
        energy = counted(self.view.counter("inverter_out"), bits=64)
        block.u64(5, energy or 0)
        block.i16(29, None, None)
        block.u16(31, None)
        block.i16(32, None)
        block.u16(33, None, None)

    def _modules(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        producing = view.home.powers().pv_possible > 0
        modules = []
        for number, (share, volts) in enumerate(zip(_STRING_SHARE, _STRING_V, strict=True), 1):
            energy = view.counter("pv") * share
            modules.append(
                (f"MPPT {number}", powers.pv * share, volts if producing else 0.0, energy)
            )
        battery = powers.battery
        discharge = battery if isnan(battery) else max(0.0, battery)
        charge = battery if isnan(battery) else max(0.0, -battery)
        modules.append(("StCha 3", charge, BATTERY_V, view.counter("charge")))
        modules.append(("StDisCha 4", discharge, BATTERY_V, view.counter("discharge")))
        largest_w = max(module[1] for module in modules)
        largest_a = max(module[1] / module[2] if module[2] else 0.0 for module in modules)
        power_factor = scale_for(largest_w, 65534, -2 + view.coarse)
        current_factor = scale_for(largest_a, 65534, -3 + view.coarse)
        block.i16(2, current_factor, -1, power_factor, 0)
        block.u32(6, 0)
        block.u16(8, len(modules), None)
        now = max(0, round(view.home.now.timestamp()) - _YEAR_2000)
        for number, (name, watts, volts, energy) in enumerate(modules):
            at = 10 + 20 * number
            block.u16(at, number + 1)
            block.text(at + 1, name, 8)
            amperes = watts / volts if volts else watts * 0.0
            block.u16(at + 9, scaled(amperes, current_factor))
            block.u16(at + 10, None if view.blind else whole(volts, 10))
            block.u16(at + 11, scaled(watts, power_factor))
            block.acc32(at + 12, acc32(energy, 0))
            block.u32(at + 14, now)
            block.i16(at + 16, None)
            block.u16(at + 17, None)
            block.u32(at + 18, None)
