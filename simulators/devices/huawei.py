"""A Huawei SUN2000 with LUNA2000: vendor map, big word order, no SunSpec, one client.

Forced charge and discharge (47100) run for the period of 47083 in minutes and then end by
themselves; writing the command or the period starts it anew. Battery power is charge +, the meter
export +. An i32 that is not implemented reads 0x7FFFFFFF.
"""

from __future__ import annotations

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
from simulators.devices.view import View
from simulators.physics.values import VOLTAGE_V

_MAX_CHARGE, _MAX_DISCHARGE, _CUTOFF = 47075, 47077, 47082
_PERIOD, _WORK_MODE, _GRID_CHARGE, _FORCE, _SETTING_MODE = 47083, 47086, 47087, 47100, 47246
_CHARGE_W, _DISCHARGE_W = 47247, 47249
_EXPORT_MODE, _EXPORT_W, _EXPORT_PCT = 47415, 47416, 47418


class HuaweiHybrid(VendorUnit):
    """The simulated home's inverter as a SUN2000-10KTL-M1."""

    def __init__(self, view: View) -> None:
        battery = view.home.house.battery
        settings = {
            **pair(_MAX_CHARGE),
            **pair(_MAX_DISCHARGE),
            _CUTOFF: Setting(round(battery.min_soc_pct * 10), 0, 200),
            _PERIOD: Setting(0, 0, 1440),
            _WORK_MODE: Setting(2, 0, 5),
            _GRID_CHARGE: Setting(0, 0, 1),
            _FORCE: Setting(0, 0, 2),
            _SETTING_MODE: Setting(0, 0, 1),
            **pair(_CHARGE_W),
            **pair(_DISCHARGE_W),
            _EXPORT_MODE: Setting(0, 0, 7),
            **pair(_EXPORT_W),
            _EXPORT_PCT: Setting(1000, 0, 1000),
        }
        set_number(settings, _MAX_CHARGE, round(battery.max_charge_w))
        set_number(settings, _MAX_DISCHARGE, round(battery.max_discharge_w))
        areas = [
            Area(30000, 90, self._identity),
            Area(32000, 120, self._inverter),
            Area(37000, 150, self._battery_and_meter),
            Area(37758, 30, self._storage),
            Area(47075, 60, self._settings_only),
            Area(47240, 20, self._settings_only),
            Area(47415, 4, self._settings_only),
        ]
        super().__init__(view, areas, settings)
        self._apply()

    def reboot(self) -> None:
        """A forced period does not survive."""
        self._end()

    def near_wrap(self, margin_wh: float) -> None:
        for name in ("pv", "charge", "discharge"):
            self.view.start_before(name, (1 << 32) * 10 - margin_wh)
        for name in ("grid_import", "grid_export"):
            self.view.start_before(name, (1 << 31) * 10 - margin_wh)

    def written(self, addresses: frozenset[int]) -> None:
        self._check_range()
        if addresses & {_FORCE, _PERIOD}:
            minutes = self.settings[_PERIOD].value
            running = self.settings[_FORCE].value != 0
            if running and minutes == 0:
                self._end()
            self.view.home.timer("huawei", minutes * 60 if running else None, self._end)
        self._apply()

    def _check_range(self) -> None:
        """Powers above what the battery can are refused."""
        battery = self.view.home.house.battery
        for address, most in (
            (_MAX_CHARGE, battery.max_charge_w),
            (_MAX_DISCHARGE, battery.max_discharge_w),
            (_CHARGE_W, battery.max_charge_w),
            (_DISCHARGE_W, battery.max_discharge_w),
        ):
            Setting(0, 0, round(most)).check(number(self.settings, address))

    def _end(self) -> None:
        self.view.home.timer("huawei", None, self._end)
        self.settings[_FORCE].value = 0
        self._apply()

    def _apply(self) -> None:
        setting = self.settings
        charge: float = number(setting, _MAX_CHARGE)
        discharge: float = number(setting, _MAX_DISCHARGE)
        force = setting[_FORCE].value
        if force == 1:
            charge = number(setting, _CHARGE_W)
            discharge = -charge
        elif force == 2:
            discharge = number(setting, _DISCHARGE_W)
            charge = -discharge
        rating = self.view.home.house.inverter.ac_rating_w
        limits = {5: 0.0, 6: float(number(setting, _EXPORT_W, signed=True))}
        limits[7] = rating * setting[_EXPORT_PCT].value / 1000
        self.view.home.command(
            charge_limit_w=charge,
            discharge_limit_w=discharge,
            grid_charge=force == 1 or setting[_GRID_CHARGE].value == 1,
            reserve_pct=setting[_CUTOFF].value / 10.0,
            export_limit_w=limits.get(setting[_EXPORT_MODE].value),
        )

    def _settings_only(self, block: Block) -> None:
        """Everything here is a setting."""

    def _identity(self, block: Block) -> None:
        block.text(30000, "SUN2000-10KTL-M1", 15)
        block.text(30015, "SIM0047083", 10)
        block.text(30025, "01074425", 10)
        block.text(30050, "V100R001C00SPC146", 15)
        block.u16(30070, 429, 2, 2)
        block.u32(30073, round(self.view.home.house.inverter.ac_rating_w))

    def _inverter(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        block.u16(32000, 0x6)
        block.i16(32016, 4120, whole(powers.pv * 0.58 / 412.0, 100))
        block.i16(32018, 3660, whole(powers.pv * 0.42 / 366.0, 100))
        block.i32(32064, whole(powers.pv))
        volts = None if view.blind else whole(VOLTAGE_V, 10)
        lines = None if view.blind else whole(VOLTAGE_V * 3**0.5, 10)
        block.u16(32066, lines, lines, lines)
        block.u16(32069, volts, volts, volts)
        amps = whole(powers.inverter_ac / 3 / VOLTAGE_V, 1000)
        block.i32(32072, amps, amps, amps)
        block.i32(32080, whole(powers.inverter_ac))
        block.u16(32085, whole(view.frequency_hz(), 100))
        block.u16(32089, 0x0200)  # on grid
        block.u16(32087, None if view.blind else 415)
        block.u32(
            32106, counted(view.counter("inverter_out"), 0.1), counted(view.counter("pv"), 0.1)
        )

    def _battery_and_meter(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        battery = view.home.house.battery
        block.u32(37046, round(battery.max_charge_w), round(battery.max_discharge_w))
        block.u16(37000, 2)  # the first storage unit runs
        block.i32(37001, whole(-powers.battery))
        block.u16(37003, None if view.blind else 4100, whole(view.soc_pct(), 10))
        charged, discharged = view.counter("charge"), view.counter("discharge")
        block.u32(37066, counted(charged, 0.1), counted(discharged, 0.1))
        block.u16(37100, 1)  # meter normal
        volts = None if view.blind else whole(VOLTAGE_V, 10)
        block.i32(37101, volts, volts, volts)
        third = -powers.grid / 3
        amps = whole(third / VOLTAGE_V, 100)
        block.i32(37107, amps, amps, amps)
        block.i32(37132, whole(third), whole(third), whole(third))
        block.i32(37113, whole(-powers.grid))
        block.i16(37118, whole(view.frequency_hz(), 100))
        exported, imported = view.counter("grid_export"), view.counter("grid_import")
        block.i32(37119, counted(exported, 0.1, bits=31), counted(imported, 0.1, bits=31))
        block.u16(37125, 1)

    def _storage(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        block.u32(37758, round(view.home.house.battery.capacity_wh))
        block.u16(37760, whole(view.soc_pct(), 10), None, 2)
        block.u16(37763, None if view.blind else 4100)
        block.i16(37764, whole(-powers.battery / 410.0, 10))
        block.i32(37765, whole(-powers.battery))
        block.u32(37780, counted(view.counter("charge"), 0.1))
        block.u32(37782, counted(view.counter("discharge"), 0.1))
