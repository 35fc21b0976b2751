"""An SMA Tripower Smart Energy (unit 3): SMA's own map, 32 and 64 bit numbers, big word order.

40149 is a setpoint of active power at the AC terminals, panels and battery together, in force while
40151 = 802; without a new one for ten minutes the inverter goes its own way again. What is not there
reads 0x80000000 in signed numbers and 0xFFFFFFFF in unsigned ones.
"""

from __future__ import annotations

from dataclasses import replace

from simulators.devices.protocol import INPUT
from simulators.devices.registers import (
    Area,
    Block,
    Setting,
    VendorUnit,
    counted,
    number,
    pair,
    set_number,
    whole,
)
from simulators.devices.truths import BATTERY_V
from simulators.devices.view import View
from simulators.physics.values import VOLTAGE_V

_SETPOINT, _ACTIVE = 40149, 40151
_ON, _OFF = 802, 803
_FALLS_BACK_S = 600
_NO_I32 = 0x8000_0000


class SmaHybrid(VendorUnit):
    """The simulated home's inverter as an STP10.0-3SE-40."""

    def __init__(self, view: View) -> None:
        settings: dict[int, Setting] = {**pair(_SETPOINT), **pair(_ACTIVE)}
        set_number(settings, _ACTIVE, _OFF)
        areas = [
            Area(30051, 10, self._identity),
            Area(30201, 2, self._status),
            Area(30231, 2, self._rating),
            Area(30513, 18, self._yield),
            Area(30581, 4, self._meter_counters),
            Area(30769, 38, self._powers),
            Area(30843, 126, self._more_powers),
            Area(31253, 34, self._phases),
            Area(31391, 14, self._battery),
            Area(31435, 6, self._currents),
            Area(34661, 8, self._cells),
            Area(_SETPOINT, 6, self._settings_only),
            Area(40187, 2, self._capacity),
        ]
        both = [*areas, *(replace(area, table=INPUT) for area in areas)]  # the same in both tables
        super().__init__(view, both, settings)
        self._apply()

    def reboot(self) -> None:
        """The setpoint is not kept."""
        self._fall_back()

    def near_wrap(self, margin_wh: float) -> None:
        for name in ("grid_import", "grid_export"):
            self.view.start_before(name, (1 << 32) - margin_wh)

    def written(self, addresses: frozenset[int]) -> None:
        on = number(self.settings, _ACTIVE) == _ON
        self.view.home.timer("sma", _FALLS_BACK_S if on else None, self._fall_back)
        self._apply()

    def _fall_back(self) -> None:
        self.view.home.timer("sma", None, self._fall_back)
        set_number(self.settings, _ACTIVE, _OFF)
        self._apply()

    def _apply(self) -> None:
        on = number(self.settings, _ACTIVE) == _ON
        power = float(number(self.settings, _SETPOINT, signed=True))
        self.view.home.command(ac_power_w=power if on else None, grid_charge=on)

    def _settings_only(self, block: Block) -> None:
        """Everything here is a setting."""

    def _signed(self, block: Block, address: int, watts: float) -> None:
        value = whole(watts)
        block.u32(address, _NO_I32 if value is None else value & 0xFFFF_FFFF)

    def _identity(self, block: Block) -> None:
        block.u32(30051, 8009, 19049)  # hybrid; its type
        block.u32(30057, 3_001_234_567, 0x0304_1204)  # serial number, software package 3.4.18.R

    def _status(self, block: Block) -> None:
        block.u32(30201, 307)

    def _rating(self, block: Block) -> None:
        block.u32(30231, round(self.view.home.house.inverter.ac_rating_w))

    def _yield(self, block: Block) -> None:
        """Total yield is what left at the AC side, the battery's discharge in it."""
        out = self.view.counter("inverter_out")
        block.u64(30513, counted(out, bits=64))
        block.u32(30529, counted(out))

    def _meter_counters(self, block: Block) -> None:
        view = self.view
        block.u32(30581, counted(view.counter("grid_import")), counted(view.counter("grid_export")))

    def _powers(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        block.u32(30769, whole(powers.pv * 0.58 / 412.0, 1000), None if view.blind else 41_200)
        self._signed(block, 30773, powers.pv * 0.58)
        self._signed(block, 30775, powers.inverter_ac)
        for address in (30777, 30779, 30781):
            self._signed(block, address, powers.inverter_ac / 3)
        volts = None if view.blind else whole(VOLTAGE_V, 100)
        block.u32(30783, volts, volts, volts)
        block.u32(30803, whole(view.frequency_hz(), 100))

    def _more_powers(self, block: Block) -> None:
        """Battery, meter and the second input of the panels; this model has two."""
        view, powers = self.view, self.view.powers()
        self._signed(block, 30843, powers.battery / BATTERY_V * 1000)
        block.u32(30845, whole(view.soc_pct()))
        block.u32(30851, None if view.blind else whole(BATTERY_V, 100))
        block.u32(30865, whole(max(0.0, powers.grid)), whole(max(0.0, -powers.grid)))
        block.u32(30955, 2291 if abs(powers.battery) < 10 else 2292 if powers.battery < 0 else 2293)
        self._signed(block, 30961, powers.pv * 0.42)
        block.u32(30967, _NO_I32)

    def _phases(self, block: Block) -> None:
        """Of the meter: volts, and what each phase gives and takes."""
        view, third = self.view, self.view.powers().grid / 3
        volts = None if view.blind else whole(VOLTAGE_V, 100)
        out, into = whole(max(0.0, -third)), whole(max(0.0, third))
        block.u32(31253, volts, volts, volts, out, out, out, into, into, into)

    def _currents(self, block: Block) -> None:
        for address in (31435, 31437, 31439):
            self._signed(block, address, abs(self.view.powers().grid) / 3 / VOLTAGE_V * 1000)

    def _cells(self, block: Block) -> None:
        charged, discharged = self.view.counter("charge"), self.view.counter("discharge")
        block.u64(34661, counted(charged, bits=64), counted(discharged, bits=64))

    def _battery(self, block: Block) -> None:
        view, power = self.view, self.view.powers().battery
        block.u32(31393, whole(max(0.0, -power)), whole(max(0.0, power)))
        charged, discharged = view.counter("charge"), view.counter("discharge")
        block.u64(31397, counted(charged, bits=64), counted(discharged, bits=64))

    def _capacity(self, block: Block) -> None:
        block.u32(40187, round(self.view.home.house.battery.capacity_wh))
