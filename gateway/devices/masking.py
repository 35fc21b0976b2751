"""Make a dump fit to be sent to strangers: serial numbers, names and addresses become others of the same kind. Pure.

Each character is replaced by one of its kind (digit by digit, letter by letter of the same case, hexadecimal by hexadecimal), and
a number by one with as many digits, so that a device is still recognised by what it says. Equal texts stay equal within
a dump. Maker, model and firmware stay, and so does what is measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gateway.modbus.registers import Field, Missing

DIGITS, UPPER, LOWER = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
HEX = frozenset("0123456789abcdefABCDEF")
_LEAST_RUN = (
    8  # characters of text from which an unknown run may be a name, an address, a serial number
)
_LEAST_NAME = 5  # letters alone that may be a name
_OF_THE_MODEL = 4  # characters that a serial number begins with tell the model in many families

Words = dict[int, int]


@dataclass(frozen=True, slots=True)
class Masker:
    """``secret`` makes the replacement: without it nobody gets from the masked text to the text."""

    secret: bytes

    def text(self, text: str, keep_letters: bool = False) -> str:
        """Another text of the same kind; with ``keep_letters`` only digits (and a MAC's letters) change."""
        is_mac = len(text) == 12 and set(text) <= HEX
        stream = self._stream(text)
        return "".join(self._char(c, next(stream), is_mac, keep_letters) for c in text)

    def serial(self, text: str) -> str:
        """Another serial number of the same model; of one of eight characters or fewer only half stays."""
        kept = min(_OF_THE_MODEL, len(text) // 2)
        return text[:kept] + self.text(text, keep_letters=True)[kept:]

    def number(self, number: int) -> int:
        """Another number with as many digits and the same first one."""
        digits = str(number)
        return (
            int(digits[0] + self.text(digits, keep_letters=True)[1:]) if len(digits) > 1 else number
        )

    def _stream(self, text: str) -> Iterator[int]:
        def numbers() -> Iterator[int]:
            block, at = b"", 0
            while True:
                block = hashlib.blake2b(
                    text.encode() + at.to_bytes(4, "big"), key=self.secret
                ).digest()
                yield from block
                at += 1

        return numbers()

    def _char(self, char: str, number: int, is_mac: bool, keep_letters: bool) -> str:
        if char in DIGITS:
            return DIGITS[number % 10]
        if is_mac:
            letters = "abcdef" if char.islower() else "ABCDEF"
            return letters[number % 6]
        if keep_letters:
            return char
        for letters in (UPPER, LOWER):
            if char in letters:
                return letters[number % 26]
        return char


def mask_serial(words: Words, where: Field, masker: Masker) -> None:
    """Replace the serial number at ``where``: its digits but the model's; what is no text is a number."""
    first, end = where.span
    if any(a not in words for a in range(first, end)):
        return
    if where.kind == "str":
        _rewrite(words, range(first, end), masker.serial)
        return
    data = b"".join(words[a].to_bytes(2, "big") for a in range(first, end))
    value = where.decode(data, first)
    if isinstance(value, Missing) or not isinstance(value, int) or value <= 0:
        return
    masked = masker.number(value).to_bytes(2 * (end - first), "big")
    order = range(end - 1, first - 1, -1) if where.words == "little" else range(first, end)
    for at, address in enumerate(order):
        words[address] = int.from_bytes(masked[2 * at : 2 * at + 2], "big")


def mask_runs(words: Words, masker: Masker, known: Iterable[tuple[int, int]] = ()) -> None:
    """Replace every other run of text, which may be a name, an address or a serial number; ``known`` spans stay."""
    spared = {a for first, end in known for a in range(first, end)}
    run: list[int] = []
    for address in [*sorted(words), -1]:
        follows = not run or address == run[-1] + 1
        if address >= 0 and address not in spared and follows and _is_text(words[address]):
            run.append(address)
            continue
        _mask_run(words, run, masker)
        run = (
            [address] if address >= 0 and address not in spared and _is_text(words[address]) else []
        )


def _mask_run(words: Words, run: list[int], masker: Masker) -> None:
    letters = [c for c in _text(words, run) if c.isalnum()]
    packed = any(
        words[a] >> 8 for a in run
    )  # two characters a register: no count or temperature looks so
    name = packed and len(letters) >= _LEAST_NAME and all(c.isalpha() for c in letters)
    if name or len(letters) >= _LEAST_RUN:
        _rewrite(words, run, masker.text)


def _is_text(word: int) -> bool:
    """Two characters, or one and an end; or one character a register, as some makers write."""
    high, low = word >> 8, word & 0xFF
    printable = range(0x20, 0x7F)
    return (high in printable and (low in printable or low == 0)) or (
        high == 0 and low in printable
    )


def _text(words: Words, places: Iterable[int]) -> str:
    data = b"".join(words[a].to_bytes(2, "big") for a in places)
    return data.decode("latin-1")


def _rewrite(words: Words, places: Iterable[int], change: Callable[[str], str]) -> None:
    """Change the printable characters that stand in these registers, each where it stands."""
    places = list(places)
    data = bytearray(b"".join(words[a].to_bytes(2, "big") for a in places))
    at = [i for i, byte in enumerate(data) if chr(byte).isascii() and chr(byte).isalnum()]
    changed = change("".join(chr(data[i]) for i in at))
    for i, char in zip(at, changed, strict=True):
        data[i] = ord(char)
    for i, place in enumerate(places):
        words[place] = int.from_bytes(data[2 * i : 2 * i + 2], "big")
