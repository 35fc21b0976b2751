"""What a car is seen to draw: from how many phases, and how much at most.

A charger does not know which car stands there. Some seconds after it was told a current, its power says from
how many phases the car draws (IEC 61851 gives one current for all), and where that is no whole number of
phases, what the car takes at most. A new car is a new question.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from gateway.domain.control import ChargerAssumptions, ControlSettings
from gateway.domain.readings import ChargerState, Snapshot

SETTLED_S = 40.0  # a car follows a new current within seconds, but begins to draw slowly
DRAWS_W = 500.0  # below it a car wakes up, balances its cells or is full
AGAIN_S = (
    3600.0  # what it takes at most is asked anew: a cold battery becomes warm, another's limit ends
)
_NEAR = 0.12  # of a phase: voltage and meter are not exact


@dataclass(frozen=True, slots=True)
class CarSeen:
    """Of one car: what it was told since when (monotonic, s), and what it was seen to do; ``less_s``: since when it draws less."""

    told_a: float = 0.0
    since_s: float = math.inf
    phases: int | None = None
    most_w: float | None = None
    less_s: float = math.inf


def seen(
    car: CarSeen, told_a: float, power_w: float | None, spec: ChargerAssumptions, at: float
) -> CarSeen:
    """After another look at it; ``told_a`` is the current that it was told before."""
    if told_a != car.told_a:
        return replace(car, told_a=told_a, since_s=at)
    if told_a < spec.min_a or power_w is None or power_w < DRAWS_W or at - car.since_s < SETTLED_S:
        return car
    ratio = power_w / (told_a * spec.volts)
    whole = min(max(round(ratio), 1), spec.phases)
    if abs(ratio - whole) <= _NEAR or ratio > spec.phases:
        # It follows what it was told: that says nothing of a most that it was not told beyond.
        beyond = car.most_w is None or power_w > car.most_w * (1 + _NEAR)
        forgotten = beyond or at - car.since_s >= AGAIN_S
        return replace(car, phases=whole, most_w=None if forgotten else car.most_w, less_s=math.inf)
    if ratio < (car.phases or spec.phases):
        less_s = min(car.less_s, at)
        if car.phases is not None and at - less_s < SETTLED_S:  # it followed: once less is no most
            return replace(car, less_s=less_s)
        # From so many phases at most: none has less than min_a.
        so_many = max(1, int(power_w / (spec.min_a * spec.volts)))
        fits = so_many if so_many < spec.phases else None
        return replace(car, phases=car.phases or fits, most_w=power_w, less_s=less_s)
    return replace(car, phases=min(spec.phases, math.ceil(ratio)), most_w=None)


class CarWatch:
    """Feed it every snapshot with what chargers were told; it says of each charger what its car draws."""

    def __init__(self, control: ControlSettings) -> None:
        self._control = control
        self._cars: dict[str, CarSeen] = {}
        self._on_one: dict[str, CarSeen] = {}  # the same while its charger uses one phase only

    def look(
        self,
        snapshot: Snapshot,
        told_a: Mapping[str, float],
        at: float,
        on_one: Collection[str] = (),
    ) -> Snapshot:
        """``told_a`` A by charger, ``on_one`` those told to use one phase; ``at`` of a monotonic clock, s."""
        if not snapshot.chargers:
            return snapshot
        chargers = tuple(
            self._one(c, told_a.get(c.name, 0.0), at, on_one=c.name in on_one)
            for c in snapshot.chargers
        )
        return replace(snapshot, chargers=chargers)

    def _one(
        self, charger: ChargerState, told_a: float, at: float, *, on_one: bool
    ) -> ChargerState:
        name = charger.name
        if charger.plugged is False:
            self._cars.pop(name, None)
            self._on_one.pop(name, None)
            return charger
        spec = self._control.charger_named(name)
        if on_one:  # says nothing of how many phases it takes from where there are more
            spec = replace(spec, phases=1)
        cars = self._on_one if on_one else self._cars
        car = cars[name] = seen(cars.get(name, CarSeen()), told_a, charger.power_w, spec, at)
        other = self._other(charger, on_one=on_one)
        phases = 1 if on_one else car.phases
        return replace(charger, phases=phases, most_w=car.most_w, other_phases=other)

    def _other(self, charger: ChargerState, *, on_one: bool) -> int | None:
        """From how many phases it would draw if its charger were switched; None where that changes nothing."""
        spec = self._control.charger_named(charger.name)
        known = self._cars.get(charger.name, CarSeen()).phases
        if not charger.switchable or (known or spec.phases) == 1:
            return None
        return (known or spec.phases) if on_one else 1
