"""A SunSpec hybrid inverter like Fronius GEN24: models 1, 103, 120-124 and 160 on unit 1.

The battery's charge and discharge are two unsigned modules of model 160, found by their names.
Scale factors move with the magnitude. Models 123 and 124 are obeyed, with their reversion timers;
as on the real device the timer registers keep their value, and 0 means never revert.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import copysign

from simulators.devices.registers import Block, Setting, limited
from simulators.devices.sunspec import (
    NO_I16,
    NO_U16,
    Model,
    SunSpecUnit,
    acc32,
    common,
    constant,
    scale_for,
    scaled,
)
from simulators.home import Home
from simulators.house import VOLTAGE_V, soc_pct
from simulators.noise import smooth

# Model 124: offsets of the writable points
_MODE, _RESERVE, _OUT_RATE, _IN_RATE = 5, 7, 12, 13
_WINDOW, _REVERT, _RAMP, _GRID_CHARGE = 14, 15, 16, 17
_FULL_RATE = 10000  # 100.00 %

# Model 123
_CONN_WINDOW, _CONN_REVERT, _CONN = 2, 3, 4
_LIMIT_PCT, _LIMIT_WINDOW, _LIMIT_REVERT, _LIMIT_RAMP, _LIMIT_ON = 5, 6, 7, 8, 9

_STRING_SHARE = (0.58, 0.42)
_STRING_V = (412.0, 366.0)
BATTERY_V = 410.0


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Wh that the counters had when the simulation began."""

    pv: float = 8_123_456.0
    inverter_out: float = 8_010_203.0
    charge: float = 2_345_678.0
    discharge: float = 2_210_987.0
    grid_import: float = 6_543_210.0
    grid_export: float = 3_210_987.0
    charger: float = 1_234_567.0


def frequency_hz(home: Home) -> float:
    """A grid frequency that wanders a little about 60 Hz."""
    return 59.96 + 0.08 * smooth(home.now.timestamp() / 30, home.scenario.seed, 60)


class StorageControl:
    """Model 124: limits of charge and discharge, negative ones force; reverts by its own timer."""

    def __init__(self, home: Home, length: int = 24) -> None:
        self._home = home
        battery = home.house.battery
        self._reference_w = battery.max_charge_w  # WChaMax: 100 % of both rates, as on Fronius
        self.settings = {
            _MODE: Setting(0, 0, 3),
            _RESERVE: Setting(round(battery.min_soc_pct * 100), 0, _FULL_RATE),
            _OUT_RATE: Setting(_FULL_RATE, -_FULL_RATE, _FULL_RATE),
            _IN_RATE: Setting(_FULL_RATE, -_FULL_RATE, _FULL_RATE),
            _WINDOW: Setting(0),
            _REVERT: Setting(0),
            _RAMP: Setting(0),
            _GRID_CHARGE: Setting(1, 0, 1),
        }
        self.model = Model(124, length, self._fill, self.settings, self._written)
        self._apply()

    def _written(self, offsets: frozenset[int]) -> None:
        if offsets & {_MODE, _OUT_RATE, _IN_RATE, _REVERT}:
            seconds = self.settings[_REVERT].value
            running = seconds > 0 and self.settings[_MODE].value != 0
            self._home.timer("124", seconds if running else None, self.neutral)
        self._apply()

    def neutral(self) -> None:
        """What the reversion timer, or a reboot, does: no limit is active."""
        self._home.timer("124", None, self.neutral)
        self.settings[_MODE].value = 0
        self.settings[_OUT_RATE].value = self.settings[_IN_RATE].value = _FULL_RATE
        self._apply()

    def _apply(self) -> None:
        setting, reference = self.settings, self._reference_w
        mode = setting[_MODE].value
        self._home.command(
            charge_limit_w=reference * setting[_IN_RATE].value / _FULL_RATE if mode & 1 else None,
            discharge_limit_w=(
                reference * setting[_OUT_RATE].value / _FULL_RATE if mode & 2 else None
            ),
            grid_charge=setting[_GRID_CHARGE].value == 1,
            reserve_pct=setting[_RESERVE].value / 100.0,
        )

    def _fill(self, block: Block) -> None:
        home = self._home
        soc = soc_pct(home.house, home.state())
        block.u16(2, limited(self._reference_w, 0, 65534), 100, 100)
        block.u16(6, NO_U16)
        block.u16(8, round(soc * 100), NO_U16, round(BATTERY_V * 10))
        block.u16(11, self._charge_state(soc))
        block.i16(18, 0, 0, NO_I16, -2, -2, NO_I16, -1, -2)

    def _charge_state(self, soc: float) -> int:
        """ChaSt of model 124: 2 empty, 3 discharging, 4 charging, 5 full, 6 holding."""
        power = self._home.state().powers.battery
        if abs(power) >= 10:
            return 3 if power > 0 else 4
        if soc >= 99.5:
            return 5
        return 2 if soc <= self.settings[_RESERVE].value / 100.0 + 0.5 else 6


class GenerationControl:
    """Model 123: the limit of generation and the connection, with their reversion timers."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.settings = {
            _CONN_WINDOW: Setting(0),
            _CONN_REVERT: Setting(0),
            _CONN: Setting(1, 0, 1),
            _LIMIT_PCT: Setting(_FULL_RATE, 0, _FULL_RATE),
            _LIMIT_WINDOW: Setting(0),
            _LIMIT_REVERT: Setting(0),
            _LIMIT_RAMP: Setting(0),
            _LIMIT_ON: Setting(0, 0, 1),
        }
        self.model = Model(123, 24, self._fill, self.settings, self._written)

    def _written(self, offsets: frozenset[int]) -> None:
        setting = self.settings
        if offsets & {_LIMIT_PCT, _LIMIT_REVERT, _LIMIT_ON}:
            seconds = setting[_LIMIT_REVERT].value
            running = seconds > 0 and setting[_LIMIT_ON].value == 1
            self._home.timer("123 limit", seconds if running else None, self._unlimit)
        if offsets & {_CONN, _CONN_REVERT}:
            seconds = setting[_CONN_REVERT].value
            running = seconds > 0 and setting[_CONN].value == 0
            self._home.timer("123 connection", seconds if running else None, self._connect)
        self._apply()

    def neutral(self) -> None:
        """What a reboot does."""
        self._unlimit()
        self._connect()

    def _unlimit(self) -> None:
        self._home.timer("123 limit", None, self._unlimit)
        self.settings[_LIMIT_ON].value = 0
        self.settings[_LIMIT_PCT].value = _FULL_RATE
        self._apply()

    def _connect(self) -> None:
        self._home.timer("123 connection", None, self._connect)
        self.settings[_CONN].value = 1
        self._apply()

    def _apply(self) -> None:
        rating = self._home.house.inverter.ac_rating_w
        limit = rating * self.settings[_LIMIT_PCT].value / _FULL_RATE
        self._home.command(
            pv_limit_w=limit if self.settings[_LIMIT_ON].value else None,
            connected=self.settings[_CONN].value == 1,
        )

    @staticmethod
    def _fill(block: Block) -> None:
        block.i16(10, 0)
        block.u16(11, 0, 0, 0, 0)
        block.i16(15, NO_I16)
        block.u16(16, 100)
        block.i16(17, NO_I16)
        block.u16(18, 0, 0, 0, 0, 0)
        block.i16(23, -2, -3, 0)


class HybridInverter(SunSpecUnit):
    """The inverter of the simulated home with its battery and panels."""

    def __init__(self, home: Home, lifetime: Lifetime | None = None) -> None:
        self._home = home
        self._lifetime = lifetime or Lifetime()
        self.storage = StorageControl(home)
        self.generation = GenerationControl(home)
        super().__init__(
            [
                common("Fronius", "Symo GEN24 10.0 Plus", "1.34.6-1", "SIM0000001"),
                Model(103, 50, self._inverter),
                constant(Model(120, 26, self._nameplate)),
                constant(Model(121, 30, self._basic)),
                Model(122, 44, self._status),
                self.generation.model,
                Model(160, 8 + 20 * 4, self._strings),
                self.storage.model,
            ]
        )

    def reboot(self) -> None:
        """Lose the volatile setpoints, as after a restart of the device."""
        self.storage.neutral()
        self.generation.neutral()

    def _inverter(self, block: Block) -> None:
        powers, totals = self._home.powers(), self._home.totals()
        watts = powers.inverter_ac
        current = abs(watts) / VOLTAGE_V
        factor = scale_for(current, 65534, -3)
        third = scaled(current / 3, factor)
        block.u16(2, scaled(current, factor), third, third, third)
        block.i16(6, factor)
        between_phases = round(VOLTAGE_V * 3**0.5 * 10)
        phase = round(VOLTAGE_V * 10)
        block.u16(7, between_phases, between_phases, between_phases, phase, phase, phase)
        block.i16(13, -1)
        factor = scale_for(watts)
        block.i16(14, scaled(watts, factor), factor)
        block.u16(16, round(frequency_hz(self._home) * 100))
        block.i16(17, -2, scaled(watts, factor), factor, 0, 0)
        block.i16(22, round(copysign(1000, watts)) if abs(watts) > 1 else 0, -1)
        block.u32(24, acc32(self._lifetime.inverter_out + totals.inverter_out, -2))
        block.i16(26, -2)
        block.u16(27, NO_U16)
        block.i16(28, NO_I16)
        block.u16(29, NO_U16)
        block.i16(30, NO_I16)
        dc_watts = powers.pv + powers.battery
        factor = scale_for(dc_watts)
        block.i16(31, scaled(dc_watts, factor), factor)
        block.i16(33, round(350 + abs(watts) / 40), NO_I16, NO_I16, NO_I16, -1)
        block.u16(38, self._state(), self._state())

    def _state(self) -> int:
        """St of model 103: 4 MPPT, 5 throttled, 7 fault-free standby is 8."""
        powers = self._home.powers()
        if not self._home.commands.connected:
            return 8
        if powers.pv_possible - powers.pv > 20:
            return 5
        return 4 if powers.pv > 5 or abs(powers.battery) > 5 else 8

    def _nameplate(self, block: Block) -> None:
        house = self._home.house
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
        block.u16(21, NO_U16)
        block.i16(22, NO_I16)
        block.u16(23, limited(house.battery.max_charge_w, 0, 65534))
        block.i16(24, 0)
        block.u16(25, limited(house.battery.max_discharge_w, 0, 65534))
        block.i16(26, 0)
        block.i16(27, NO_I16)

    def _basic(self, block: Block) -> None:
        rating = limited(self._home.house.inverter.ac_rating_w, 0, 65534)
        block.u16(2, rating, round(VOLTAGE_V), 0, NO_U16, NO_U16, rating)
        block.i16(8, NO_I16, NO_I16, NO_I16, NO_I16)
        block.u16(12, NO_U16)
        block.i16(13, NO_I16, NO_I16, NO_I16, NO_I16)
        block.u16(17, NO_U16, NO_U16, NO_U16, NO_U16, 1)
        block.i16(22, 0, 0, 0, NO_I16, 0, NO_I16, NO_I16, NO_I16, NO_I16, NO_I16)

    def _status(self, block: Block) -> None:
        totals = self._home.totals()
        block.u16(2, 7, 7, 1)
        block.u64(5, int(self._lifetime.inverter_out + totals.inverter_out))
        block.i16(29, NO_I16, NO_I16)
        block.u16(31, NO_U16)
        block.i16(32, NO_I16)
        block.u16(33, NO_U16, NO_U16)

    def _strings(self, block: Block) -> None:
        powers, totals, life = self._home.powers(), self._home.totals(), self._lifetime
        charge, discharge = max(0.0, -powers.battery), max(0.0, powers.battery)
        modules = []
        for number, (share, volts) in enumerate(zip(_STRING_SHARE, _STRING_V, strict=True), 1):
            watts = powers.pv * share
            shown = volts if powers.pv_possible > 0 else 0.0
            modules.append((f"MPPT {number}", watts, shown, (life.pv + totals.pv) * share))
        modules.append(("StCha 3", charge, BATTERY_V, life.charge + totals.charge))
        modules.append(("StDisCha 4", discharge, BATTERY_V, life.discharge + totals.discharge))
        power_factor = scale_for(max(m[1] for m in modules), 65534, -2)
        current_factor = scale_for(max(m[1] / m[2] if m[2] else 0.0 for m in modules), 65534, -3)
        block.i16(2, current_factor, -1, power_factor, 0)
        block.u32(6, 0)
        block.u16(8, len(modules), NO_U16)
        now = round(self._home.now.timestamp()) - 946_684_800  # seconds since 2000
        for number, (name, watts, volts, energy) in enumerate(modules):
            at = 10 + 20 * number
            block.u16(at, number + 1)
            block.text(at + 1, name, 8)
            amperes = watts / volts if volts else 0.0
            block.u16(at + 9, scaled(amperes, current_factor), round(volts * 10))
            block.u16(at + 11, scaled(watts, power_factor))
            block.u32(at + 12, acc32(energy, 0), max(0, now))
            block.i16(at + 16, NO_I16)
            block.u16(at + 17, NO_U16)
            block.u32(at + 18, 0xFFFFFFFF)


def with_totals(lifetime: Lifetime, **changes: float) -> Lifetime:
    """``lifetime`` with some counters preset, e.g. just before they wrap."""
    return replace(lifetime, **changes)
