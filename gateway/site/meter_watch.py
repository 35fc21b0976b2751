"""A grid meter that stands still: it goes on answering with the same number while the home changes.

Nothing in one answer tells it. But when inverters feed in more or less than before, the power at the grid
changes, unless it is regulated: a self-consuming inverter keeps it near 0, one with an export limit at that.
Elsewhere the very same number for a minute, with counters that stand still too, while what feeds in
moves, is no measurement any more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from gateway.domain.readings import Snapshot
from gateway.domain.sentences import Sentence, sentence

log = logging.getLogger(__name__)

STILL_S = 60.0  # the same number for so long ...
MOVED_W = 200.0  # ... while what feeds in has moved so far
REGULATED_W = 100.0  # so near to what inverters regulate to, it may well stand still


@dataclass(frozen=True, slots=True)
class Still:
    """What the meter repeats (W and its counters), since when (monotonic, s), and what has fed in, W.

    ``regulated_w`` are the powers at which an inverter keeps the grid by itself meanwhile.
    """

    grid_w: float
    counted_wh: tuple[float | None, float | None]
    regulated_w: tuple[float, ...]
    since_s: float
    lowest_w: float
    highest_w: float

    def seen(self, output_w: float) -> Still:
        """The same number once more."""
        low, high = min(self.lowest_w, output_w), max(self.highest_w, output_w)
        return replace(self, lowest_w=low, highest_w=high)


def is_stuck(still: Still, at: float) -> bool:
    """Whether that number can be no measurement."""
    if at - still.since_s < STILL_S or still.highest_w - still.lowest_w < MOVED_W:
        return False
    return all(abs(still.grid_w - w) > REGULATED_W for w in still.regulated_w)


class MeterWatch:
    """Feed it every snapshot; while the grid's meter stands still, the grid is not known in what it gives."""

    def __init__(self) -> None:
        self._still: Still | None = None
        self._stuck = False

    @property
    def alarm(self) -> Sentence | None:
        """What to tell people; None when all is well."""
        if not self._stuck or self._still is None:
            return None
        return sentence("meter_stands_still", power=f"{self._still.grid_w:.0f} W")

    def look(self, snapshot: Snapshot, regulated_w: tuple[float, ...], at: float) -> Snapshot:
        """``regulated_w``: where inverters keep the grid by themselves now; ``at`` is monotonic, s."""
        output_w = _output_w(snapshot)
        if snapshot.grid_w is None or output_w is None:
            return snapshot
        counted_wh = (snapshot.grid_import_wh, snapshot.grid_export_wh)
        new = Still(snapshot.grid_w, counted_wh, regulated_w, at, output_w, output_w)
        old = self._still
        if old is None or (old.grid_w, old.counted_wh) != (new.grid_w, new.counted_wh):
            self._still = new
            if self._stuck:
                log.info("the grid meter measures again")
            self._stuck = False
        elif not self._stuck and old.regulated_w != regulated_w:
            self._still = new  # what it is compared with begins anew
        else:
            self._still = old.seen(output_w)
        if not self._stuck and is_stuck(self._still, at):
            self._stuck = True
            log.error("%s", self.alarm)
        if not self._stuck:
            return snapshot
        return replace(
            snapshot,
            grid_w=None,
            load_w=None,
            grid_import_wh=None,
            grid_export_wh=None,
            phases=(),
        )


def _output_w(snapshot: Snapshot) -> float | None:
    """What feeds in, as far as it matters here: what is measured elsewhere than at the grid."""
    known = [i.ac_w if i.tells_ac else i.pv_w for i in snapshot.inverters]
    known += [
        b.power_w for b in snapshot.batteries if not _behind_a_telling_inverter(b.name, snapshot)
    ]
    known += [-c.power_w for c in snapshot.chargers if c.power_w is not None]
    parts = [w for w in known if w is not None]
    return sum(parts) if parts and len(parts) == len(known) else None


def _behind_a_telling_inverter(name: str, snapshot: Snapshot) -> bool:
    return any(i.name == name and i.tells_ac for i in snapshot.inverters)
