"""The fuse of each phase: what it still carries, for batteries and for cars. Pure.

A fuse blows by the current of one phase, whatever the sum is. Where the meter tells each phase that is what
counts. Where it tells only the sum, the most loaded phase is taken to carry ``unbalance_a`` more than each
of the others (VDE-AR-N 4100 allows 4.6 kVA, 20 A, between phases): the worst case of the configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.domain.control import ChargerAssumptions, ControlSettings, Fuse
from gateway.domain.readings import BatteryState, Phase, Snapshot


def loads_a(snapshot: Snapshot, fuse: Fuse) -> tuple[float, ...] | None:
    """The current of each phase, import +, A; None where the meter does not tell it.

    Meters give the size of a current; which way it flows says the power of the phase, or of all.
    """
    if len(snapshot.phases) < fuse.phases:
        return None
    found = [_load_a(p, snapshot.grid_w, fuse.volts) for p in snapshot.phases[: fuse.phases]]
    known = [a for a in found if a is not None]
    return tuple(known) if len(known) == len(found) else None


def without_loads(
    snapshot: Snapshot, loads_w: Mapping[str, float], control: ControlSettings
) -> Snapshot:
    """The same with the phases as they are without what these devices draw, by name (below 0: with so much more)."""
    fuse = control.fuse
    loads = None if fuse is None else loads_a(snapshot, fuse)
    if fuse is None or loads is None:
        return snapshot
    left = list(loads)
    for name, watts in loads_w.items():
        on = _phases_of(name, control, fuse)
        for i in on:
            left[i] -= watts / fuse.volts / len(on)
    phases = tuple(Phase(a * fuse.volts, abs(a)) for a in left)
    return replace(snapshot, phases=phases + snapshot.phases[fuse.phases :])


def fullest_w(snapshot: Snapshot, fuse: Fuse | None) -> float | None:
    """What the most loaded phase draws, W at the nominal voltage; None where it is not told."""
    loads = None if fuse is None else loads_a(snapshot, fuse)
    return None if fuse is None or loads is None else max(loads) * fuse.volts


def total_w(snapshot: Snapshot, fuse: Fuse, tighter_w: float = 0.0) -> float:
    """The most import of all phases together that no phase's fuse minds, as far as the meter tells, W."""
    sum_w = fuse.phases * fuse.volts * fuse.amps
    if loads_a(snapshot, fuse) is None:
        sum_w -= (fuse.phases - 1) * fuse.volts * fuse.unbalance_a
    return max(0.0, sum_w - fuse.phases * tighter_w)


def battery_import_w(
    snapshot: Snapshot,
    batteries: Sequence[BatteryState],
    control: ControlSettings,
    tighter_w: float,
) -> float | None:
    """The import at which the fullest phase is at its fuse if only the batteries change theirs, W.

    None where phases are not known one by one.
    """
    fuse = control.fuse
    loads = None if fuse is None else loads_a(snapshot, fuse)
    if fuse is None or loads is None or snapshot.grid_w is None or not batteries:
        return None
    sets = {_phases_of(b.name, control, fuse) for b in batteries}
    on = sorted(set().union(*sets))
    room_w = min(fuse.amps - loads[i] for i in on) * fuse.volts - tighter_w
    # Of several on different phases nobody knows which one moves: the least help, or the most harm.
    sizes = [len(s) for s in sets]
    return snapshot.grid_w + room_w * (min(sizes) if room_w > 0 else max(sizes))


@dataclass(frozen=True, slots=True)
class FuseMargin:
    """W: ``tighter`` is taken off each phase, ``yielding`` as `charging.yielding_w` has it.

    ``unseen_a`` is what those cars were told whose phases nobody has seen: all that one draws may be on the fullest
    phase, and then it may stay at what it was told. Taken to be spread over three, a one-phase car would be stopped
    before it is known, again and again.
    """

    tighter_w: float = 0.0
    yielding_w: float = 0.0
    unseen_a: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


def fused_a(
    wanted_a: Mapping[str, float],
    snapshot: Snapshot,
    specs: Mapping[str, ChargerAssumptions],
    drawn_w: Mapping[str, float],
    control: ControlSettings,
    margin: FuseMargin = FuseMargin(),
) -> dict[str, float]:
    """The same with no phase above its fuse, in whole amperes; 0 where less than a car takes is left.

    Whoever stands first in ``wanted_a`` goes first; ``drawn_w`` is what each draws now. A one-phase car whose
    phase nobody configured may be on the fullest.
    """
    fuse = control.fuse
    loads = None if fuse is None else loads_a(snapshot, fuse)
    if fuse is None or loads is None:
        return dict(wanted_a)
    most_a = (
        fuse.amps - margin.tighter_w / fuse.volts + margin.yielding_w / fuse.volts / fuse.phases
    )
    left = [most_a - load for load in loads]
    given: dict[str, float] = {}
    for name, asked_a in wanted_a.items():
        spec = specs[name]
        own_a = drawn_w.get(name, 0.0) / spec.per_ampere_w
        on = _phases_of(name, control, fuse)
        room_a = min(left[i] for i in on) + own_a
        if name in margin.unseen_a:
            alone_a = min(left[i] for i in on) + drawn_w.get(name, 0.0) / fuse.volts
            room_a = max(room_a, min(margin.unseen_a[name], alone_a))
        amps = asked_a if asked_a <= room_a else float(math.floor(room_a))
        given[name] = amps if amps >= spec.min_a else 0.0
        for i in on:  # what it gives up is only seen later; what it takes more counts now
            left[i] -= max(0.0, given[name] - own_a)
    return given


def _phases_of(name: str, control: ControlSettings, fuse: Fuse) -> frozenset[int]:
    """The phases (from 0) that a device is on, or may be on: all where nobody says which."""
    told = frozenset(i - 1 for i in control.phases.get(name, ()) if i <= fuse.phases)
    return told or frozenset(range(fuse.phases))


def _load_a(phase: Phase, grid_w: float | None, volts: float) -> float | None:
    if phase.current_a is None:
        return None if phase.power_w is None else phase.power_w / volts
    direction = grid_w if phase.power_w is None else phase.power_w
    return math.copysign(abs(phase.current_a), 1.0 if direction is None else direction)
