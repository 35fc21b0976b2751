"""What is wrong with a sheet, and where: file, line, key, and what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from gateway.errors import ConfigError

Path = tuple[str | int, ...]
_TWICE = re.compile(
    r"[^\\](?:[+*]|\{\d*,\d*\})\)(?:[+*]|\{\d*,)"
)  # a repetition at the end of a repeated group


class SheetError(ConfigError):
    """A sheet that cannot be used. ``path`` leads to the key; ``line`` is 0 until it is known."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{dotted(path)}: {why}" if path else why)
        self.path, self.why = path, why


def dotted(path: Path) -> str:
    """The path as TOML would write it: ``readings.pv_power_w.cases[1].of``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def near(word: str, known: Iterable[str]) -> str:
    """'did you mean ...? ' where something known is like ``word``."""
    found = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f"did you mean {found[0]!r}? " if found else ""


def blame(raw: Any, kind: Any, path: Path = ()) -> SheetError | None:
    """The innermost part of ``raw`` that is no ``kind``; None if all is well."""
    try:
        msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        inner = _inside(raw, kind, path)
        return inner or SheetError(path, str(error).split(" - at `", 1)[0])
    return None


def _inside(raw: Any, kind: Any, path: Path) -> SheetError | None:
    for option in _options(kind):
        if (
            isinstance(raw, dict)
            and isinstance(option, type)
            and issubclass(option, msgspec.Struct)
        ):
            return _in_struct(raw, option, path)
        if isinstance(raw, dict) and get_origin(option) is dict:
            names, what = get_args(option)
            return _first(
                blame(k, names, (*path, k)) or blame(v, what, (*path, k)) for k, v in raw.items()
            )
        if isinstance(raw, list) and get_origin(option) is list:
            return _first(blame(v, get_args(option)[0], (*path, i)) for i, v in enumerate(raw))
    return None


def _first(errors: Iterable[SheetError | None]) -> SheetError | None:
    return next((error for error in errors if error), None)


def _in_struct(raw: Mapping[str, Any], kind: type[msgspec.Struct], path: Path) -> SheetError | None:
    hints = get_type_hints(kind, include_extras=True)
    fields = dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
    for key, value in raw.items():
        if key not in fields:
            known = ", ".join(sorted(fields))
            return SheetError((*path, key), f"is unknown; {near(key, fields)}known: {known}")
        if error := blame(value, hints[fields[key]], (*path, key)):
            return error
    return None


def _options(kind: Any) -> Sequence[Any]:
    """The members of a union, without annotations."""
    while hasattr(kind, "__metadata__"):
        kind = kind.__origin__
    if get_origin(kind) in (Union, UnionType):
        return [inner for option in get_args(kind) for inner in _options(option)]
    return [kind]


def line_of(text: str, path: Path) -> int:
    """The line (from 1) on which a key of a TOML text stands, as near as can be told."""
    lines = text.splitlines()
    start, rest = _table(lines, path)
    for part in rest:
        if isinstance(part, str):
            start = _key(lines, start, part)
    return start + 1


def _table(lines: Sequence[str], path: Path) -> tuple[int, Path]:
    """The header of the innermost table on the way, and what of the path lies inside it."""
    best, rest = 0, path
    seen: dict[str, int] = {}
    for number, line in enumerate(lines):
        header = re.match(r"\s*(\[\[?)([^\]]+)\]", line)
        if not header:
            continue
        name = re.sub(r"[\s\"']", "", header[2])
        where: Path = tuple(name.split("."))
        if header[1] == "[[":
            where = (*where, seen.setdefault(name, 0))
            seen[name] += 1
        if path[: len(where)] == where and len(path) - len(where) <= len(rest):
            best, rest = number, path[len(where) :]
    return best, rest


def _key(lines: Sequence[str], start: int, key: str) -> int:
    pattern = re.compile(rf"(?:^|[\s{{,])[\"']?{re.escape(key)}[\"']?\s*[=.]")
    for number in range(start, len(lines)):
        if number > start and re.match(r"\s*\[\[?[A-Za-z]", lines[number]):
            break
        if pattern.search(lines[number].split("#", 1)[0]):
            return number
    return start


def expression(text: str) -> re.Pattern[str]:
    """A regular expression of a sheet; raises re.error.

    One that repeats a repetition ('(a+)+') may take for ever on a text that almost fits, and with it every device.
    """
    if _TWICE.search(text):
        raise re.error("it repeats a repetition, which may never end", text)
    return re.compile(text)
