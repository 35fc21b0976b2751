"""A SolarEdge StorEdge inverter: SunSpec 1, 103 and a meter (1, 203) in one chain; own map at 0xE000.

The own map has little word order. Remote control of the battery ends by itself after the command
timeout (0xE00B, default 3600 s); then the default mode (0xE00A) applies. The meter counts export
power as +, battery power is charge +. One client only.
"""

from __future__ import annotations

from simulators.devices.hybrid import AcModel, inverter_state
from simulators.devices.meter import MeterModel
from simulators.devices.protocol import ILLEGAL_VALUE, ModbusError
from simulators.devices.registers import (
    Block,
    BlockUnit,
    Setting,
    Span,
    counted,
    number,
    pair,
    real,
    set_number,
    set_real,
)
from simulators.devices.sunspec import BASES, chain, common
from simulators.devices.view import View

_EXPORT_MODE, _EXPORT_LIMIT_MODE, _EXPORT_LIMIT = 0xE000, 0xE001, 0xE002
_CONTROL, _GRID_CHARGE, _GRID_LIMIT, _RESERVE = 0xE004, 0xE005, 0xE006, 0xE008
_DEFAULT_MODE, _TIMEOUT, _MODE = 0xE00A, 0xE00B, 0xE00D
_CHARGE_LIMIT, _DISCHARGE_LIMIT = 0xE00E, 0xE010
_PV_LIMIT = 0xF322
_POWER_CONTROL = 0xF000  # reactive power: none; and the active power limit that is kept, %
_REMOTE, _SELF_CONSUMPTION = 4, 7
_BATTERY = 0xE100


class StorEdge(BlockUnit):
    """The simulated home's inverter as a SolarEdge."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._ac, self._meter = AcModel(view), MeterModel(view, sign=-1)
        battery = view.home.house.battery
        self.settings = {
            _EXPORT_MODE: Setting(0, 0, 0xFFFF),
            _EXPORT_LIMIT_MODE: Setting(0, 0, 1),
            **pair(_EXPORT_LIMIT),
            _CONTROL: Setting(1, 0, 5),
            _GRID_CHARGE: Setting(1, 0, 3),
            **pair(_GRID_LIMIT),
            **pair(_RESERVE),
            _DEFAULT_MODE: Setting(_SELF_CONSUMPTION, 0, 7),
            **pair(_TIMEOUT),
            _MODE: Setting(_SELF_CONSUMPTION, 0, 7),
            **pair(_CHARGE_LIMIT),
            **pair(_DISCHARGE_LIMIT),
        }
        self._limit = pair(_PV_LIMIT)
        set_number(self.settings, _TIMEOUT, 3600, little=True)
        self._set(_EXPORT_LIMIT, view.home.house.inverter.ac_rating_w)
        self._set(_RESERVE, battery.min_soc_pct)
        self._set(_CHARGE_LIMIT, battery.max_charge_w)
        self._set(_DISCHARGE_LIMIT, battery.max_discharge_w)
        set_real(self._limit, _PV_LIMIT, 100.0, little=True)
        spans, _end = chain(
            self,
            [
                common("SolarEdge", "SE10K-RWS48BEN4", "0004.0018.0520", "SIM000E000"),
                self._ac.model,
                common("SolarEdge", "SE-MTR-3Y-400V-A", "75", "SIM000E00M"),
                self._meter.model,
            ],
            BASES[0],  # its meters stand at fixed addresses
        )
        self.set_spans(
            [
                *spans,
                Span(0xE000, 0x12, self._control_block),
                Span(_BATTERY, 0x8A, self._battery_block),
                Span(_BATTERY + 0x1400, 0x8A, self._battery_block),  # newer firmware has it twice
                Span(_PV_LIMIT, 2, self._limit_block),
                Span(_POWER_CONTROL, 2, self._power_control_block),
            ]
        )
        self.set_writable(self.settings, self._written)
        self.set_writable(self._limit, self._written)
        self._apply()

    def _set(self, address: int, value: float) -> None:
        set_real(self.settings, address, value, little=True)

    def _get(self, address: int) -> float:
        value = real(self.settings, address, little=True)
        if value < 0:
            raise ModbusError(ILLEGAL_VALUE)
        return value

    def reboot(self) -> None:
        """The command is volatile, the settings are not."""
        self.settings[_MODE].value = self.settings[_DEFAULT_MODE].value
        set_real(self._limit, _PV_LIMIT, 100.0, little=True)
        self.view.home.timer("solaredge", None, self._fall_back)
        self._apply()

    def near_wrap(self, margin_wh: float) -> None:
        self._ac.near_wrap(margin_wh)
        self._meter.near_wrap(margin_wh)

    def _written(self, addresses: frozenset[int]) -> None:
        self._apply()  # refuses what is no number before the timer is touched
        if any(_CONTROL <= address < _DISCHARGE_LIMIT + 2 for address in addresses):
            seconds = number(self.settings, _TIMEOUT, little=True)
            remote = self.settings[_CONTROL].value == _REMOTE
            self.view.home.timer("solaredge", seconds if remote else None, self._fall_back)

    def _fall_back(self) -> None:
        self.settings[_MODE].value = self.settings[_DEFAULT_MODE].value
        battery = self.view.home.house.battery
        self._set(_CHARGE_LIMIT, battery.max_charge_w)
        self._set(_DISCHARGE_LIMIT, battery.max_discharge_w)
        self._apply()

    def _apply(self) -> None:
        settings = self.settings
        remote = settings[_CONTROL].value == _REMOTE
        charge, discharge = self._get(_CHARGE_LIMIT), self._get(_DISCHARGE_LIMIT)
        limits: dict[int, tuple[float, float]] = {  # mode -> charge limit, discharge limit
            0: (0.0, 0.0),
            1: (charge, 0.0),  # only surplus
            2: (charge, -charge),  # PV first
            3: (charge, -charge),  # PV and grid
            4: (-discharge, discharge),  # export
            5: (0.0, discharge),
        }
        mode = settings[_MODE].value if remote else _SELF_CONSUMPTION
        chosen = limits.get(mode, (charge, discharge) if remote else (None, None))
        share = real(self._limit, _PV_LIMIT, little=True)
        if not 0 <= share <= 100:
            raise ModbusError(ILLEGAL_VALUE)
        rating = self.view.home.house.inverter.ac_rating_w
        exporting = settings[_EXPORT_MODE].value & 0x7
        self.view.home.command(
            charge_limit_w=chosen[0],
            discharge_limit_w=chosen[1],
            grid_charge=mode == 3 and settings[_GRID_CHARGE].value > 0,
            reserve_pct=min(100.0, self._get(_RESERVE)),
            pv_limit_w=None if share >= 100 else rating * share / 100,
            export_limit_w=self._get(_EXPORT_LIMIT) if exporting else None,
        )

    def _control_block(self) -> bytearray:
        block = Block(0x12, 0xE000)
        for address, setting in self.settings.items():
            block.u16(address, setting.value)
        return block.data

    def _limit_block(self) -> bytearray:
        block = Block(2, _PV_LIMIT)
        block.u16(_PV_LIMIT, *(setting.value for setting in self._limit.values()))
        return block.data

    def _power_control_block(self) -> bytearray:
        block = Block(2, _POWER_CONTROL)
        block.u16(_POWER_CONTROL, 0, 100)
        return block.data

    def _battery_block(self) -> bytearray:
        view, battery = self.view, self.view.home.house.battery
        block = Block(0x8A, _BATTERY, little=True)
        block.text(_BATTERY, "SolarEdge", 16)
        block.text(0xE110, "Home Battery 13.5", 16)
        block.text(0xE120, "1.2.3", 16)
        block.text(0xE130, "SIM000E100", 16)
        block.u16(0xE140, 15)
        powers = (battery.max_charge_w, battery.max_discharge_w) * 2
        block.f32(0xE142, battery.capacity_wh, *powers)
        block.f32(0xE16C, 25.0, 27.0)
        watts, nan = view.powers().battery, float("nan")
        volts = nan if view.blind else 410.0
        block.f32(0xE170, volts, -watts / 410.0, -watts)
        discharged, charged = view.counter("discharge"), view.counter("charge")
        block.u64(0xE176, counted(discharged, bits=64), counted(charged, bits=64))
        soc = view.soc_pct()
        block.f32(0xE17E, battery.capacity_wh, battery.capacity_wh * soc / 100, 100.0, soc)
        state = 6 if abs(watts) < 10 else 4 if watts > 0 else 3  # idle, discharge, charge
        block.u32(0xE186, state, inverter_state(view))
        return block.data
