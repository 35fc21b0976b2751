"""A simulated device that is made from a `FamilyFile`: it shows what is true and does what its settings say."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import partial
from math import isnan

from simulators.devices.family_file import Amount, FamilyFile, Knob, Shown, When
from simulators.devices.protocol import HOLDING, ILLEGAL_VALUE, ModbusError
from simulators.devices.registers import Area, Block, Setting, VendorUnit, swapped
from simulators.devices.truths import COUNTERS, TRUTHS, word
from simulators.devices.view import View

_CODES = {
    "u16": "H",
    "i16": "h",
    "u32": "I",
    "i32": "i",
    "u64": "Q",
    "i64": "q",
    "f32": "f",
    "f64": "d",
}
_ABSENT = {"u16": 0xFFFF, "i16": 0x7FFF, "u32": 0xFFFF_FFFF, "i32": 0x7FFF_FFFF}
_ABSENT |= {"u64": 2**64 - 1, "i64": 2**63 - 1}
_OF_INVERTER: Mapping[str, float | bool | None] = {
    "charge_limit_w": None,
    "discharge_limit_w": None,
    "grid_charge": False,
    "ac_power_w": None,
    "grid_power_w": None,
    "export_limit_w": None,
    "pv_limit_w": None,
}
_FREE: Mapping[str, Mapping[str, float | bool | None]] = {
    "inverter": _OF_INVERTER,
    "charger": {"charge_current_a": 16.0, "charger_enabled": True},
    "meter": {},
    "heater": {},
}
_YES_NO = ("grid_charge", "charger_enabled")


class DataUnit(VendorUnit):
    """One unit of the simulated home, by its file."""

    def __init__(self, family: FamilyFile, view: View) -> None:
        self.family = family
        settings = {a: s for knob in family.knobs.values() for a, s in _registers(knob).items()}
        areas = [
            Area(first, end - first, partial(self._fill, table, first), table)
            for table, first, end in family.areas
        ]
        self._hidden = {
            knob.at + i
            for knob in family.knobs.values()
            if not knob.shown
            for i in range(knob.size)
        }
        super().__init__(view, areas, settings, functions=family.functions)
        for name, knob in family.knobs.items():
            self._set(name, knob.start)
        self._apply()

    # -- what it shows --

    def _fill(self, table: int, start: int, block: Block) -> None:
        end = start + len(block.data) // 2
        for where, shown in self.family.shown:
            if where == table and start <= shown.at < end:
                data = self._packed(shown)
                at = 2 * (shown.at - start)
                block.data[at : at + len(data)] = data

    def _packed(self, shown: Shown) -> bytes:
        if shown.spread:
            return b"".join(bytes((0, c)) for c in shown.text.ljust(shown.count).encode("ascii"))
        if shown.text:
            return shown.text.encode("ascii").ljust(2 * shown.count, b"\0")
        value = self._value(shown)
        if value is None or isnan(value):
            if shown.kind.startswith("f"):
                return packed(float("nan"), shown.kind, shown.little)
            absent = _ABSENT[shown.kind] if shown.absent is None else shown.absent
            return packed(absent, shown.kind, shown.little)
        return packed(value, shown.kind, shown.little)

    def _value(self, shown: Shown) -> float | None:
        """What stands in the register, None for 'not there'."""
        if shown.constant is not None:
            return shown.constant
        if shown.names:
            is_now = word(self.view, shown.of)
            return shown.names.get(is_now, shown.names.get("*"))
        if shown.remaining:
            true = self.view.home.remaining_s(self.family.name)
        elif shown.setting:
            true = self._get(shown.setting)
        else:
            true = TRUTHS[shown.of](self.view)
        raw = true * shown.share * shown.sign / shown.step + shown.add
        if isnan(raw) or shown.kind.startswith("f"):
            return raw
        if shown.of in COUNTERS:
            bits = 16 * shown.size
            return int(raw + 1e-6) % (1 << bits)
        return round(raw)

    def _build(self, area: Area) -> bytearray:
        """Settings show by themselves, but those that read something else."""
        data = super()._build(area)
        if area.table == HOLDING and self._hidden:
            plain = Block(area.length, area.start)
            area.fill(plain)
            for address in self._hidden:
                at = 2 * (address - area.start)
                if 0 <= at < len(data):
                    data[at : at + 2] = plain.data[at : at + 2]
        return data

    # -- what it does --

    def written(self, addresses: frozenset[int]) -> None:
        """A number out of its range is refused as a whole; then the settings command."""
        for first, end in self.family.whole:
            touched = addresses & set(range(first, end))
            if touched and len(touched) < end - first:
                raise ModbusError(ILLEGAL_VALUE)
        for knob in self.family.knobs.values():
            self._check(knob, addresses)
        timeout = self.family.timeout
        names = {n for n, k in self.family.knobs.items() if addresses & _places(k)}
        if timeout and (not timeout.restarts or names & set(timeout.restarts)):
            self._start_timeout()
        elif timeout and not self._holds(timeout.when):
            self.view.home.timer(self.family.name, None, self._fall_back)
        self._apply()

    def read(self, table: int, address: int, count: int) -> bytes:
        """A request counts as a sign of life where the family says so."""
        if self.family.timeout and not self.family.timeout.restarts:
            self._start_timeout()
        return super().read(table, address, count)

    def reboot(self) -> None:
        """Lose the settings that are not kept."""
        for name, knob in self.family.knobs.items():
            if not knob.kept:
                self._set(name, knob.start)
        self.view.home.timer(self.family.name, None, self._fall_back)
        self._apply()

    def near_wrap(self, margin_wh: float) -> None:
        """Let the counters stand before their wrap."""
        limits: dict[str, float] = {}
        for _, shown in self.family.shown:
            if shown.of in COUNTERS and shown.kind in ("u32", "i32"):
                limit = (1 << 32) * shown.step
                limits[shown.of] = min(limit, limits.get(shown.of, limit))
        for name, limit in limits.items():
            self.view.start_before(COUNTERS[name], limit - margin_wh)

    def _start_timeout(self) -> None:
        timeout = self.family.timeout
        if timeout is None:
            return
        seconds = self._amount(timeout.seconds)
        running = seconds > 0 and self._holds(timeout.when)
        self.view.home.timer(self.family.name, seconds if running else None, self._fall_back)

    def _fall_back(self) -> None:
        timeout = self.family.timeout
        for name, value in (timeout.then if timeout else {}).items():
            self._set(name, value)
        self._apply()

    def _apply(self) -> None:
        """Every rule that holds commands; of one thing the first rule that names it."""
        said: dict[str, float] = {}
        for rule in self.family.rules:
            if self._holds(rule.when):
                for key, amount in rule.commands.items():
                    said.setdefault(key, self._amount(amount))
        commands = dict(_FREE[self.family.kind])
        for key, value in said.items():
            commands |= _command(key, value)
        if "battery_w" in said and "grid_charge" not in said:
            commands["grid_charge"] = True
        if commands:
            self.view.home.command(**commands)

    def _holds(self, when: When) -> bool:
        return all(condition.holds(self._get(name)) for name, condition in when.items())

    def _amount(self, amount: Amount) -> float:
        if not amount.setting:
            return amount.fixed
        value = self._get(amount.setting) * amount.step * amount.sign + amount.add
        if amount.percent_of:
            value = value / 100 * TRUTHS[amount.percent_of](self.view)
        return value

    # -- settings --

    def _get(self, name: str) -> float:
        knob = self.family.knobs[name]
        words = [self.settings[knob.at + i].value & 0xFFFF for i in range(knob.size)]
        raw = struct.pack(f">{knob.size}H", *(words[::-1] if knob.little else words))
        value: float = struct.unpack(f">{_CODES[knob.kind]}", raw)[0]
        return value

    def _set(self, name: str, value: float) -> None:
        knob = self.family.knobs[name]
        data = packed(value, knob.kind, knob.little)
        for i in range(knob.size):
            self.settings[knob.at + i].value = int.from_bytes(data[2 * i : 2 * i + 2], "big")

    def _check(self, knob: Knob, addresses: frozenset[int]) -> None:
        if not addresses & _places(knob):
            return
        value = self._get(knob.name)
        low = knob.least is not None and value < knob.least
        high = knob.most is not None and value > knob.most
        if isnan(value) or low or high or (knob.allowed and value not in knob.allowed):
            raise ModbusError(ILLEGAL_VALUE)


def packed(value: float, kind: str, little: bool) -> bytes:
    """The registers of a number; more than its type holds is the most that it holds."""
    code = _CODES[kind]
    if code in "fd":
        data = struct.pack(f">{code}", value)
    else:
        bits = 8 * struct.calcsize(code)
        least, most = (
            (0, (1 << bits) - 1) if code.isupper() else (-(1 << bits - 1), (1 << bits - 1) - 1)
        )
        whole = round(value)
        if least < 0 <= whole and whole > most:
            whole -= 1 << bits  # a marker that is given as its unsigned word
        data = struct.pack(f">{code}", max(least, min(most, whole)))
    return swapped(data, len(data) // 2) if little and len(data) > 2 else data


def _command(key: str, value: float) -> dict[str, float | bool | None]:
    if key == "battery_w":  # exactly this power
        return {"charge_limit_w": -value, "discharge_limit_w": value}
    if key in _YES_NO:
        return {key: bool(value)}
    if key in ("charge_phases", "sg_ready"):
        return {key: int(value)}
    return {key: value}


def _places(knob: Knob) -> frozenset[int]:
    return frozenset(range(knob.at, knob.at + knob.size))


def _registers(knob: Knob) -> dict[int, Setting]:
    return {address: Setting(0) for address in _places(knob)}
