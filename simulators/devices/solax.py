"""A Solax X3 hybrid of generation 4: vendor map, little word order, input registers. No SunSpec.

Remote control mode 4 takes the whole block 0x7C-0x8A in one request of function 16, of which 0x89 is
the battery's power, discharge +. It cannot be read back; input register 0x100 shows the mode. After
10 minutes without a new command it goes over into mode 6, self-consumption. Before remote control there were work mode
0x1F (3 = manual) and manual mode 0x20 (0 rest, 1 charge, 2 discharge), which are kept. After a restart it is locked: input register
0x54 says so, and nothing is taken until the user's code stands in holding register 0.
"""

from __future__ import annotations

from simulators.devices.protocol import ILLEGAL_FUNCTION, ILLEGAL_VALUE, INPUT, ModbusError
from simulators.devices.registers import (
    Area,
    Block,
    Setting,
    VendorUnit,
    counted,
    number,
    whole,
)
from simulators.devices.view import View
from simulators.physics.values import VOLTAGE_V

_MODE, _POWER, _END = 0x7C, 0x89, 0x8B
_OFF, _PUSH_POWER, _SELF_CONSUME = 0, 4, 6
_WORK, _MANUAL, _WAKE = 0x1F, 0x20, 0x56
_BY_HAND, _CHARGE, _DISCHARGE = 3, 1, 2
_CODE, _LOCK = 2014, 0x54
_BY_ALL_AT_ONCE = 16  # the function code
_LASTS_S = 600


class SolaxHybrid(VendorUnit):
    """The simulated home's inverter as a Solax X3-Hybrid-10.0."""

    def __init__(self, view: View) -> None:
        self._mode, self._locked = _OFF, False  # unlocked by whoever set it up
        areas = [
            Area(0, 0x60, self._identity),
            Area(0, 220, self._measured, INPUT),
            Area(0x100, 64, self._remote, INPUT),  # with a third input and a second battery: none
        ]
        settings = {address: Setting(0) for address in range(_MODE, _END)}
        self._kept = {_WORK: Setting(0, 0, 3), _MANUAL: Setting(0, 0, 2), _WAKE: Setting(0, 0, 1)}
        super().__init__(view, areas, settings, little=True)
        self.set_writable({0: Setting(0)}, self._unlock)
        self.set_writable(self._kept, self._set_work_mode)
        self._apply()

    def reboot(self) -> None:
        """Remote control is not kept, and it is locked again."""
        self._locked = True
        self._enter(_OFF)

    def near_wrap(self, margin_wh: float) -> None:
        for name, step in (("pv", 100), ("grid_import", 10), ("grid_export", 10)):
            self.view.start_before(name, (1 << 32) * step - margin_wh)

    def written(self, addresses: frozenset[int]) -> None:
        if self._locked:
            raise ModbusError(ILLEGAL_VALUE)
        mode = self.settings[_MODE].value
        if mode == _OFF and addresses == {_MODE}:
            self._enter(_OFF)
        elif mode == _PUSH_POWER and len(addresses) == _END - _MODE:
            battery = self.view.home.house.battery
            power = number(self.settings, _POWER, little=True, signed=True)
            if not -battery.max_charge_w <= power <= battery.max_discharge_w:
                raise ModbusError(ILLEGAL_VALUE)
            self._enter(_PUSH_POWER)
        else:
            raise ModbusError(ILLEGAL_VALUE)

    def write(self, address: int, values: tuple[int, ...], function: int) -> None:
        """The block of remote control goes by function 16 alone."""
        if address >= _MODE and function != _BY_ALL_AT_ONCE:
            raise ModbusError(ILLEGAL_FUNCTION)
        super().write(address, values, function)

    def _unlock(self, _addresses: frozenset[int]) -> None:
        """What stands in register 0 is read as the serial number, whatever was written."""
        code = self.writable()[0]
        if code not in (0, _CODE):
            raise ModbusError(ILLEGAL_VALUE)
        self._locked = code != _CODE

    def _set_work_mode(self, _addresses: frozenset[int]) -> None:
        if self._locked:
            raise ModbusError(ILLEGAL_VALUE)
        self._apply()

    def _by_hand(self) -> float | None:
        """What the battery is told by its manual mode, W, discharge +; None where that is off."""
        if self._kept[_WORK].value != _BY_HAND:
            return None
        battery = self.view.home.house.battery
        told = {_CHARGE: -battery.max_charge_w, _DISCHARGE: battery.max_discharge_w}
        return told.get(self._kept[_MANUAL].value, 0.0)

    def _enter(self, mode: int) -> None:
        self._mode = mode
        running = _LASTS_S if mode == _PUSH_POWER else None
        self.view.home.timer("solax", running, lambda: self._enter(_SELF_CONSUME))
        self._apply()

    def _apply(self) -> None:
        discharge = self._by_hand()
        if self._mode == _PUSH_POWER:
            discharge = float(number(self.settings, _POWER, little=True, signed=True))
        charge = None if discharge is None else -discharge
        self.view.home.command(
            charge_limit_w=charge,
            discharge_limit_w=discharge,
            grid_charge=discharge is not None,
        )

    def _identity(self, block: Block) -> None:
        block.text(0, "SIM0000007C", 7)
        block.text(7, "solax", 7)
        block.text(14, "X3-Hybrid-G4", 7)

    def _remote(self, block: Block) -> None:
        block.u16(0x100, self._mode)

    def _measured(self, block: Block) -> None:
        view, powers = self.view, self.view.powers()
        block.u16(9, 2)  # normal
        block.u16(10, whole(powers.pv * 0.58), whole(powers.pv * 0.42))
        block.i16(20, None if view.blind else 4100)
        block.i16(22, whole(-powers.battery))
        block.u16(28, whole(view.soc_pct()))
        volts = None if view.blind else whole(VOLTAGE_V, 10)
        amps = whole(powers.grid / 3 / VOLTAGE_V, 10)
        block.u16(202, volts, volts, volts)
        block.i16(206, amps, amps, amps)
        block.u16(_LOCK, int(not self._locked))
        block.i32(70, whole(-powers.grid))
        block.u32(72, counted(view.counter("grid_export"), 0.1))
        block.u32(74, counted(view.counter("grid_import"), 0.1))
        block.u32(148, counted(view.counter("pv"), 0.01))
