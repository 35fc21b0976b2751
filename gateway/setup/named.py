"""One host that said what it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Named:
    """One host that said its name. ``profile`` where that says what it is, else empty."""

    host: str
    name: str
    profile: str = ""
