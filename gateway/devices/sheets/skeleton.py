"""For a newcomer with a dump: where in it a value stands, and a sheet to begin with. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.devices.dump import Dump
from gateway.devices.sheets.terms import Type
from gateway.modbus.address import Table
from gateway.modbus.registers import Field, Missing, Words

_TYPES: Sequence[Type] = ("u16", "i16", "u32", "i32", "f32", "u64", "f64")
_SCALES = (1, 0.1, 10, 0.01, 100, 0.001, 1000)
_ORDERS: Sequence[Words] = ("big", "little")
_CLOSE = 0.01  # of the value: shown numbers are rounded
_GAP = 10  # registers without a value that part two areas
_LONGEST_TEXT = 16
_SHOWN = 400  # lines of registers; more are nobody's to read


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value may stand, and how it is written in a sheet."""

    table: Table
    address: int
    kind: Type
    words: Words
    scale: float
    sign: int
    value: float

    def as_toml(self) -> str:
        """The register as a sheet has it."""
        parts = [f"at = {self.address}", f'type = "{self.kind}"']
        if self.table == "input":
            parts.append('table = "input"')
        if self.words == "little":
            parts.append('words = "little"')
        scale = self.scale * self.sign
        if scale != 1:
            parts.append(f"scale = {scale:g}")
        return "{ " + ", ".join(parts) + " }"


def find(dump: Dump, unit: int, value: float) -> list[Place]:
    """Where ``value`` may stand: types, scales, orders, signs; the plainest first.

    A place counts where what stands there is ``value`` to half a step of its scale, and to one percent.
    """
    found = [
        place
        for table, words in dump.units[unit].items()
        for address in words
        for place in _readings_at(words, table, address)
        if _is(place, value)
    ]
    best: dict[tuple[int, int], Place] = {}  # of each address and size
    for place in sorted(found, key=_plainness):
        best.setdefault((place.address, Field(place.address, place.kind).size), place)
    return list(best.values())


def _is(place: Place, value: float) -> bool:
    step = place.scale if not place.kind.startswith("f") else _CLOSE * abs(value)
    near = abs(place.value - value) <= min(step / 2, max(_CLOSE * abs(value), 1e-9))
    return near or (place.scale == 1 and abs(place.value - value) < 0.5)


def _plainness(place: Place) -> tuple[int, int, int, int]:
    return (
        _SCALES.index(place.scale),
        place.sign < 0,
        _TYPES.index(place.kind),
        place.address,
    )


def _readings_at(words: Mapping[int, int], table: Table, address: int) -> Iterator[Place]:
    """All that a register and its neighbours may mean."""
    for kind in _TYPES:
        for order in _ORDERS:
            field = Field(address, kind, table, order)
            if (field.size == 1 and order == "little") or any(
                address + i not in words for i in range(field.size)
            ):
                continue
            data = b"".join(words[address + i].to_bytes(2, "big") for i in range(field.size))
            raw = field.decode(data, address)
            if isinstance(raw, Missing | str) or raw == 0:
                continue
            for scale in _SCALES if not kind.startswith("f") else (1, 1000):
                for sign in (1, -1):
                    yield Place(table, address, kind, order, scale, sign, raw * scale * sign)


def skeleton(dump: Dump, unit: int, key: str) -> str:
    """A sheet to begin with: what must be said, and all registers that hold something, as comments."""
    tables = dump.units[unit]
    table: Table = max(tables, key=lambda name: sum(1 for w in tables[name].values() if w))
    lines = [
        f'key = "{key}"',
        'title = "Maker Model"                  # the maker first',
        'kind = "hybrid"                        # inverter | hybrid | meter | charger',
        'about = "What one must know of it."',
        'sources = [{ who = "maker", where = "name of the paper" }]',
        "identify = [                           # what only this family has: a type code, the form of the serial number",
        "  # { register = \"serial\", match = '^[0-9A-Z]{10}$' },",
        "]",
        "",
        "[communication]",
        f"unit = {unit}",
        "max_gap = 10                           # unwanted registers that one read may bridge",
        *([f"max_read = {dump.max_read}"] if dump.max_read < 125 else []),
        "",
        "[defaults]",
        f'table = "{table}"',
        "",
        "[registers]",
        '# soc = { at = 588, type = "u16", scale = 0.1, valid = [0, 100] }',
        "",
        "[readings]                             # grid: import +; battery: discharge +; '-' negates",
        '# battery_soc_pct = "soc"',
        "",
        "# What stands in the registers (energy-gateway sheet find DUMP VALUE tells where a value stands):",
    ]
    for name, words in tables.items():
        if any(words.values()):
            lines += [
                "#",
                f"# {name}: address, as one register, with the next (high or low word first), as text",
            ]
            lines += _registers(words)
    return "\n".join(lines) + "\n"


def _registers(words: Mapping[int, int]) -> list[str]:
    lines: list[str] = []
    last = -_GAP
    for address in sorted(a for a, word in words.items() if word):
        if len(lines) == _SHOWN:
            return [*lines, "# ... and more"]
        if address - last > _GAP and lines:
            lines.append("#")
        last = address
        lines.append(f"# {address:>6} {_as_one(words[address]):>16} {_as_pair(words, address)}")
    return lines


def _as_one(word: int) -> str:
    return f"{word} / {word - 0x10000}" if word & 0x8000 else str(word)


def _as_pair(words: Mapping[int, int], address: int) -> str:
    following = words.get(address + 1)
    text = _text(words, address)
    if following is None:
        return text
    numbers = []
    for order in _ORDERS:
        data = words[address].to_bytes(2, "big") + following.to_bytes(2, "big")
        i32 = Field(address, "i32", words=order, plain=True).decode(data, address)
        f32 = Field(address, "f32", words=order).decode(data, address)
        plausible = isinstance(f32, int | float) and 1e-3 < abs(f32) < 1e9
        numbers.append(f"{i32}" + (f" f32 {f32:.6g}" if plausible else ""))
    return f"{' | '.join(numbers):>40} {text}".rstrip()


def _text(words: Mapping[int, int], address: int) -> str:
    """The text that begins here, if there are four letters or more."""
    letters = b""
    for i in range(_LONGEST_TEXT):
        pair = words.get(address + i, 0).to_bytes(2, "big")
        if not all(32 <= byte < 127 or byte == 0 for byte in pair) or pair == b"\0\0":
            break
        letters += pair.replace(b"\0", b"")
    shown = letters.decode("ascii")
    return repr(shown) if len(shown) >= 4 else ""
