"""A Sungrow SH hybrid: vendor map, little word order, input and holding tables. No SunSpec.

Wire addresses (the documents count from 1). EMS mode 2 holds a forced command until somebody ends
it; mode 3 falls back to self-consumption when the heartbeat (13079) has counted down to 0.
"""

from __future__ import annotations

from simulators.devices.protocol import INPUT
from simulators.devices.registers import Area, Block, Setting, VendorUnit, counted, whole
from simulators.devices.view import View
from simulators.physics.values import VOLTAGE_V

_EMS_MODE, _COMMAND, _POWER, _HEARTBEAT = 13049, 13050, 13051, 13079
_MAX_SOC, _MIN_SOC = 13057, 13058
_EXPORT_LIMIT, _EXPORT_LIMIT_ON = 13073, 13086
_MAX_CHARGE, _MAX_DISCHARGE = 33046, 33047
_CHARGE, _DISCHARGE, _STOP, _ENABLED = 0xAA, 0xBB, 0xCC, 0xAA
_GRACE_S = 60  # assumed: how long mode 3 lasts when no heartbeat was ever written
_SELF, _FORCED, _EXTERNAL = 0, 2, 3


class SungrowHybrid(VendorUnit):
    """The simulated home's inverter as a Sungrow SH10RT."""

    def __init__(self, view: View) -> None:
        battery = view.home.house.battery
        settings = {
            _EMS_MODE: Setting(_SELF, 0, 8),
            _COMMAND: Setting(_STOP, 0, 0xCC),
            _POWER: Setting(0, 0, 10_000),
            _MAX_SOC: Setting(1000, 700, 1000),
            _MIN_SOC: Setting(round(battery.min_soc_pct * 10), 0, 500),
            _EXPORT_LIMIT: Setting(10_000, 0, 10_000),
            _EXPORT_LIMIT_ON: Setting(0x55, 0x55, 0xAA),
            _HEARTBEAT: Setting(0, 0, 1000),
            _MAX_CHARGE: Setting(round(battery.max_charge_w / 10), 1, 1060),
            _MAX_DISCHARGE: Setting(round(battery.max_discharge_w / 10), 1, 1060),
        }
        areas = [
            Area(4949, 80, self._identity, INPUT),
            Area(5029, 30, self._generation, INPUT),
            Area(5240, 4, self._frequency, INPUT),
            Area(5600, 60, self._meter, INPUT),
            Area(12999, 101, self._home_values, INPUT),
            Area(13049, 40, self._holding),
            Area(33046, 4, self._holding),
        ]
        super().__init__(view, areas, settings, little=True)
        self._apply()

    def reboot(self) -> None:
        """The forced command is kept; the heartbeat is not."""
        self.view.home.timer("sungrow", None, self._fall_back)
        if self.settings[_EMS_MODE].value == _EXTERNAL:
            self._fall_back()

    def near_wrap(self, margin_wh: float) -> None:
        for name in ("pv", "charge", "discharge", "grid_import", "grid_export"):
            self.view.start_before(name, (1 << 32) * 100 - margin_wh)

    def written(self, addresses: frozenset[int]) -> None:
        home = self.view.home
        if self.settings[_EMS_MODE].value != _EXTERNAL:
            home.timer("sungrow", None, self._fall_back)
        elif addresses & {_HEARTBEAT, _EMS_MODE}:
            seconds = self.settings[_HEARTBEAT].value
            if _HEARTBEAT in addresses and seconds == 0:
                self._fall_back()
            else:
                home.timer("sungrow", seconds or _GRACE_S, self._fall_back)
        self._apply()

    def _fall_back(self) -> None:
        self.settings[_EMS_MODE].value = _SELF
        self.settings[_COMMAND].value = _STOP
        self.settings[_HEARTBEAT].value = 0
        self._apply()

    def _apply(self) -> None:
        setting = self.settings
        charge_max = setting[_MAX_CHARGE].value * 10.0
        discharge_max = setting[_MAX_DISCHARGE].value * 10.0
        power = float(setting[_POWER].value)
        charge, discharge = charge_max, discharge_max
        if setting[_EMS_MODE].value in (_FORCED, _EXTERNAL):
            command = setting[_COMMAND].value
            if command == _CHARGE:
                charge, discharge = min(power, charge_max), -min(power, charge_max)
            elif command == _DISCHARGE:
                charge, discharge = -min(power, discharge_max), min(power, discharge_max)
            else:
                charge = discharge = 0.0
        limited = setting[_EXPORT_LIMIT_ON].value == _ENABLED
        self.view.home.command(
            charge_limit_w=charge,
            discharge_limit_w=discharge,
            grid_charge=True,
            reserve_pct=setting[_MIN_SOC].value / 10.0,
            export_limit_w=float(setting[_EXPORT_LIMIT].value) if limited else None,
        )

    def _holding(self, block: Block) -> None:
        """Settings show by themselves; the heartbeat shows what remains."""
        if self.settings[_EMS_MODE].value == _EXTERNAL:
            self.settings[_HEARTBEAT].value = round(self.view.home.remaining_s("sungrow"))

    def _identity(self, block: Block) -> None:
        block.text(4953, "SAPPHIRE-H_01011.51.04", 15)
        block.text(4989, "SIM0003587", 10)
        block.u16(4999, 0x0E03)  # SH10RT
        block.u16(5000, round(self.view.home.house.inverter.ac_rating_w / 100))
        block.u16(5001, 1)
        block.u16(5007, 350)
        block.u16(5010, 4120, whole(self._string_w(0.58) / 412.0, 10))
        block.u16(5012, 3660, whole(self._string_w(0.42) / 366.0, 10))
        block.u32(5016, whole(self.view.powers().pv))
        volts = None if self.view.blind else whole(VOLTAGE_V, 10)
        block.u16(5018, volts, volts, volts)

    def _string_w(self, share: float) -> float:
        return self.view.powers().pv * share

    def _generation(self, block: Block) -> None:
        block.u16(5035, whole(self.view.frequency_hz(), 10))

    def _frequency(self, block: Block) -> None:
        block.u16(5241, whole(self.view.frequency_hz(), 100))

    def _meter(self, block: Block) -> None:
        """The meter's power and its phases, and the sizes of the battery."""
        battery, grid = self.view.home.house.battery, self.view.powers().grid
        block.i32(5600, whole(grid), whole(grid / 3), whole(grid / 3), whole(grid / 3))
        block.u16(5634, round(battery.max_charge_w / 10), round(battery.max_discharge_w / 10))
        block.u16(5638, round(battery.capacity_wh / 10))

    def _home_values(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        true = view.home.powers()
        bits = (true.pv > 5) | (true.battery < -10) << 1 | (true.battery > 10) << 2 | 1 << 3
        bits |= (true.grid < -10) << 4 | (true.grid > 10) << 5
        external = self.settings[_EMS_MODE].value == _EXTERNAL
        forced = self.settings[_EMS_MODE].value == _FORCED
        block.u16(12999, 0x4000 if external else 0x0800 if forced else 0x0040)
        block.u16(13000, bits)
        block.u32(13002, counted(view.counter("pv"), 0.01))
        block.i32(13007, whole(powers.load + powers.ev), whole(-powers.grid))
        block.u16(13019, None if view.blind else 4100)
        block.i16(13020, whole(powers.battery / 410.0, 10), whole(powers.battery))
        block.u16(13022, whole(view.soc_pct(), 10), None if view.blind else 1000)
        block.u16(13024, None if view.blind else 250)
        block.u32(13026, counted(view.counter("discharge"), 0.01))
        block.i32(13033, whole(powers.inverter_ac))
        block.u32(13036, counted(view.counter("grid_import"), 0.01))
        block.u16(13038, round(view.home.house.battery.capacity_wh / 100))
        block.u32(13040, counted(view.counter("charge"), 0.01))
        block.u32(13045, counted(view.counter("grid_export"), 0.01))
