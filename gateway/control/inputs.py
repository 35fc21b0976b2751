"""What a decision is made from and what comes out of it: frozen values, nothing else is looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from gateway.control.throttled import SunMemory
from gateway.domain.control import (
    ControlSettings,
    GridLimits,
    PhaseReason,
    Setpoints,
    Tightening,
)
from gateway.domain.order import Order, StandingSettings
from gateway.domain.plan import ValueCurve
from gateway.domain.readings import Snapshot


@dataclass(frozen=True, slots=True)
class Late:
    """Of a car past its latest start: for which ``departure`` (UTC), and whether that was reckoned with one phase because
    nobody had seen yet from how many it draws."""

    departure: datetime
    unseen: bool


@dataclass(frozen=True, slots=True)
class ContactorMemory:
    """Whether a charger's contactor is closed by our wish, since when, and when more was last allowed.

    Times of a monotonic clock, s. ``current_a`` is what was wanted last, before the fuse, since ``moved_s``. ``regret`` is what
    not to have changed it has cost until ``at_s``, currency units. ``by_sun``: the sun was worth it. ``late``: once past its
    latest start its car is late until that departure has come or more is known of it. ``cut_s`` is when fuse or import limit took a charging car its current last.
    """

    charging: bool = False
    since_s: float = -math.inf
    raised_s: float = -math.inf
    current_a: float = 0.0
    regret: float = 0.0
    at_s: float = -math.inf
    moved_s: float = -math.inf
    by_sun: bool = False
    late: Late | None = None
    cut_s: float = -math.inf


@dataclass(frozen=True, slots=True)
class PhaseMemory:
    """Whether a charger is told to use one phase, since when, and whether its car is stopped for a switch.

    Times of a monotonic clock, s. ``stopping_s`` is when that began (None: no switch is under way). ``regret``
    is what not to have switched has cost until ``at_s``, currency units. ``why`` it was switched last (None: it was not),
    ``why_next`` the switch that is under way.
    """

    one: bool = False
    since_s: float = -math.inf
    stopping_s: float | None = None
    regret: float = 0.0
    at_s: float = -math.inf
    why: PhaseReason | None = None
    why_next: PhaseReason | None = None


@dataclass(frozen=True, slots=True)
class HeaterMemory:
    """Whether a heater heats by our word, since when, and whether its water was too cold.

    Times of a monotonic clock, s. ``regret`` is what not to have switched it has cost until ``at_s``, currency units.
    It draws more than it was told since ``above_s``, and has done so for longer than it may at ``ignored_s`` last.
    """

    on: bool = False
    since_s: float = -math.inf
    cold: bool = False
    regret: float = 0.0
    at_s: float = -math.inf
    above_s: float = math.inf
    ignored_s: float = -math.inf


Worth = tuple[float | None, float | None, ValueCurve | None]  # import and export price, value


@dataclass(frozen=True, slots=True)
class ControlMemory:
    """What the next decision has to know of those before it. Times of a monotonic clock, s.

    ``charge_now_spent``: the car for which the user said 'charge now' has left. ``sun`` is what the panels
    gave when nothing held them back. ``regret`` is what staying in the battery's mode has cost since another
    was better, currency units (infinite: not known), ``decided_s`` when that was. ``direction`` is the sign of what the batteries were
    asked for last while they deliver, ``worth`` the prices and values of the last two decisions, ``held_s`` when
    inverters were at what they were told to give at most.
    """

    setpoints: Setpoints = field(default_factory=Setpoints)
    mode_since_s: float = -math.inf
    contactors: Mapping[str, ContactorMemory] = field(default_factory=lambda: MappingProxyType({}))
    phases: Mapping[str, PhaseMemory] = field(default_factory=lambda: MappingProxyType({}))
    charge_now_spent: bool = False
    sun: SunMemory = field(default_factory=SunMemory)
    regret: float = math.inf
    decided_s: float = -math.inf
    direction: int = 0
    worth: tuple[Worth | None, Worth | None] = (None, None)
    held_s: float = -math.inf
    heaters: Mapping[str, HeaterMemory] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class DecisionInputs:
    """All that one decision is made from.

    ``order`` is None when there is none yet or the last has run out; ``settings`` hold in any case
    (those of the last order, which the guard keeps). ``delivered_wh`` is the net export since the
    delivery interval began, by the meter (None = not known). ``keeps_export``: the devices keep the
    export limit by themselves now; ``tightening`` is what the limit watch asks for, ``operator`` what
    the grid operator allows at the connection. ``now`` is UTC, ``monotonic_s`` of a clock that nobody sets.
    """

    snapshot: Snapshot
    settings: StandingSettings
    order: Order | None
    delivered_wh: float | None
    control: ControlSettings
    now: datetime
    monotonic_s: float
    keeps_export: bool = False
    tightening: Tightening = field(default_factory=Tightening)
    memory: ControlMemory = ControlMemory()
    operator: GridLimits = field(default_factory=GridLimits)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the devices are asked for at this tick, and what the next decision has to know.

    ``grid_limits`` are those that must be seen to be kept at the meter; ``import_spent``: nothing more
    can be done against too much import.
    """

    setpoints: Setpoints
    memory: ControlMemory
    grid_limits: GridLimits
    import_spent: bool = False
