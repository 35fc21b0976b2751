"""A participant's own meter: its registers only ever grow, also over restarts, and an interval is counted once.

An exchange that is started again goes on at its last call time, so its participants may live through the
same quarter-hour twice. What they reported of it is then said again to the byte; an exchange refuses
another content under the same key.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.durable import replace_file

log = logging.getLogger(__name__)
_KEPT = 12  # readings: three hours, more than an exchange lets its clock fall back


class Reading(msgspec.Struct, frozen=True):
    """What was counted in one interval and where the registers stood at its end, Wh."""

    start: datetime
    import_wh: int
    export_wh: int
    import_register: int
    export_register: int


class Meter:
    """``path`` None keeps the readings for as long as the process runs."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._readings: list[Reading] = []
        if path is not None and path.exists():
            try:
                self._readings = msgspec.json.decode(path.read_bytes(), type=list[Reading])
            except msgspec.MsgspecError as error:
                log.warning("%s: not a meter's readings, it counts from 0: %s", path, error)

    def count(self, start: datetime, import_wh: int, export_wh: int) -> Reading:
        """The reading of that interval; the first count of it stands. Raises OSError."""
        for known in self._readings:
            if known.start == start:
                return known
        used, given = import_wh, export_wh
        if self._readings:
            used += self._readings[-1].import_register
            given += self._readings[-1].export_register
        made = Reading(start, import_wh, export_wh, used, given)
        self._readings = [*self._readings[1 - _KEPT :], made]
        if self._path is not None:
            replace_file(self._path, msgspec.json.encode(self._readings))
        return made
