"""The record of what the grid operator asked for and how it was kept: one CSV file, only ever added to.

An operator may ask for it years later (BK6-22-300 asks the owner to keep it for two years). A disk that
cannot be written is said once and stops nothing.
"""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

from gateway.durable import append_whole
from gateway.supervise import Availability

log = logging.getLogger(__name__)

FILE = "operator-limits.csv"  # in the state folder
MOST_BYTES = 8_000_000  # of one file; then it is put aside with the day in its name
_FOLLOWED = "operator-limits-*.csv"


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One moment at which something changed. Powers W, empty = none or not known.

    ``grid_w`` is what the meter measured then; ``most_w`` the most in this direction since the row before
    of this source, and ``over_s`` for how long it was more than the limit that held.
    """

    time: str
    source: str
    direction: str
    state: str
    limit_w: float | None
    until: str
    grid_w: float | None
    most_w: float | None
    over_s: float
    note: str = ""


COLUMNS = tuple(f.name for f in fields(LimitRow))


class LimitLog:
    """Adds rows to the file in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._storage = Availability(f"{self._path}")

    def add(self, row: LimitRow, now: datetime) -> None:
        """Write one row; never raises."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        try:
            size = self._path.stat().st_size if self._path.exists() else 0
            if size > MOST_BYTES:
                self._path.rename(self._path.with_stem(f"operator-limits-{now:%Y%m%d}"))
                size = 0
            if not size:
                writer.writerow(COLUMNS)
            writer.writerow(_text(value) for value in asdict(row).values())
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "ab", opener=_opened) as file:
                append_whole(file.fileno(), text.getvalue().encode())
                os.fsync(file.fileno())
            self._storage.back()
        except OSError as error:
            self._storage.lost(error)


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)  # a link would have us write elsewhere


def rows(folder: Path) -> Iterator[dict[str, str]]:
    """All that was written, the oldest first."""
    for path in (*sorted(folder.glob(_FOLLOWED)), folder / FILE):
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                yield from csv.DictReader(file)


def _text(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.0f}" if isinstance(value, float) else value
