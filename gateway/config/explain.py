"""What is wrong in gateway.toml, in one line a fault: file, line, key, and what would be right. Pure."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from gateway.config.settings import Settings
from gateway.escape import printable

Keys = Sequence[int | str]

_UNION_TAGS = ("flat", "time_of_use", "wholesale", "published")
_AT = re.compile(r"\s*\((?:at line (\d+), column \d+|at end of document)\)")
_NUMBER = "a number without unit and quotes, e.g. 5000"
# By pydantic's name of the fault; {input} is what stands in the file.
_SAID = {
    "float_type": f"{{input}} is not {_NUMBER}",
    "float_parsing": f"{{input}} is not {_NUMBER}",
    "int_type": f"{{input}} is not {_NUMBER}",
    "int_parsing": f"{{input}} is not {_NUMBER}",
    "int_from_float": "{input} is not a whole number",
    "bool_type": "{input} is neither true nor false (without quotes)",
    "bool_parsing": "{input} is neither true nor false (without quotes)",
    "string_type": "{input} is not text; text stands in quotes, e.g. 'home'",
    "decimal_type": "{input} is not an amount, e.g. '0.14'",
    "decimal_parsing": "{input} is not an amount, e.g. '0.14' (a point, no unit)",
    "path_type": "{input} is not a file's name; in quotes, e.g. '/etc/energy-gateway/key'",
    "finite_number": "{input} is no finite number",
    "union_tag_not_found": "kind is missing; it is one of {expected}",
    "union_tag_invalid": "kind = {tag!r} is none of {expected}",
}
_NAME = (
    "{input} cannot be a name: small letters, digits, - and _, at most 32, and a letter or digit first, "
    "e.g. 'car-charger'"
)
_A_TABLE = ("model_type", "model_attributes_type", "dict_type")
_A_LIST = ("tuple_type", "list_type")


def not_toml(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    """One line for what the parser refused, with the line as it stands there."""
    found = _AT.search(str(error))
    number = int(found[1]) if found and found[1] else 0
    said = printable(_AT.sub("", str(error)))
    if not number:
        return f"{path}: not valid TOML: {said}"
    lines = text.splitlines()
    line = printable(lines[number - 1].strip()) if number <= len(lines) else ""
    hint = "; text and times stand in quotes, a number has no unit" if "=" in line else ""
    return f"{path}:{number}: not valid TOML: {said}: {line}{hint}"


def explain(path: Path, text: str, raw: Mapping[str, Any], fault: Any) -> str:
    """One fault that pydantic found in the tables ``raw`` of the file's ``text``."""
    keys = [part for part in fault["loc"] if not (isinstance(part, str) and part in _UNION_TAGS)]
    if fault["type"] == "extra_forbidden":
        says = _unknown(str(keys[-1]), _names_beside(fault["loc"]))
    elif fault["type"] == "missing":
        says = "is missing"
    else:
        says = _words(keys, fault)
    return at(path, text, keys, says, raw)


def at(path: Path, text: str, keys: Keys, says: str, raw: Mapping[str, Any] | None = None) -> str:
    """``says`` with file, line and key before it. ``raw`` are the tables, where they are at hand."""
    if raw is None:
        raw = tomllib.loads(text)
    line = line_of(text, keys)
    where = f"{path}:{line}" if line else str(path)
    return f"{where}: {printable(named(raw, keys) or 'file')}: {says}"


def named(raw: Mapping[str, Any], keys: Keys) -> str:
    """The key as a person finds it: a table of a list by its name, or by its place from 1 on."""
    shown = ""
    here: Any = raw
    for key in keys:
        if not isinstance(key, int):
            shown = f"{shown}.{key}" if shown and not shown.endswith(": ") else f"{shown}{key}"
            here = here.get(key, {}) if isinstance(here, Mapping) else {}
            continue
        there = isinstance(here, Sequence) and not isinstance(here, str) and key < len(here)
        here = here[key] if there else {}
        name = here.get("name") if isinstance(here, Mapping) else None
        shown += f" {name!r}: " if isinstance(name, str) else f" {key + 1}: "
    return shown.removesuffix(": ")


def _unknown(key: str, known: Sequence[str]) -> str:
    """The key that was meant; where none is near, all that the table takes."""
    if near := difflib.get_close_matches(key, known, n=1):
        return f"unknown key; did you mean {near[0]!r}?"
    return f"unknown key; known here: {', '.join(known)}" if known else "unknown key"


def _words(keys: Keys, fault: Any) -> str:
    """What would be right at the key; said in our words where pydantic's are of programs."""
    kind, given = fault["type"], printable(repr(fault["input"]))
    context = fault.get("ctx", {})
    expected = str(context.get("expected_tags", "")) or ", ".join(map(repr, _UNION_TAGS))
    if kind == "value_error":
        return printable(str(fault["msg"]).removeprefix("Value error, "), 600)
    if kind == "string_pattern_mismatch" and keys[-1] in ("name", "feed", "day_ahead_feed"):
        return _NAME.format(input=given)
    if kind == "model_attributes_type" and str(keys[-1]).endswith(("_price", "_fee")):
        return f"{given} is no price; write {{ kind = 'flat', per_kwh = '0.32' }}"
    if kind in _A_LIST and len(keys) == 1:
        return f"a list of tables: write [[{keys[0]}]] with two brackets at each"
    if kind in _A_TABLE and keys:
        return f"a table: write [{keys[0]}] with one bracket, and its keys below it"
    if kind in _SAID:
        tag = context.get("tag", "")
        return _SAID[kind].format(input=given, expected=expected, tag=tag)
    return f"{printable(str(fault['msg']), 600)} (got {given})"


def _names_beside(keys: Keys) -> list[str]:
    """Valid key names in the table that holds the unknown key ``keys[-1]``; of several kinds of tables the named one's."""
    models: tuple[type[BaseModel], ...] = (Settings,)
    for part in keys[:-1]:
        if part in _UNION_TAGS:
            models = tuple(m for m in models if part in get_args(m.model_fields["kind"].annotation))
        elif isinstance(part, str):
            info = models[0].model_fields.get(part) if models else None
            models = tuple(_models_in(info.annotation)) if info else ()
    return [f.alias or n for n, f in models[0].model_fields.items()] if models else []


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models_in(part)


def line_of(text: str, keys: Keys) -> int:
    """The line of ``text`` (from 1) where the key stands, or its table, or 0.

    ``keys`` as in ``("device", 1, "profile")``.
    """
    table, wanted, seen = "", [k for k in keys if isinstance(k, str)], -1
    index = next((k for k in keys if isinstance(k, int)), 0)
    best = 0
    for number, line in enumerate(text.splitlines(), start=1):
        head = re.match(r"\s*\[+\s*([\w.\-]+)\s*\]+", line)
        if head:
            table = head.group(1)
            if wanted and table == wanted[0]:
                seen += 1
                if seen == index:
                    best = number
            continue
        entry = re.match(r"\s*([\w\-]+)\s*=", line)
        here = [*table.split("."), entry.group(1)] if table and entry else []
        if entry and not table:
            here = [entry.group(1)]
        if here and here == wanted[: len(here)] and seen in (index, -1):
            return number
    return best
