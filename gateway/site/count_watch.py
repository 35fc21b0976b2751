"""A grid meter whose power contradicts its own counters: it says import while it counts export, or the other way.

A firmware can turn the sign of the power and leave the counters as they were. Control would then push the wrong way:
with an export limit it would ask for more of what is too much already, and see itself punished for less. One value does
not tell; energy does: so much power for so long must have been counted in that direction.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from gateway.domain.readings import Snapshot
from gateway.domain.sentences import Sentence, sentence

log = logging.getLogger(__name__)

# Counters that show whole kWh alone are off by less than 1 kWh in each direction: 3 kWh can never be counted as -1.5.
LEAST_WH = 3_000.0
LEAST_S = 900.0  # counters may be read once a minute alone: at their ends a window is off by that
LONGEST_GAP_S = 60.0  # power between two readings further apart is not known


@dataclass(frozen=True, slots=True)
class Window:
    """Energy by the power (Wh, import +) since ``since_s``; what was counted at its start and is counted now."""

    since_s: float
    at_s: float
    grid_w: float
    first_wh: tuple[float, float]
    counted_wh: tuple[float, float]
    power_wh: float = 0.0

    @property
    def net_wh(self) -> float:
        """What was counted in it, import +."""
        imported, exported = (
            now - then for now, then in zip(self.counted_wh, self.first_wh, strict=True)
        )
        return imported - exported

    @property
    def tells(self) -> bool:
        """Whether it holds enough to be judged."""
        return abs(self.power_wh) >= LEAST_WH and self.at_s - self.since_s >= LEAST_S

    @property
    def is_opposed(self) -> bool:
        """Whether the counters went the other way."""
        return self.net_wh * self.power_wh < 0 and abs(self.net_wh) >= abs(self.power_wh) / 2


def gone_on(
    before: Window | None, grid_w: float, counted_wh: tuple[float, float], at: float
) -> Window:
    """The window with one more reading; a new one after a gap, or where counters began anew."""
    new = Window(at, at, grid_w, counted_wh, counted_wh)
    if before is None or not 0 < at - before.at_s <= LONGEST_GAP_S:
        return new
    if any(now < then for now, then in zip(counted_wh, before.counted_wh, strict=True)):
        return new
    power_wh = before.power_wh + before.grid_w * (at - before.at_s) / 3600
    return replace(before, at_s=at, grid_w=grid_w, counted_wh=counted_wh, power_wh=power_wh)


class CountWatch:
    """Feed it every snapshot; while power and counters go opposite ways, the grid's power is not known. The counters are."""

    def __init__(self) -> None:
        self._window: Window | None = None
        self._opposed: Window | None = None

    @property
    def alarm(self) -> Sentence | None:
        """What to tell people; None when all is well."""
        if self._opposed is None:
            return None
        said, counted = (
            f"{wh / 1000:+.1f} kWh" for wh in (self._opposed.power_wh, self._opposed.net_wh)
        )
        return sentence("meter_contradicts", said=said, counted=counted)

    def look(self, snapshot: Snapshot, at: float) -> Snapshot:
        """``at`` is monotonic, s."""
        grid_w, imported, exported = (
            snapshot.grid_w,
            snapshot.grid_import_wh,
            snapshot.grid_export_wh,
        )
        if grid_w is not None and imported is not None and exported is not None:
            self._window = gone_on(self._window, grid_w, (imported, exported), at)
            if self._window.tells:
                self._judge(self._window)
                self._window = None
        if self._opposed is None:
            return snapshot
        return replace(snapshot, grid_w=None, load_w=None, phases=())

    def _judge(self, window: Window) -> None:
        was = self._opposed
        self._opposed = window if window.is_opposed else None
        if was is None and self._opposed is not None:
            log.error("%s", self.alarm)
        if was is not None and self._opposed is None:
            log.info("the grid meter's power and counters go the same way again")
