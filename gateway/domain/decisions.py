"""What was decided for the battery over a span of time, and why, as it is kept for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gateway.domain.control import PhaseReason, Reason
from gateway.domain.sentences import Sentence


@dataclass(frozen=True, slots=True)
class Decision:
    """From ``since`` until ``until`` (UTC, half-open) the rule ``reason`` decided; ``sentence`` says in words
    what that was worth when it began. ``battery_w`` is what the batteries were asked for at first,
    discharge +, None where the inverter was left to itself.
    """

    since: datetime
    until: datetime
    reason: Reason
    sentence: Sentence
    battery_w: int | None = None


@dataclass(frozen=True, slots=True)
class PhaseDecision:
    """From ``since`` until ``until`` (UTC, half-open) the charger used ``phases``; ``sentence`` says why it was switched to them."""

    charger: str
    since: datetime
    until: datetime
    phases: int
    reason: PhaseReason
    sentence: Sentence


Ahead = Literal["day", "hour"]  # planned when the day began, or an hour before


@dataclass(frozen=True, slots=True)
class PlannedQuarter:
    """What was planned for the quarter-hour from ``start``, Wh; battery discharge +, grid import +, ``load_wh`` without the car."""

    start: datetime
    load_wh: float
    pv_wh: float
    battery_wh: float
    car_wh: float
    grid_wh: float
