"""What `check` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried. ``says`` of a fault starts with file and line."""

    what: str
    good: bool
    says: str
