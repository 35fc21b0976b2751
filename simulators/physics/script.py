"""What happens to a home, written down: sun, load, and cars that come and go. Pure.

In the place of weather, people and seeded cars (`simulators.scenario.Scenario.script`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from simulators.physics.sensors import SensorFault
from simulators.physics.values import AtBox, Car

Watts = Callable[[datetime], float]
Span = tuple[datetime, datetime]


def nothing(_time: datetime) -> float:
    """No power at any time."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Visit:
    """One car at one charger (0 is the first) from ``arrives`` until ``leaves``, both UTC.

    ``stored_wh`` is in its battery when it comes. While it ``refuses`` it draws nothing.
    """

    arrives: datetime
    leaves: datetime
    charger: int = 0
    car: Car = field(default_factory=Car)
    stored_wh: float = 10_000.0
    refuses: tuple[Span, ...] = ()

    def at(self, time: datetime) -> bool:
        """Whether it stands there."""
        return self.arrives <= time < self.leaves

    def takes(self, time: datetime) -> bool:
        return not any(begin <= time < end for begin, end in self.refuses)


@dataclass(frozen=True, slots=True)
class Script:
    """DC power of the panels, load without cars, what a second inverter's panels give (W), the cars, and
    the sensors that err."""

    sun_w: Watts = nothing
    load_w: Watts = nothing
    ac_sun_w: Watts = nothing
    visits: tuple[Visit, ...] = ()
    chargers: int = 1
    sensors: tuple[SensorFault, ...] = ()

    def visit(self, charger: int, time: datetime) -> Visit | None:
        """Who stands at that charger."""
        return next((v for v in self.visits if v.charger == charger and v.at(time)), None)

    def at_box(self, charger: int, time: datetime) -> AtBox | None:
        """The same, as physics needs it."""
        visit = self.visit(charger, time)
        return None if visit is None else AtBox(visit.car, visit.takes(time))
