"""What moved in a home in one quarter-hour, beside what the meter counted."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.intervals import Interval


@dataclass(frozen=True, slots=True)
class Heated:
    """What one steered rod or boiler drew in the quarter, Wh, and how warm its water was at the end; None = not known."""

    name: str
    energy_wh: float | None
    temperature_c: float | None


@dataclass(frozen=True, slots=True)
class Flow:
    """One quarter, Wh; None = not known. Load is the house's without the car and what is ``heated``, AC; what panels and battery moved
    may be on their DC side. ``stored_wh`` is at its end, ``plugged``: a car stood there."""

    interval: Interval
    charge_wh: float | None
    discharge_wh: float | None
    pv_wh: float | None
    car_wh: float | None = None
    plugged: bool | None = None
    stored_wh: float | None = None
    load_wh: float | None = None
    heated: tuple[Heated, ...] | None = None
