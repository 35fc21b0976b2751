"""What makes one row vouch for all before it: canonical text and its chained hash. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from gateway.domain.intervals import iso
from gateway.store.book import Entry

GENESIS = "0" * 64


def canonical(value: Any) -> str:
    """One text for one value: sorted keys, no blanks, no floats that could round (they raise)."""
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def chained(previous: str, entry: Entry) -> str:
    """The hash of an entry given the hash before it."""
    text = f"{previous}\n{entry.seq}\n{iso(entry.time)}\n{entry.kind}\n{canonical(entry.body)}"
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("the account holds integers and text, not floats")
    if isinstance(value, Mapping):
        for part in value.values():
            _refuse_floats(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _refuse_floats(part)
