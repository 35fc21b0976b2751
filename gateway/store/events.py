"""What happened, for people: devices and connections lost and back, alarms that came and ended; a small file.

One JSON object a line, so that any tool reads it. The file is kept to `MOST_BYTES`, and once more as its predecessor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from gateway.domain.sentences import Sentence
from gateway.durable import append_bounded, predecessor
from gateway.escape import printable
from gateway.supervise import Availability

FILE = "events.jsonl"
MOST_BYTES = 256 * 1024  # some 1,500 events
KEPT = 200  # in memory, for the page
_MOST_AN_HOUR = 120  # a device that comes and goes must not wear the disk out
_LONGEST = 300

Kind = Literal["started", "lost", "back", "alarm", "ended"]
KINDS: tuple[Kind, ...] = ("started", "lost", "back", "alarm", "ended")


@dataclass(frozen=True, slots=True)
class Event:
    """``what``: a device or connection, else empty; ``text``: the last error or the alarm in English; ``said``: the same as it arose."""

    time: str
    kind: Kind
    what: str = ""
    text: str = ""
    said: Sentence | None = None


_DECODER = msgspec.json.Decoder(Event)


class EventLog:
    """The file in ``folder``, and its newest in memory."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._recent: deque[Event] = deque(_read(self._path), maxlen=KEPT)
        self._hour, self._written = "", 0
        self._storage = Availability(f"{self._path}")

    @property
    def recent(self) -> tuple[Event, ...]:
        """From the newest on."""
        return tuple(reversed(self._recent))

    def add(self, event: Event) -> None:
        """Never raises; a disk that cannot be written is said once."""
        what, text = (printable(t, _LONGEST) for t in (event.what, event.text))
        kept = Event(event.time, event.kind, what, text, _plain(event.said))
        self._recent.append(kept)
        if event.time[:13] != self._hour:
            self._hour, self._written = event.time[:13], 0
        self._written += 1
        if self._written > _MOST_AN_HOUR:
            return
        try:
            append_bounded(self._path, msgspec.json.encode(kept) + b"\n", MOST_BYTES)
            self._storage.back()
        except OSError as error:
            self._storage.lost(error)


def _read(path: Path) -> Iterator[Event]:
    """From the oldest on; what is no event is left out."""
    for part in (predecessor(path), path):
        try:
            lines = part.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        yield from (event for line in lines if (event := _event(line)))


def _event(line: str) -> Event | None:
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None  # cut by a power failure, or not ours


def _plain(said: Sentence | None) -> Sentence | None:
    """It with nothing in its values that a terminal or a page would obey."""
    if said is None:
        return None
    values = tuple(
        (name, _plain(v) or v if isinstance(v, Sentence) else printable(v, _LONGEST))
        for name, v in said.values
    )
    return replace(said, values=values)
