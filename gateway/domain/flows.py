"""What moved in a home in one quarter-hour, beside what the meter counted."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.intervals import Interval


@dataclass(frozen=True, slots=True)
class Flow:
    """One quarter, Wh; None = not known. Load is the house's without the car, AC; what panels and battery moved
    may be on their DC side. ``stored_wh`` is at its end, ``plugged``: a car stood there."""

    interval: Interval
    charge_wh: float | None
    discharge_wh: float | None
    pv_wh: float | None
    car_wh: float | None = None
    plugged: bool | None = None
    stored_wh: float | None = None
    load_wh: float | None = None
