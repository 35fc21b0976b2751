"""Whether limits are kept where they hold: at the grid's meter.

A formula knows what a register should do; a device may do something else, need its time, or stand still.
So the measured power is held against every limit, and what is over it is taken off what control aims at
(`Tightening`) until the limit is kept. It is given back slowly, for what made it necessary may still be
there. A limit that stays broken is said once, and once when it is kept again.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace

from gateway.domain.control import GridLimits, Tightening
from gateway.domain.sentences import Sentence, sentence

log = logging.getLogger(__name__)

TOLERANCE_W = 30.0  # a meter's error, and what an inverter regulates within
ANSWERED_S = (
    8.0  # what is over for less time is what control answers by itself: a load that went off
)
SETTLE_S = 6.0  # until a new setpoint is seen at the meter: a write, the device, the next poll
QUIET_S = 6 * 3600.0  # of one limit a line in the log at most: a load may come every half hour
ALARM_S = 30.0  # a limit is broken for so long: no load that came or went explains that
REST_S = 60.0  # kept for so long, it is given back ...
GIVE_BACK_W_PER_S = 2.0  # ... and besides, in so long what there is room for:
GIVE_BACK_S = 300.0
MOST_OVER = 2.0  # times the worst excess; where that is not enough, more is not either


@dataclass(frozen=True, slots=True)
class LimitState:
    """One limit at the meter. Times of a monotonic clock, s.

    ``tighter_w`` is taken off it. ``asked_s`` is when that last grew and ``asked_w`` by how much;
    ``worst_w`` is the largest excess since nothing was taken off. ``over_s`` is since when the limit is
    broken, ``kept_s`` since when it is kept.
    """

    tighter_w: float = 0.0
    asked_s: float = -math.inf
    asked_w: float = 0.0
    worst_w: float = 0.0
    over_s: float | None = None
    kept_s: float | None = None
    seen_s: float | None = None


def watched(
    state: LimitState, over_w: float | None, at: float, *, spent: bool = False
) -> LimitState:
    """``over_w`` is by how much the limit is exceeded now (below 0: room); None = not known.

    Without a measurement nothing changes. While what was asked for last may not be seen yet, only what
    comes on top of it counts: a meter that lags would have the same excess taken off many times.
    While all that can be done is done (``spent``), nothing more is taken off: it would only stay
    when the need is over.
    """
    if over_w is None:
        return replace(state, kept_s=None, seen_s=None)
    passed_s = 0.0 if state.seen_s is None else at - state.seen_s
    if over_w > TOLERANCE_W:
        over_s = at if state.over_s is None else state.over_s
        settling = at - state.asked_s < SETTLE_S
        more_w = over_w - state.asked_w if settling else over_w
        worst_w = max(over_w, state.worst_w)
        state = replace(state, over_s=over_s, kept_s=None, seen_s=at, worst_w=worst_w)
        if spent or more_w <= TOLERANCE_W or at - over_s < ANSWERED_S:
            return state
        asked_w = over_w if settling else more_w
        tighter_w = min(MOST_OVER * worst_w, state.tighter_w + more_w)
        return replace(state, tighter_w=tighter_w, asked_s=at, asked_w=asked_w)
    kept_s = at if state.kept_s is None else state.kept_s
    tighter_w = state.tighter_w
    if at - kept_s >= REST_S:
        rate_w_per_s = GIVE_BACK_W_PER_S + max(0.0, -over_w) / GIVE_BACK_S
        tighter_w = max(0.0, tighter_w - rate_w_per_s * passed_s)
    worst_w = state.worst_w if tighter_w else 0.0
    return replace(
        state, tighter_w=tighter_w, worst_w=worst_w, over_s=None, kept_s=kept_s, seen_s=at
    )


class LimitWatch:
    """Feed it every measurement with the limits that hold; it says how much tighter control has to be."""

    def __init__(self) -> None:
        self._export, self._import, self._phase = LimitState(), LimitState(), LimitState()
        self._broken: dict[str, float] = {}  # limits that are, and since when
        self._said: dict[str, tuple[Sentence, float]] = {}  # and when
        self._logged: dict[tuple[str, int], float] = {}  # by limit and level, when it was last
        self._open: set[str] = set()  # limits whose end is a line, too

    @property
    def alarms(self) -> tuple[Sentence, ...]:
        """What to tell people of limits that are broken, with the excess of the last half minute; empty when all is well."""
        return tuple(said for said, _ in self._said.values())

    def look(
        self,
        grid_w: float | None,
        limits: GridLimits,
        at: float,
        phase_w: float | None = None,
        *,
        import_spent: bool = False,
    ) -> Tightening:
        """``grid_w`` import +, ``phase_w`` of the most loaded phase; ``at`` of a monotonic clock, s;
        ``import_spent``: nothing more can be done, and what is too much is the house's own.
        """
        out_w = _negative(grid_w)
        self._export = _held(self._export, out_w, limits.feed_in_w, at)
        self._import = _held(self._import, grid_w, limits.import_w, at, spent=import_spent)
        self._phase = _held(self._phase, phase_w, limits.phase_w, at, spent=import_spent)
        self._tell("export", out_w, limits.export_w, at)
        self._tell("import", grid_w, limits.import_w, at, alone=import_spent)
        self._tell("fuse", phase_w, limits.phase_w, at, alone=import_spent)
        return Tightening(self._export.tighter_w, self._import.tighter_w, self._phase.tighter_w)

    def _tell(
        self,
        what: str,
        power_w: float | None,
        limit_w: float | None,
        at: float,
        *,
        alone: bool = False,
    ) -> None:
        """``alone``: the house by itself draws too much."""
        if limit_w is None or (power_w is not None and power_w - limit_w <= TOLERANCE_W):
            self._broken.pop(what, None)
            self._said.pop(what, None)
            if what in self._open:
                self._open.discard(what)
                log.info("the %s limit is kept again", what)
            return
        if power_w is None:
            return
        broken_s = at - self._broken.setdefault(what, at)
        before, told_s = self._said.get(what, (None, at - broken_s))
        if at - told_s < ALARM_S:
            return
        code = "limit_not_kept.alone" if alone else "limit_not_kept"
        said = sentence(
            code if before is None else before.code,  # one alarm, whose figures are of now
            what=what,
            limit=f"{limit_w:.0f}",
            more=f"{power_w - limit_w:.0f}",
            seconds=f"{broken_s:.0f}",
        )
        self._said[what] = said, at
        if before is None:
            self._log(what, said, logging.WARNING if alone else logging.ERROR, at)

    def _log(self, what: str, said: Sentence, level: int, at: float) -> None:
        """One line, and one of its end; of what comes again and again only the first in `QUIET_S`."""
        if at - self._logged.get((what, level), -math.inf) >= QUIET_S:
            self._logged[what, level] = at
            self._open.add(what)
            log.log(level, "%s", said)


def _held(
    state: LimitState,
    power_w: float | None,
    limit_w: float | None,
    at: float,
    *,
    spent: bool = False,
) -> LimitState:
    """`watched` against a limit; a fresh state where there is none."""
    if limit_w is None:
        return LimitState()
    return watched(state, None if power_w is None else power_w - limit_w, at, spent=spent)


def _negative(power_w: float | None) -> float | None:
    return None if power_w is None else -power_w
