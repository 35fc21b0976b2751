"""Whether the grid is there: without it the home is an island, and what is stored keeps its lights on.

Inverters that can feed a home alone say so in their state. An island is believed at once. The grid is
believed when it has been back for a while (inverters wait 60 s themselves before they feed in again,
VDE-AR-N 4105), and an inverter that only fell silent says nothing about it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import replace

from gateway.domain.readings import DeviceState, Snapshot
from gateway.domain.sentences import Sentence, sentence

log = logging.getLogger(__name__)

OFF_GRID = "off_grid"  # among the values of ``inverter_state``
BACK_S = 60.0  # the grid has to be seen for so long
FLOWS_W = 50.0  # so much power at its meter is a grid, whatever an inverter says


def off_grid(states: Iterable[DeviceState]) -> bool | None:
    """Whether an inverter feeds the home alone; None where none tells its state now."""
    said = [text for s in states if (text := s.text("inverter_state")) is not None]
    return OFF_GRID in said if said else None


class IslandWatch:
    """Feed it every snapshot; it says an island once, and once that the grid is back."""

    def __init__(self) -> None:
        self._island = False
        self._seen_s = math.inf  # since when the grid is seen again, of a monotonic clock

    @property
    def alarm(self) -> Sentence | None:
        """What to tell people; None when all is well."""
        return sentence("off_grid") if self._island else None

    def look(self, snapshot: Snapshot, at: float) -> Snapshot:
        """The same with ``off_grid`` as it is to be acted on; ``at`` of a monotonic clock, s."""
        if snapshot.off_grid:
            if not self._island:
                self._island = True
                log.warning("%s", self.alarm)
            self._seen_s = math.inf
        elif self._island and _seen(snapshot):
            self._seen_s = min(self._seen_s, at)
            if at - self._seen_s >= BACK_S:
                self._island = False
                log.info("the grid is back: the home is steered as before")
        return replace(snapshot, off_grid=True) if self._island else snapshot


def _seen(snapshot: Snapshot) -> bool:
    flows = snapshot.grid_w is not None and abs(snapshot.grid_w) > FLOWS_W
    return snapshot.off_grid is False or flows
