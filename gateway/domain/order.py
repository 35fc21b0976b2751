"""What the agent asks of the guard: a lease, as a setpoint is. It says until when it holds.

The guard owns the devices and obeys an order only inside its own limits (`gateway.control`). When an
order has run out, only `StandingSettings` go on to hold, for the guard keeps those itself: they are the
user's and the grid operator's word, not the market's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from types import MappingProxyType
from typing import Literal

from gateway.domain.grid_operator import OperatorWord
from gateway.domain.intervals import Interval
from gateway.domain.plan import ValueCurve

EVERY_DAY = tuple(range(7))


@dataclass(frozen=True, slots=True)
class Departure:
    """A car leaves at that moment (UTC) and wants so much before."""

    at: datetime
    energy_wh: float


@dataclass(frozen=True, slots=True)
class StandingSettings:
    """What holds until somebody changes it, whether or not an agent runs. Powers W, energy Wh.

    ``battery`` hold: it neither charges nor discharges. ``departure_time`` is local and holds on
    ``departure_days`` (0 = Monday); ``departure_energy_wh`` is wanted by each car before it. ``departures``
    are those of single days: they take the place of the usual one there. Beyond its wish a car takes what
    costs less than ``car_more_per_kwh``, up to ``car_limit_wh`` a stay, while there is a surplus of at
    least ``car_surplus_w``. ``car_from_battery``: where that is worth it, the battery may feed a car. None = no such limit.
    """

    reserve_pct: float
    battery: Literal["auto", "hold"] = "auto"
    export_limit_w: float | None = None
    import_limit_w: float | None = None
    charge_now: bool = False
    departure_time: time = time(7)
    departure_energy_wh: float = 0.0
    departure_days: tuple[int, ...] = EVERY_DAY
    departures: tuple[Departure, ...] = ()
    car_more_per_kwh: float = 0.02
    car_limit_wh: float | None = None
    car_surplus_w: float = 0.0
    car_from_battery: bool = False


@dataclass(frozen=True, slots=True)
class MeterCounters:
    """The grid meter's lifetime counters at one moment, Wh."""

    import_wh: float
    export_wh: float


@dataclass(frozen=True, slots=True)
class IntervalTerms:
    """What holds in one delivery interval. Prices per MWh, None = not known. An assumed one stands in for
    a price that is not published yet: the house is served by it, but nothing is bought or sold for it.

    ``position_wh`` is net export (sold +); ``start_counters`` what the grid meter had counted at the
    interval's start (None while it has not begun). ``value`` is the value of stored energy over the
    energy in all batteries together, ``car_values`` by charger, over what its car still gets, ``heat_values`` by heater, over what its water still gets.
    """

    interval: Interval
    position_wh: int = 0
    start_counters: MeterCounters | None = None
    import_price: float | None = None
    export_price: float | None = None
    import_assumed: bool = False
    export_assumed: bool = False
    value: ValueCurve | None = None
    car_values: Mapping[str, ValueCurve] = field(default_factory=lambda: MappingProxyType({}))
    heat_values: Mapping[str, ValueCurve] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Order:
    """One order: the standing settings, and the terms of the present interval and those that follow.

    ``resellable`` is False while all stored energy must stay at home. ``peak_import_w`` is the
    import that a demand charge leaves free. ``operator`` is what was heard of the grid operator: the
    guard keeps it itself, and None takes nothing back.
    """

    made_at: datetime
    valid_until: datetime
    settings: StandingSettings
    terms: tuple[IntervalTerms, ...] = ()
    resellable: bool = True
    peak_import_w: float | None = None
    operator: OperatorWord | None = None

    def at(self, time: datetime) -> IntervalTerms | None:
        """The terms of the interval that contains ``time``; None where the order does not reach."""
        return next((t for t in self.terms if time in t.interval), None)
