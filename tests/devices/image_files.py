"""Images as data: what stands in a device's registers and what must be read from them, a TOML file each.

`tests/devices/images/<profile>.toml`, and `<profile>.<what is special>.toml` for more of a family. Written from
public facts, without a look at the sheet: a value says how the device holds it. README.md there tells the keys.
"""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.devices.vendor_images import Image, text

FOLDER = Path(__file__).parent / "images"
_CODES = {
    "u32": "I",
    "i32": "i",
    "u64": "Q",
    "i64": "q",
    "f32": "f",
    "f64": "d",
    "i16": "h",
    "u16": "H",
}


def words_of(value: Any) -> list[int]:
    """The registers of one value as a file writes it: a number, several, or a typed one."""
    if isinstance(value, int):
        return [value & 0xFFFF]
    if isinstance(value, list):
        return [word for one in value for word in words_of(one)]
    kind, number = next((k, v) for k, v in value.items() if k in _CODES or k == "text")
    if kind == "text":
        return text(number, value["count"])
    data = struct.pack(f">{_CODES[kind]}", number)
    words = list(struct.unpack(f">{len(data) // 2}H", data))
    return words[::-1] if value.get("words") == "little" else words


def table(points: Mapping[str, Any], fill: Sequence[Sequence[int]] = ()) -> dict[int, int]:
    """Registers by address; the ranges of ``fill`` (first, end) hold 0 where nothing else stands."""
    words = {a: 0 for first, end in fill for a in range(first, end)}
    for address, value in points.items():
        words |= {int(address, 0) + i: word for i, word in enumerate(words_of(value))}
    return words


@dataclass(frozen=True)
class Steered:
    """One setpoint and what must stand in the registers then."""

    control: str
    value: float
    words: dict[int, int]
    says: str = ""


@dataclass(frozen=True)
class ImageFile:
    """A device, its registers and what is right."""

    name: str
    profile: str
    image: Image
    absent: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    max_read: int = 125
    found_as: str = ""  # the profile that a scan names, "" if none
    steer: tuple[Steered, ...] = ()
    neutral: Mapping[int, int] = field(default_factory=dict)
    passing: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()
    flash: Mapping[str, frozenset[int]] = field(default_factory=dict)
    never: frozenset[int] = frozenset()
    also: Mapping[int, int] = field(default_factory=dict)


def loaded(path: Path) -> ImageFile:
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    steering = raw.get("steering", {})
    image = Image(
        raw["unit"],
        table(raw.get("holding", {}), raw.get("fill_holding", ())),
        table(raw.get("input", {}), raw.get("fill_input", ())),
        raw.get("model", ""),
        raw.get("serial", ""),
        raw.get("readings", {}),
    )
    assert raw["sources"], path.name
    return ImageFile(
        path.stem,
        path.name.split(".", 1)[0],
        image,
        tuple(raw.get("absent", ())),
        tuple(raw.get("bad", ())),
        raw.get("max_read", 125),
        raw.get("found_as", path.name.split(".", 1)[0]) if raw.get("found", True) else "",
        tuple(
            Steered(s["control"], s["value"], table(s["words"]), s.get("says", ""))
            for s in raw.get("steer", ())
        ),
        table(steering.get("neutral", {})),
        frozenset(steering.get("passing", ())),
        frozenset(steering.get("kept", ())),
        {control: frozenset(some) for control, some in steering.get("flash", {}).items()},
        frozenset(steering.get("never", ())),
        table({}, steering.get("also", ())),
    )


FILES: dict[str, ImageFile] = {f.name: f for f in map(loaded, sorted(FOLDER.glob("*.toml")))}
# The first image of each family, which stands for it in the tests that want one.
FIRST: dict[str, ImageFile] = {f.profile: f for f in FILES.values() if f.name == f.profile}
