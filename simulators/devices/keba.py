"""A KEBA P30 wall box (unit 255): vendor registers, u32 big-endian, one number each.

Numbers are those of the KEBA Modbus TCP guide: currents mA, power mW, energies 0.1 Wh. When no
request comes for the fail-safe timeout (5018) the fail-safe current (5016) applies until the next
setpoint.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from simulators.devices.protocol import ILLEGAL_ADDRESS, ModbusError
from simulators.devices.registers import BlockUnit, Setting, Span, counted, whole
from simulators.devices.view import View
from simulators.physics.values import PHASES, VOLTAGE_V

_CURRENT, _ENABLE, _SAFE_CURRENT, _SAFE_TIMEOUT, _SAFE_PERSIST = 5004, 5014, 5016, 5018, 5020
_SWITCHES, _PHASES = 5050, 5052  # who may switch the phases (3 = Modbus), and 0 one or 1 all
_BY_MODBUS = 3
_MAX_MA = 16_000


def _pack(value: Callable[[], int | None]) -> bytes:
    shown = value()
    return struct.pack(">I", 0xFFFFFFFF if shown is None else shown)


class CurrentSetting(Setting):
    """Milliamperes: 0, or 6000 up to what the wall box can."""

    def check(self, value: int) -> int:
        return super().check(value) if value else 0


class SafeTimeout(Setting):
    """Seconds: 0 = off, else 10 to 600."""

    def check(self, value: int) -> int:
        return super().check(value) if value else 0


class KebaCharger(BlockUnit):
    """The wall box of the simulated home."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._home = home = view.home
        self._limit_ma = _MAX_MA
        self.settings: dict[int, Setting] = {
            _CURRENT: CurrentSetting(_MAX_MA, 6_000, 63_000),
            _ENABLE: Setting(1, 0, 1),
            _SAFE_CURRENT: CurrentSetting(0, 6_000, 63_000),
            _SAFE_TIMEOUT: SafeTimeout(0, 10, 600),
            _SAFE_PERSIST: Setting(0, 0, 1),
            _SWITCHES: Setting(0, 0, 4),
            _PHASES: Setting(1, 0, 1),
        }
        values: dict[int, Callable[[], int | None]] = {
            1000: self._state,
            1004: lambda: 7 if home.state().car_plugged else 1,
            1006: lambda: 0,
            1008: self._current_ma,
            1010: self._current_ma,
            1012: self._current_ma,
            1014: lambda: 12_345_678,
            1016: lambda: 314_100,  # P30 x-series, 11 kW
            1018: lambda: 0x030A2200,  # firmware 3.10.34
            1020: lambda: whole(view.powers().ev, 1000),
            1036: self._energy,
            1040: self._volts,
            1042: self._volts,
            1044: self._volts,
            1046: lambda: 1000 if home.powers().ev > 0 else 0,
            1100: lambda: self._limit_ma,
            1110: lambda: _MAX_MA,
            1500: lambda: 0,
            1502: lambda: counted(home.state().session_wh, 10),
            1550: lambda: self.settings[_SWITCHES].value,
            1552: lambda: int(home.commands.charge_phases == PHASES),
            1600: lambda: self.settings[_SAFE_CURRENT].value,
            1602: lambda: self.settings[_SAFE_TIMEOUT].value,
        }
        self.set_spans(
            [Span(address, 2, partial(_pack, value)) for address, value in values.items()]
        )

    def read(self, table: int, address: int, count: int) -> bytes:
        self._heard()
        return super().read(table, address, count)

    def write(self, address: int, values: tuple[int, ...], function: int) -> None:
        if len(values) != 1 or address not in self.settings:
            raise ModbusError(ILLEGAL_ADDRESS)
        setting = self.settings[address]
        if address == _PHASES and self.settings[_SWITCHES].value != _BY_MODBUS:
            raise ModbusError(ILLEGAL_ADDRESS)
        setting.value = setting.check(values[0])
        if address == _CURRENT:
            self._limit_ma = min(setting.value, _MAX_MA)
        self._heard()
        self._apply()

    def writable(self) -> dict[int, int]:
        return {address: setting.value for address, setting in self.settings.items()}

    def reboot(self) -> None:
        """Lose the volatile setpoints, as after a restart of the device."""
        keep = self.settings[_SAFE_PERSIST].value == 1
        self._limit_ma = self.settings[_CURRENT].value = _MAX_MA
        self.settings[_ENABLE].value = 1
        if not keep:
            self.settings[_SAFE_TIMEOUT].value = self.settings[_SAFE_CURRENT].value = 0
        self._heard()
        self._apply()

    def _heard(self) -> None:
        seconds = self.settings[_SAFE_TIMEOUT].value
        self._home.timer("keba", seconds or None, self._fail_safe)

    def _fail_safe(self) -> None:
        """A current above 0 charges also what was disabled (measured: sem-community#763)."""
        self._limit_ma = min(self.settings[_SAFE_CURRENT].value, _MAX_MA)
        if self._limit_ma:
            self.settings[_ENABLE].value = 1
        self._apply()

    def _apply(self) -> None:
        self._home.command(
            charge_current_a=self._limit_ma / 1000.0,
            charger_enabled=self.settings[_ENABLE].value == 1,
            charge_phases=PHASES if self.settings[_PHASES].value else 1,
        )

    def _state(self) -> int:
        """1 no car, 2 waiting for the car, 3 charging, 5 paused."""
        state, commands = self._home.state(), self._home.commands
        if not state.car_plugged:
            return 1
        if state.powers.ev > 0:
            return 3
        return 2 if commands.charger_enabled and commands.charge_current_a >= 6 else 5

    def near_wrap(self, margin_wh: float) -> None:
        self.view.start_before("charger", (1 << 32) / 10 - margin_wh)

    def _energy(self) -> int | None:
        return counted(self.view.counter("charger"), 10)

    def _current_ma(self) -> int | None:
        return whole(self.view.powers().ev / PHASES / VOLTAGE_V, 1000)

    def _volts(self) -> int:
        return round(VOLTAGE_V) if self._home.state().car_plugged else 0
