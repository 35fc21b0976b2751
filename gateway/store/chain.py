"""What makes one row vouch for all before it: canonical text and its chained hash. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

GENESIS = "0" * 64
# Number, time, kind and canonical body, letter by letter as they are stored.
Row = tuple[int, str, str, str]


def canonical(value: Any) -> str:
    """One text for one value: sorted keys, no blanks, no floats that could round (they raise)."""
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def chained(previous: str, row: Row) -> str:
    """The hash of a row given the hash before it: over the very text, never over what was made of it."""
    return hashlib.sha256("\n".join((previous, str(row[0]), *row[1:])).encode()).hexdigest()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("the account holds integers and text, not floats")
    if isinstance(value, Mapping):
        for part in value.values():
            _refuse_floats(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _refuse_floats(part)
