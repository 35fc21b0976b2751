"""What a hostile device answers: floods on the wire, and registers full of nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.devices.sunspec_images import text
from tests.modbus.server import Fault

Units = dict[int, dict[int, int]]
Image = Callable[[Units], Units]


async def _endless(frame: bytes, writer: asyncio.StreamWriter) -> None:
    """A right head, then bytes without end."""
    writer.write(frame[:8])
    for _ in range(2_000):
        writer.write(b"\xff" * 65_536)
        try:
            await writer.drain()
        except ConnectionError:
            return


async def _drip(frame: bytes, writer: asyncio.StreamWriter) -> None:
    """A byte now and then: never silent, never done."""
    for byte in frame * 50:
        writer.write(bytes((byte,)))
        try:
            await writer.drain()
        except ConnectionError:
            return
        await asyncio.sleep(0.02)


async def _banner(_frame: bytes, writer: asyncio.StreamWriter) -> None:
    """Another protocol's greeting."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


async def _a_thousand_answers(frame: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(frame * 1_000)


FLOODS: dict[str, Fault] = {
    "bytes without end": _endless,
    "a byte now and then": _drip,
    "another protocol": _banner,
    "a thousand answers to one question": _a_thousand_answers,
}


def _filled(word: int) -> Image:
    """Every register but the inventory's (model numbers and lengths) reads ``word``."""

    def change(units: Units) -> Units:
        return {
            unit: {a: w if a in _inventory(words) else word for a, w in words.items()}
            for unit, words in units.items()
        }

    return change


def _inventory(words: dict[int, int]) -> set[int]:
    """Addresses of SunSpec's marker, model numbers and lengths."""
    address = min(a for a in words if words[a] == 0x5375)
    kept, address = {address, address + 1}, address + 2
    while address + 1 in words and words[address] != 0xFFFF:
        kept |= {address, address + 1}
        address += 2 + words[address + 1]
    return kept | {address, address + 1}


def _lengths(length: int) -> Image:
    """Every model says that it is so long."""

    def change(units: Units) -> Units:
        changed = {}
        for unit, words in units.items():
            kept = sorted(_inventory(words))[3::2]
            changed[unit] = {**words, **dict.fromkeys(kept, length)}
        return changed

    return change


def _named(name: str) -> Image:
    """The maker and the model say ``name`` (32 bytes each)."""

    def change(units: Units) -> Units:
        for words in units.values():
            start = min(a for a in words if words[a] == 0x5375) + 4
            for offset in (0, 16):
                words.update(
                    zip(
                        range(start + offset, start + offset + 16), text(name, 16)[:16], strict=True
                    )
                )
        return units

    return change


def _scaled(word: int) -> Image:
    """Every register that holds a small negative number, as scale factors do, reads ``word``."""

    def change(units: Units) -> Units:
        return {
            unit: {a: word if 0xFFF6 <= w <= 0xFFFE else w for a, w in words.items()}
            for unit, words in units.items()
        }

    return change


IMAGES: dict[str, Image] = {
    "everything is not implemented (0x8000)": _filled(0x8000),
    "everything is not implemented (0xFFFF)": _filled(0xFFFF),
    "everything is a float's NaN": _filled(0x7FC0),
    "everything is an infinity": _filled(0x7F80),
    "everything is as large as it gets": _filled(0x7FFF),
    "everything is as small as it gets": _filled(0x8001),
    "models that are longer than the device": _lengths(0xFFFE),
    "models that never end": _lengths(0),
    "scales of 10^32767": _scaled(0x7FFE),
    "scales of 10^-32768": _scaled(0x8001),
    "a name that breaks the line": _named('x"\n[mqtt]\nhost = "evil"'),
    "a name that paints the terminal": _named("\x1b[2J\x1b]0;x\x07"),
    "a name of no text": _named("\udc80\udcff".encode("utf-8", "surrogatepass").decode("latin-1")),
}


def _as_it_is(units: Units) -> Units:
    return units


def _numbered(serial: str) -> Image:
    """Another device of the same kind: the inventory's serial number is ``serial``."""

    def change(units: Units) -> Units:
        for words in units.values():
            start = min(a for a in words if words[a] == 0x5375) + 52
            words.update(zip(range(start, start + 16), text(serial, 16), strict=True))
        return units

    return change


def _without_models(units: Units) -> Units:
    """The chain ends after the inventory."""
    for words in units.values():
        start = min(a for a in words if words[a] == 0x5375)
        words[start + 2 + 2 + words[start + 3]] = 0xFFFF
    return units


def _away(units: Units) -> Units:
    """Another register map altogether, all zeros."""
    return {unit: dict.fromkeys(words, 0) for unit, words in units.items()}


# What it is at each look, in turn.
FLIPS: dict[str, tuple[Image, ...]] = {
    "not implemented at every other look": (_filled(0x8000), _as_it_is),
    "as large and as small as it gets in turn": (_filled(0x7FFF), _filled(0x8001)),
    "scales that come and go": (_scaled(0x7FFE), _as_it_is, _scaled(0x8000), _scaled(0)),
    "scales that flip": (_scaled(0xFFFF), _as_it_is),
    "-1 at every other look": (_filled(0xFFFF), _as_it_is),
    "two devices at one address": (_numbered("A1"), _numbered("B2")),
    "another maker's device every other time": (_named("Other"), _as_it_is),
    "models that come and go": (_without_models, _as_it_is),
    "another map every other time": (_away, _as_it_is),
    "lengths that flip": (_lengths(0xFFFE), _as_it_is, _lengths(1)),
}
