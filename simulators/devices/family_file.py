"""A simulated family as data: which registers it serves, what is true in them, what its settings command.

`simulators/devices/families/<name>.toml`; README.md there tells the keys. Nothing of the gateway's sheets is used: a
family is written from another source than the sheet, and disagrees where one of the two is wrong.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

from simulators.devices.protocol import HOLDING, INPUT
from simulators.devices.truths import TRUTHS, WORDS

FOLDER = Path(__file__).parent / "families"
TABLES = {"holding": HOLDING, "input": INPUT}
KINDS = ("inverter", "charger", "meter", "heater")
SIZES = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "u64": 4, "i64": 4, "f32": 2, "f64": 4}
COMMANDS = (
    "battery_w",
    "charge_limit_w",
    "discharge_limit_w",
    "ac_power_w",
    "grid_power_w",
    "export_limit_w",
    "pv_limit_w",
    "reserve_pct",
    "grid_charge",
    "charge_current_a",
    "charge_phases",
    "charger_enabled",
    "rod_w",
    "sg_ready",
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a register shows: a constant, a text, something true, a setting, or the time that is left."""

    at: int
    kind: str = "u16"
    constant: int | None = None
    text: str = ""
    count: int = 1
    spread: bool = False  # one character a register
    of: str = ""
    setting: str = ""
    remaining: bool = False
    names: Mapping[str, int] = field(default_factory=dict)
    step: float = 1.0
    sign: int = 1
    share: float = 1.0
    add: float = 0.0
    little: bool = False
    absent: int | None = None

    @property
    def size(self) -> int:
        """Registers."""
        return self.count if self.text else SIZES[self.kind]


@dataclass(frozen=True, slots=True)
class Knob:
    """A register (or two) that can be written."""

    name: str
    at: int
    kind: str = "u16"
    start: float = 0
    least: float | None = None
    most: float | None = None
    allowed: tuple[int, ...] = ()
    kept: bool = True  # over a restart
    little: bool = False
    shown: bool = True  # False: it can be written, and reads something else

    @property
    def size(self) -> int:
        """Registers."""
        return SIZES[self.kind]


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of a command: fixed, or from a setting."""

    fixed: float = 0.0
    setting: str = ""
    step: float = 1.0
    sign: int = 1
    add: float = 0.0
    percent_of: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a setting must be."""

    allowed: tuple[float, ...] = ()  # empty: any
    unwanted: tuple[float, ...] = ()
    least: float = -inf
    most: float = inf
    bits: int = 0  # all of them are set

    def holds(self, value: float) -> bool:
        """Whether it is."""
        listed = (not self.allowed or value in self.allowed) and value not in self.unwanted
        inside = self.least <= value <= self.most
        return listed and inside and (not self.bits or int(value) & self.bits == self.bits)


When = Mapping[str, Condition]


@dataclass(frozen=True, slots=True)
class Rule:
    """What the settings command while ``when`` holds."""

    when: When
    commands: Mapping[str, Amount]


@dataclass(frozen=True, slots=True)
class Timeout:
    """How the device falls back by itself."""

    seconds: Amount
    when: When
    restarts: tuple[str, ...]  # settings whose writing starts it anew; empty: any request
    then: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FamilyFile:
    """One simulated family. ``profile`` is the gateway's, for the tests that let both meet."""

    name: str
    about: str
    kind: str
    profile: str
    unit: int
    functions: frozenset[int]
    single_client: bool
    areas: tuple[tuple[int, int, int], ...]
    shown: tuple[tuple[int, Shown], ...]
    knobs: Mapping[str, Knob]
    rules: tuple[Rule, ...]
    whole: tuple[tuple[int, int], ...]
    timeout: Timeout | None
    falls_back_s: float | None
    idle: frozenset[int]
    losses_known: bool
    coarse: Mapping[str, float]


@cache
def family_files() -> dict[str, FamilyFile]:
    """All families of the folder, by name."""
    return {path.stem: load(path) for path in sorted(FOLDER.glob("*.toml"))}


def load(path: Path) -> FamilyFile:
    """One family; ValueError names the file and what is wrong."""
    try:
        return _family(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name}: {type(error).__name__}: {error}") from error


_TOP = {
    "about", "kind", "profile", "sources", "unit", "words", "functions", "single_client", "areas",
    "holding", "input", "settings", "command", "timeout", "whole", "falls_back_s", "idle",
    "losses_known", "coarse",
}  # fmt: skip


def _family(name: str, raw: Mapping[str, Any]) -> FamilyFile:
    _known(raw, _TOP, "the file")
    if not raw["sources"] or raw["kind"] not in KINDS:
        raise ValueError(f"needs sources, and kind is one of {KINDS}")
    little = raw.get("words") == "little"
    knobs = {n: _knob(n, k, little) for n, k in raw.get("settings", {}).items()}
    shown = [
        (TABLES[table], _shown(address, value, little, knobs))
        for table in TABLES
        for address, value in raw.get(table, {}).items()
    ]
    rules = tuple(_rule(rule, knobs) for rule in raw.get("command", ()))
    found = FamilyFile(
        name=name,
        about=raw["about"],
        kind=raw["kind"],
        profile=raw["profile"],
        unit=raw["unit"],
        functions=frozenset(raw.get("functions", (6, 16))),
        single_client=raw.get("single_client", False),
        areas=tuple((TABLES[table], first, end) for table, first, end in raw["areas"]),
        shown=tuple(shown),
        knobs=knobs,
        rules=rules,
        whole=tuple((first, end) for first, end in raw.get("whole", ())),
        timeout=_timeout(raw["timeout"], knobs) if "timeout" in raw else None,
        falls_back_s=raw.get("falls_back_s"),
        idle=frozenset(raw.get("idle", ())),
        losses_known=raw.get("losses_known", True),
        coarse=raw.get("coarse", {}),
    )
    _check_places(found)
    return found


def _check_places(family: FamilyFile) -> None:
    """Every value stands in an area, and no two on each other."""
    taken: set[tuple[int, int]] = set()
    for table, shown in family.shown:
        places = {(table, shown.at + i) for i in range(shown.size)}
        inside = any(
            t == table and first <= shown.at and shown.at + shown.size <= end
            for t, first, end in family.areas
        )
        if not inside or places & taken:
            raise ValueError(f"register {shown.at} stands in no area, or on another")
        taken |= places


def _known(raw: Mapping[str, Any], keys: set[str], where: str) -> None:
    if odd := set(raw) - keys:
        raise ValueError(f"{where}: unknown {sorted(odd)}; known: {sorted(keys)}")


def _shown(address: str, raw: Any, little: bool, knobs: Mapping[str, Knob]) -> Shown:
    at = int(address, 0)
    if isinstance(raw, int):
        return Shown(at, constant=raw)
    keys = {
        "type",
        "constant",
        "text",
        "count",
        "of",
        "setting",
        "remaining",
        "names",
        "step",
        "spread",
    }
    _known(raw, keys | {"sign", "share", "add", "words", "absent"}, f"register {address}")
    of, names = raw.get("of", ""), raw.get("names", {})
    if of and of not in TRUTHS and of not in WORDS:
        raise ValueError(
            f"register {address}: nothing true is called {of!r}; {sorted({*TRUTHS, *WORDS})}"
        )
    if of in WORDS and set(names) - {*WORDS[of], "*"}:
        raise ValueError(f"register {address}: {of} is one of {WORDS[of]}")
    if raw.get("setting") and raw["setting"] not in knobs:
        raise ValueError(f"register {address}: no setting {raw['setting']!r}")
    order = raw.get("words")
    return Shown(
        at=at,
        kind=raw.get("type", "u16"),
        constant=raw.get("constant"),
        text=raw.get("text", ""),
        count=raw.get("count", 1),
        spread=raw.get("spread", False),
        of=of,
        setting=raw.get("setting", ""),
        remaining=raw.get("remaining", False),
        names=names,
        step=raw.get("step", 1.0),
        sign=raw.get("sign", 1),
        share=raw.get("share", 1.0),
        add=raw.get("add", 0.0),
        little=little if order is None else order == "little",
        absent=raw.get("absent"),
    )


def _knob(name: str, raw: Mapping[str, Any], little: bool) -> Knob:
    keys = {"at", "type", "start", "min", "max", "allowed", "kept", "words", "shown"}
    _known(raw, keys, f"setting {name}")
    order = raw.get("words")
    return Knob(
        name=name,
        at=raw["at"],
        kind=raw.get("type", "u16"),
        start=raw.get("start", 0),
        least=raw.get("min"),
        most=raw.get("max"),
        allowed=tuple(raw.get("allowed", ())),
        kept=raw.get("kept", True),
        little=little if order is None else order == "little",
        shown=raw.get("shown", True),
    )


def _when(raw: Mapping[str, Any], knobs: Mapping[str, Knob]) -> dict[str, Condition]:
    if odd := set(raw) - set(knobs):
        raise ValueError(f"no settings {sorted(odd)}")
    return {name: _condition(value) for name, value in raw.items()}


def _condition(raw: Any) -> Condition:
    if not isinstance(raw, dict):
        return Condition(_several(raw))
    _known(raw, {"not", "min", "max", "bits"}, "a condition")
    return Condition(
        (),
        _several(raw.get("not", [])),
        raw.get("min", -inf),
        raw.get("max", inf),
        raw.get("bits", 0),
    )


def _several(raw: Any) -> tuple[float, ...]:
    return tuple(raw) if isinstance(raw, list) else (raw,)


def _amount(raw: Any, knobs: Mapping[str, Knob]) -> Amount:
    if isinstance(raw, int | float):
        return Amount(float(raw))
    _known(raw, {"setting", "step", "sign", "add", "percent_of"}, "an amount")
    if raw["setting"] not in knobs or raw.get("percent_of", "rating_w") not in TRUTHS:
        raise ValueError(f"no setting {raw['setting']!r}, or nothing to take a percentage of")
    return Amount(
        0.0,
        raw["setting"],
        raw.get("step", 1.0),
        raw.get("sign", 1),
        raw.get("add", 0.0),
        raw.get("percent_of", ""),
    )


def _rule(raw: Mapping[str, Any], knobs: Mapping[str, Knob]) -> Rule:
    _known(raw, {"when", *COMMANDS}, "a command")
    commands = {key: _amount(value, knobs) for key, value in raw.items() if key != "when"}
    return Rule(_when(raw.get("when", {}), knobs), commands)


def _timeout(raw: Mapping[str, Any], knobs: Mapping[str, Knob]) -> Timeout:
    _known(raw, {"seconds", "while", "restarts", "then"}, "timeout")
    restarts: Sequence[str] = raw.get("restarts", ())
    if odd := {*restarts, *raw["then"]} - set(knobs):
        raise ValueError(f"timeout: no settings {sorted(odd)}")
    return Timeout(
        _amount(raw["seconds"], knobs),
        _when(raw.get("while", {}), knobs),
        tuple(restarts),
        raw["then"],
    )
