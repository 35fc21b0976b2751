"""The states of a controllable system in one direction: what limits it, from whom, and until when. Pure.

As LPC and LPP have it: at the start the fail-safe value holds until a command comes or 120 s have passed;
120 s without a heartbeat are the fail-safe state; that ends by a command after a heartbeat, or after its
least duration, and is then free ('autonomous') until the operator is heard again. Times are of a
monotonic clock, s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gateway.domain.grid_operator import HEARTBEAT_LOST_S, INIT_S, OperatorPhase


@dataclass(frozen=True, slots=True)
class OperatorState:
    """``limit_w`` holds in the limited phase, until ``until_s``. ``watched``: heartbeats are expected.

    ``heard_s`` is the newest of them, ``back_s`` the first in the fail-safe state.
    """

    watched: bool
    phase: OperatorPhase = OperatorPhase.AUTONOMOUS
    since_s: float = 0.0
    heard_s: float = -math.inf
    back_s: float = math.inf
    limit_w: float | None = None
    until_s: float = math.inf


def started(watched: bool, at: float) -> OperatorState:
    """After a start, when nothing is remembered."""
    phase = OperatorPhase.INIT if watched else OperatorPhase.AUTONOMOUS
    return OperatorState(watched, phase, at)


def resumed(watched: bool, limit_w: float, until_s: float, at: float) -> OperatorState:
    """After a start, when a limit was in force: it holds on, and its author is heard or lost anew."""
    return OperatorState(watched, OperatorPhase.LIMITED, at, at, limit_w=limit_w, until_s=until_s)


def heard(state: OperatorState, at: float) -> OperatorState:
    """A heartbeat came."""
    return replace(state, heard_s=at, back_s=min(state.back_s, at))


def told(state: OperatorState, limit_w: float | None, until_s: float, at: float) -> OperatorState:
    """A command came: a limit, or None to lift it. A command is a sign of life, too."""
    state = replace(state, limit_w=limit_w, until_s=until_s, heard_s=at)
    return _into(OperatorPhase.UNLIMITED if limit_w is None else OperatorPhase.LIMITED, state, at)


def passed(state: OperatorState, failsafe_s: float, at: float) -> OperatorState:
    """What time alone changes."""
    lost = state.watched and at - state.heard_s >= HEARTBEAT_LOST_S
    if state.phase is OperatorPhase.INIT and at - state.since_s >= INIT_S:
        return _into(OperatorPhase.AUTONOMOUS, state, at)
    if state.phase is OperatorPhase.LIMITED and at >= state.until_s:
        state = _into(OperatorPhase.UNLIMITED, replace(state, limit_w=None), at)
    if lost and state.phase in (OperatorPhase.LIMITED, OperatorPhase.UNLIMITED):
        return _into(OperatorPhase.FAILSAFE, replace(state, limit_w=None, back_s=math.inf), at)
    if state.phase is OperatorPhase.FAILSAFE:
        back_s = math.inf if lost else state.back_s
        if at - state.since_s >= failsafe_s or at - back_s >= INIT_S:
            return _into(OperatorPhase.AUTONOMOUS, state, at)
        return replace(state, back_s=back_s)
    return state


def limit_w(state: OperatorState, failsafe_w: float | None) -> float | None:
    """What holds now; None = no limit."""
    if state.phase is OperatorPhase.LIMITED:
        return state.limit_w
    if state.phase in (OperatorPhase.INIT, OperatorPhase.FAILSAFE):
        return failsafe_w
    return None


def _into(phase: OperatorPhase, state: OperatorState, at: float) -> OperatorState:
    return state if phase is state.phase else replace(state, phase=phase, since_s=at)
