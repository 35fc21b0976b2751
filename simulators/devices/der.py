"""A SunSpec hybrid of the 7xx generation (IEEE 1547): models 1, 701-706, 710-715 on unit 1.

Control is model 704: a limit of generation and a setpoint of active power at the AC terminals, each
with a reversion timer in seconds that shows what remains. Energies are 64 bit and never wrap.
"""

from __future__ import annotations

from math import isnan

from simulators.devices.controls import BATTERY_V
from simulators.devices.curves import grid_support
from simulators.devices.registers import (
    Block,
    Setting,
    counted,
    limited,
    number,
    pair,
    set_number,
    whole,
)
from simulators.devices.sunspec import Model, SunSpecUnit, common, constant, scale_for, scaled
from simulators.devices.view import View
from simulators.physics.values import VOLTAGE_V

# Model 704: offsets of the points that are obeyed
_LIMIT_ON, _LIMIT, _LIMIT_AFTER, _LIMIT_ON_AFTER, _LIMIT_TIME = 14, 15, 16, 17, 18
_SET_ON, _SET_MODE, _SET_W, _SET_W_AFTER, _SET_PCT, _SET_PCT_AFTER = 22, 23, 24, 26, 28, 29
_SET_ON_AFTER, _SET_TIME = 30, 31
_LIMIT_POINTS = frozenset(range(_LIMIT_ON, _LIMIT_TIME + 2))
_SET_POINTS = frozenset(range(_SET_ON, _SET_TIME + 2))


class PowerControl:
    """Model 704."""

    def __init__(self, view: View) -> None:
        self._home = view.home
        self.settings = {
            _LIMIT_ON: Setting(0, 0, 1),
            _LIMIT: Setting(1000, 0, 1000),
            _LIMIT_AFTER: Setting(1000, 0, 1000),
            _LIMIT_ON_AFTER: Setting(0, 0, 1),
            **pair(_LIMIT_TIME),
            _SET_ON: Setting(0, 0, 1),
            _SET_MODE: Setting(1, 0, 1),
            **pair(_SET_W),
            **pair(_SET_W_AFTER),
            _SET_PCT: Setting(0, -1000, 1000),
            _SET_PCT_AFTER: Setting(0, -1000, 1000),
            _SET_ON_AFTER: Setting(0, 0, 1),
            **pair(_SET_TIME),
        }
        self.model = Model(704, 65, self._fill, self.settings, self._written)
        self._home.command(grid_charge=True)

    def _written(self, offsets: frozenset[int]) -> None:
        home, settings = self._home, self.settings
        if offsets & _LIMIT_POINTS:
            seconds = number(settings, _LIMIT_TIME) if settings[_LIMIT_ON].value else 0
            home.timer("704 limit", seconds or None, self._revert_limit)
        if offsets & _SET_POINTS:
            seconds = number(settings, _SET_TIME) if settings[_SET_ON].value else 0
            home.timer("704 set", seconds or None, self._revert_set)
        self._apply()

    def _revert_limit(self) -> None:
        settings = self.settings
        settings[_LIMIT_ON].value = settings[_LIMIT_ON_AFTER].value
        settings[_LIMIT].value = settings[_LIMIT_AFTER].value
        self._apply()

    def _revert_set(self) -> None:
        settings = self.settings
        settings[_SET_ON].value = settings[_SET_ON_AFTER].value
        settings[_SET_PCT].value = settings[_SET_PCT_AFTER].value
        set_number(settings, _SET_W, number(settings, _SET_W_AFTER))
        self._apply()

    def neutral(self) -> None:
        """What a reboot does."""
        self._home.timer("704 limit", None, self._revert_limit)
        self._home.timer("704 set", None, self._revert_set)
        self.settings[_LIMIT_ON].value = self.settings[_SET_ON].value = 0
        self._apply()

    def _apply(self) -> None:
        settings = self.settings
        rating = self._home.house.inverter.ac_rating_w
        wanted: float = number(settings, _SET_W, signed=True)
        if settings[_SET_MODE].value == 0:
            wanted = rating * settings[_SET_PCT].value / 1000
        limit = rating * settings[_LIMIT].value / 1000
        self._home.command(
            pv_limit_w=limit if settings[_LIMIT_ON].value else None,
            ac_power_w=wanted if settings[_SET_ON].value else None,
        )

    def _fill(self, block: Block) -> None:
        home = self._home
        block.u16(2, 0, 0)
        block.u32(4, 0, 0)
        block.u16(8, 0, 0)
        block.u32(10, 0, 0)
        block.u32(20, round(home.remaining_s("704 limit")))
        block.u32(33, round(home.remaining_s("704 set")))
        block.u16(35, None, None, None)
        block.i32(38, None, None)
        block.i16(42, None, None)
        block.u16(44, None)
        block.u32(45, None, None)
        block.u16(49, None, None, None, None)
        block.i16(53, -2, -1, 0, -1, None, None)


class DerInverter(SunSpecUnit):
    """The simulated home's inverter as a DER of the 7xx generation."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.control = PowerControl(view)
        self._operation = Setting(1, 0, 3)
        enter_service, *curves = (constant(model) for model in grid_support())
        super().__init__(
            view,
            [
                common("SunSpecTest", "DER hybrid 10", "2.1.0", "SIM0000701", length=66),
                Model(701, 153, self._measurement),
                constant(Model(702, 50, self._capacity)),
                enter_service,
                self.control.model,
                *curves,
                Model(713, 7, self._storage),
                Model(714, 18 + 25 * 3, self._ports),
                Model(
                    715,
                    7,
                    self._heartbeat,
                    {5: Setting(0), 6: Setting(0), 7: Setting(0), 8: self._operation},
                    self._operated,
                ),
            ],
        )

    def reboot(self) -> None:
        """Lose the volatile setpoints."""
        self.control.neutral()

    def near_wrap(self, margin_wh: float) -> None:
        """64-bit counters do not wrap in a lifetime."""

    def _operated(self, _offsets: frozenset[int]) -> None:
        """OpCtl: 0 stop, 1 start, 2 enter standby, 3 leave standby."""
        self.view.home.command(connected=self._operation.value in (1, 3))

    def _measurement(self, block: Block) -> None:
        view, watts = self.view, self.view.powers().inverter_ac
        current = abs(watts) / VOLTAGE_V
        power_factor = scale_for(watts, 32767, -1 + view.coarse)
        current_factor = scale_for(current, 32767, -2 + view.coarse)
        running = not isnan(watts) and abs(watts) > 20
        block.nothing(2, 121)
        block.u16(2, 2, 1, 3 if running else 7, 1)
        block.u32(6, 0, 0)
        block.i16(10, scaled(watts, power_factor), scaled(abs(watts), power_factor))
        block.i16(12, None if view.blind else 0, whole(100.0 if running else 0.0, 10))
        block.i16(14, scaled(current, current_factor))
        volts = None if view.blind else whole(VOLTAGE_V, 10)
        lines = None if view.blind else whole(VOLTAGE_V * 3**0.5, 10)
        block.u16(15, lines, volts)
        block.u32(17, whole(view.frequency_hz(), 100))
        block.u64(19, counted(view.counter("inverter_out"), bits=64))
        block.u64(23, None if view.blind else counted(view.home.totals().inverter_in, bits=64))
        third, third_a = scaled(watts / 3, power_factor), scaled(current / 3, current_factor)
        for at in (41, 64, 87):
            block.i16(at, third, third, None if view.blind else 0, None, third_a)
            block.u16(at + 5, lines, volts)
        block.i16(35, None, None, None, None, None, None)
        block.i16(113, current_factor, -1, -2, power_factor, -1, power_factor, 0, 0, None, None)
        block.text(123, "", 32)

    def _capacity(self, block: Block) -> None:
        house = self.view.home.house
        rating = limited(house.inverter.ac_rating_w, 0, 65534)
        charge = limited(house.battery.max_charge_w, 0, 65534)
        discharge = limited(house.battery.max_discharge_w, 0, 65534)
        block.nothing(2, 43)
        block.u16(2, rating)
        block.u16(7, rating)
        block.u16(10, charge, discharge)
        block.u16(14, round(VOLTAGE_V))
        block.u32(23, 0)
        block.u16(26, rating)
        block.u16(31, rating)
        block.u16(34, charge, discharge)
        block.i16(45, 0, None, 0, None, 0, None, None)

    def _storage(self, block: Block) -> None:
        view, battery = self.view, self.view.home.house.battery
        soc = view.soc_pct()
        capacity = limited(battery.capacity_wh, 0, 65534)
        block.u16(2, capacity, whole(battery.capacity_wh * soc / 100))
        block.u16(4, whole(soc, 10), None if view.blind else 1000, 0)
        block.i16(7, 0, -1)

    def _ports(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        blind = view.blind
        ports = [
            (0, "PV 1", 412.0, powers.pv * 0.58, view.counter("pv") * 0.58, 0.0),
            (0, "PV 2", 366.0, powers.pv * 0.42, view.counter("pv") * 0.42, 0.0),
            (
                1,
                "ESS",
                BATTERY_V,
                powers.battery,
                view.counter("discharge"),
                view.counter("charge"),
            ),
        ]
        total = powers.pv + powers.battery
        largest = max(abs(total), *(abs(port[3]) for port in ports))
        factor = scale_for(largest, 32767, -1 + view.coarse)
        block.u32(2, 0)
        block.u16(4, len(ports))
        block.i16(5, None, scaled(total, factor))
        block.u64(7, None, None)
        block.i16(15, -2, -1, factor, 0, None)
        for index, (kind, name, volts, watts, injected, absorbed) in enumerate(ports):
            at = 20 + 25 * index
            block.u16(at, kind, index + 1)
            block.text(at + 2, name, 8)
            block.i16(at + 10, whole(watts / volts, 100))
            block.u16(at + 11, None if blind else whole(volts, 10))
            block.i16(at + 12, scaled(watts, factor))
            block.u64(at + 13, counted(injected, bits=64), counted(absorbed, bits=64))
            block.i16(at + 21, None)
            block.u16(at + 22, None)
            block.u32(at + 23, 0)

    def _heartbeat(self, block: Block) -> None:
        block.u16(2, 0)  # remote control is allowed
        block.u32(3, round(self.view.home.now.timestamp()) & 0xFFFFFFFF)
