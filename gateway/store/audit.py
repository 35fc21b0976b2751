"""Who did what: logins and commands, with their result; two small files that anybody may read with any tool.

One JSON object a line. What was done stands apart from what was refused, so that whoever keeps guessing
pushes nothing out but other guesses. Each file is kept to `MOST_BYTES`, and once more as its predecessor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from gateway.clock import Clock
from gateway.domain.intervals import iso
from gateway.durable import append_bounded, predecessor
from gateway.errors import StorageError
from gateway.escape import printable
from gateway.supervise import Availability

DONE, REFUSED = "audit.jsonl", "audit-refused.jsonl"
MOST_BYTES = 512 * 1024  # some 3,000 entries
MOST_REFUSED = 20  # a minute that are noted; strangers decide how many there are
_LONGEST = 200  # of one field


@dataclass(frozen=True, slots=True)
class Entry:
    """``source``: page, mqtt or cli. ``who``: an address or a user, as far as that is known; ``what`` was
    asked; ``result``: ok, or why not."""

    time: str
    source: str
    who: str
    what: str
    result: str


class Audit(Protocol):
    """Where logins and commands are noted."""

    def note(self, source: str, who: str, what: str, result: str, *, done: bool) -> None:
        """Never raises; a disk that cannot be written is said once."""


class NoAudit:
    """Where there is no folder to note anything in."""

    def note(self, source: str, who: str, what: str, result: str, *, done: bool) -> None:
        """See `Audit.note`."""


class AuditLog:
    """The two files in ``folder``."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._storage = Availability(f"the audit log in {folder}")
        self._minute, self._refused = -1, 0

    def note(self, source: str, who: str, what: str, result: str, *, done: bool) -> None:
        """See `Audit.note`."""
        if not done and self._flooded():
            return
        said = (printable(text, _LONGEST) for text in (source, who, what, result))
        line = json.dumps(asdict(Entry(iso(self._clock.now()), *said))) + "\n"
        path = self._folder / (DONE if done else REFUSED)
        try:
            append_bounded(path, line.encode(), MOST_BYTES)
            self._storage.back()
        except OSError as error:
            self._storage.lost(error)

    def _flooded(self) -> bool:
        """Whether so much was refused this minute that the rest is not worth the disk's life."""
        minute = int(self._clock.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._refused = minute, 0
        self._refused += 1
        return self._refused > MOST_REFUSED


def read_audit(folder: Path, *, refused: bool = False) -> Iterator[Entry]:
    """From the oldest on; what is no entry is left out. Raises StorageError."""
    path = folder / (REFUSED if refused else DONE)
    for part in (predecessor(path), path):
        try:
            lines = part.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageError(f"{part}: cannot be read: {error.strerror}") from error
        yield from (entry for line in lines if (entry := _entry(line)))


def since(entries: Iterator[Entry], when: datetime) -> Iterator[Entry]:
    """Those at ``when`` or later."""
    return (entry for entry in entries if entry.time >= iso(when))


def _entry(line: str) -> Entry | None:
    try:
        found = Entry(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None  # cut by a power failure, or not ours
    return found if all(isinstance(text, str) for text in asdict(found).values()) else None
