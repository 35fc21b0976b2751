"""A GoodWe ET hybrid (unit 247): vendor map, big word order, no SunSpec, and no watchdog.

The EMS mode (47511) and its power (47512) persist, also over a restart, until somebody changes them.
Battery power is discharge +, the meter export +.
"""

from __future__ import annotations

from simulators.devices.registers import Area, Block, Setting, VendorUnit, counted, whole
from simulators.devices.view import View
from simulators.physics.values import VOLTAGE_V

_EMS_MODE, _EMS_POWER, _EXPORT_ON, _EXPORT_W, _MIN_SOC = 47511, 47512, 47509, 47510, 45356
_AUTO, _CHARGE_PV, _DISCHARGE_PV, _IMPORT_AC, _EXPORT_AC, _CONSERVE = 1, 2, 3, 4, 5, 6
_STANDBY, _BUY, _SELL, _CHARGE_BATTERY, _DISCHARGE_BATTERY = 8, 9, 10, 11, 12
_MODES = frozenset((1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12))
_RESERVE_PCT = 10


class GoodWeHybrid(VendorUnit):
    """The simulated home's inverter as a GW10K-ET."""

    def __init__(self, view: View) -> None:
        settings = {
            _EMS_MODE: Setting(_AUTO, 1, 12),
            _EMS_POWER: Setting(0, 0, 10_000),
            _EXPORT_ON: Setting(0, 0, 1),
            _EXPORT_W: Setting(10_000, 0, 10_000),
            _MIN_SOC: Setting(
                _RESERVE_PCT, 0, 100
            ),  # "depth of discharge" by name, counted from below
        }
        areas = [
            Area(35000, 33, self._identity),
            Area(35100, 260, self._running),
            Area(36000, 58, self._meter),
            Area(37000, 60, self._battery),
            Area(45127, 7, self._settings_only),
            Area(45222, 60, self._second_counters),
            Area(45352, 8, self._settings_only),
            Area(47000, 40, self._settings_only),
            Area(47500, 50, self._settings_only),
            Area(47900, 17, self._settings_only),
        ]
        super().__init__(view, areas, settings)
        self._apply()

    def reboot(self) -> None:
        """Everything is kept in flash: a forced mode survives."""

    def near_wrap(self, margin_wh: float) -> None:
        for name in ("pv", "charge", "discharge"):
            self.view.start_before(name, (1 << 32) * 100 - margin_wh)

    def written(self, addresses: frozenset[int]) -> None:
        if self.settings[_EMS_MODE].value not in _MODES:
            self.settings[_EMS_MODE].check(0)  # refuse: below the lowest mode
        self._apply()

    def _apply(self) -> None:
        setting, battery = self.settings, self.view.home.house.battery
        mode, power = setting[_EMS_MODE].value, float(setting[_EMS_POWER].value)
        most_in, most_out = battery.max_charge_w, battery.max_discharge_w
        limits: dict[int, tuple[float | None, float | None]] = {  # charge, discharge limit
            _CHARGE_PV: (most_in, 0.0),
            _DISCHARGE_PV: (0.0, most_out),
            _IMPORT_AC: (most_in, -min(power, most_in)),
            _EXPORT_AC: (-min(power, most_out), most_out),
            _CONSERVE: (most_in, 0.0),
            _STANDBY: (0.0, 0.0),
            _CHARGE_BATTERY: (most_in, -min(power, most_in)),
            _DISCHARGE_BATTERY: (-min(power, most_out), min(power, most_out)),
        }
        charge, discharge = limits.get(mode, (None, None))
        if mode == _CHARGE_PV and power > 0:  # PV, and from the grid up to the power
            discharge = -min(power, most_in)
        self.view.home.command(
            charge_limit_w=charge,
            discharge_limit_w=discharge,
            grid_charge=mode in (_CHARGE_PV, _IMPORT_AC, _BUY, _CHARGE_BATTERY),
            reserve_pct=float(setting[_MIN_SOC].value),
            export_limit_w=float(setting[_EXPORT_W].value) if setting[_EXPORT_ON].value else None,
        )

    def _settings_only(self, block: Block) -> None:
        """Everything here is a setting."""

    def _identity(self, block: Block) -> None:
        block.u16(35000, 6, round(self.view.home.house.inverter.ac_rating_w), 1)
        block.text(35003, "9010KETU00SIM001", 8)
        block.text(35011, "GW10K-ET", 5)
        block.text(35021, "04029-06-S11", 6)

    def _running(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        strings = (powers.pv * 0.58, powers.pv * 0.42)
        for at, watts, volts in zip((35103, 35107), strings, (412.0, 366.0), strict=True):
            block.u16(at, None if view.blind else whole(volts, 10), whole(watts / volts, 10))
            block.u32(at + 2, whole(watts))
        for at in (35113, 35117):  # inputs that this model has and nobody uses
            block.u32(at, None if view.blind else 0)
        third = powers.inverter_ac / 3
        volts_now = None if view.blind else whole(VOLTAGE_V, 10)
        for at in (35121, 35126, 35131):
            block.u16(at, volts_now)
            block.i16(at + 1, whole(abs(third) / VOLTAGE_V, 10))
            block.u16(at + 2, whole(view.frequency_hz(), 100))
            block.i16(at + 4, whole(third))
        block.u16(35136, 1)
        block.i32(35137, whole(powers.inverter_ac), whole(-powers.grid))
        block.i32(35171, whole(powers.load + powers.ev))
        block.u16(35180, None if view.blind else 4100)
        block.i16(35181, whole(powers.battery / 410.0, 10))
        block.i32(35182, whole(powers.battery))
        on_grid = 1 if abs(view.home.powers().inverter_ac) > 0 else 0
        block.u16(35186, 0, 2 if view.home.alone else on_grid)
        true = view.home.powers().battery
        block.u16(35184, 1 if abs(true) < 10 else 2 if true > 0 else 3)
        block.u32(35191, counted(view.counter("pv"), 0.01))
        block.u32(35195, counted(view.counter("grid_export"), 0.01))
        block.u32(35200, counted(view.counter("grid_import"), 0.01))
        block.u32(35206, counted(view.counter("charge"), 0.01))
        block.u32(35209, counted(view.counter("discharge"), 0.01))

    def _meter(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        block.u16(36003, 0x0111, 1)  # all phases connected the right way; the meter answers
        third = whole(-powers.grid / 3)
        block.i16(36005, third, third, third, whole(-powers.grid))
        block.u16(36014, whole(view.frequency_hz(), 100))
        block.f32(36015, view.counter("grid_export"), view.counter("grid_import"))
        block.i32(36019, third, third, third, whole(-powers.grid))
        volts = None if view.blind else whole(VOLTAGE_V, 10)
        amps = whole(abs(powers.grid) / 3 / VOLTAGE_V, 10)
        block.u16(36052, volts, volts, volts, amps, amps, amps)

    def _second_counters(self, block: Block) -> None:
        """The same counters once more, as older masters ask for them."""
        view = self.view
        block.u32(45222, counted(view.counter("pv"), 0.01))
        block.u32(45226, counted(view.counter("grid_export"), 0.01))
        block.u32(45231, counted(view.counter("grid_import"), 0.01))
        block.u32(45237, counted(view.counter("charge"), 0.01))
        block.u32(45240, counted(view.counter("discharge"), 0.01))

    def _battery(self, block: Block) -> None:
        view = self.view
        block.u16(37000, 255, 1)
        battery = view.home.house.battery
        block.u16(
            37003, 250, round(battery.max_charge_w / 410), round(battery.max_discharge_w / 410)
        )
        block.u16(37007, whole(view.soc_pct()), None if view.blind else 100, 5)
