"""Heat as a store: water that is to be warm by a time, loses heat meanwhile, and is heated by electricity. Pure.

A heater is a rod or boiler whose power can be set, a plug that is on or off, or a heat pump that is told by its
SG Ready contacts what is welcome. Energies are electric Wh unless the name says ``heat``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import IntEnum, StrEnum
from zoneinfo import ZoneInfo

WATER_WH_PER_L_K = 1.163  # 4.187 kJ a kg and kelvin
AMBIENT_C = 20.0  # of the room where the tank stands (EN 12897 measures its loss at 20 °C)
EVENING = (time(18),)


class SgReady(IntEnum):
    """The four operating states of the SG Ready label (Bundesverband Wärmepumpe)."""

    BLOCKED = 1  # the grid operator's lock, two hours at most
    NORMAL = 2
    ENCOURAGED = 3  # more than usual is welcome
    ORDERED = 4


class HeatReason(StrEnum):
    """Why a heater heats, or does not: the value is for programs, `words` are for people."""

    COLD = "cold"
    DEADLINE = "deadline"
    SUN = "sun"
    STORED = "stored"
    CHEAP = "cheap"
    LATER = "later"
    WARM = "warm"
    STEADY = "steady"
    LIMIT = "limit"
    UNKNOWN = "unknown"
    DIMMED = "dimmed"
    OFF_GRID = "off_grid"

    @property
    def words(self) -> str:
        """The reason as half a sentence."""
        return _WORDS[self]


_WORDS = {
    HeatReason.COLD: "the water is below its least temperature",
    HeatReason.DEADLINE: "it heats now to be warm in time",
    HeatReason.SUN: "it takes surplus of the sun",
    HeatReason.STORED: "the battery has more than the house will need",
    HeatReason.CHEAP: "energy is cheap now",
    HeatReason.LATER: "later is better",
    HeatReason.WARM: "the water is warm enough",
    HeatReason.STEADY: "it is not switched so soon",
    HeatReason.LIMIT: "the fuse or a limit leaves no room",
    HeatReason.UNKNOWN: "its temperature or the meter is not known",
    HeatReason.DIMMED: "the grid operator allows no more",
    HeatReason.OFF_GRID: "the grid is away",
}


@dataclass(frozen=True, slots=True)
class Heater:
    """What the owner says of a heater and its water. Powers W, temperatures °C.

    ``litres`` of water (None: nobody measures it, and ``energy_wh`` is wanted by each of ``ready_by``). At
    ``ready_by`` (local times) it is ``target_c``, never below ``min_c``, and never heated beyond ``max_c``. ``loss_w`` is the tank's
    standing loss at ``target_c``. ``step_w``: its power comes in such steps (0: any; as much as ``most_w``: on or off).
    ``cop`` is heat for each electric Wh. Once on it stays so for ``min_on_s``, once off for ``min_off_s``. What a MWh
    beyond the target is worth is ``more_per_mwh``.
    """

    most_w: float
    litres: float | None = None
    energy_wh: float = 0.0
    target_c: float = 55.0
    min_c: float = 40.0
    max_c: float = 60.0
    ready_by: tuple[time, ...] = EVENING
    loss_w: float = 60.0
    step_w: float = 0.0
    cop: float = 1.0
    min_on_s: float = 60.0
    min_off_s: float = 60.0
    more_per_mwh: float = 20.0

    @property
    def least_w(self) -> float:
        """The least power that it has when it is on."""
        return min(self.most_w, self.step_w or LEAST_W)

    @property
    def wh_per_k(self) -> float:
        """Electric Wh that warm all the water by a kelvin."""
        return (self.litres or 0.0) * WATER_WH_PER_L_K / self.cop

    @property
    def loss_per_h(self) -> float:
        """The part of the heat above the room's that is lost in an hour."""
        held_wh = (self.litres or 0.0) * WATER_WH_PER_L_K * (self.target_c - AMBIENT_C)
        return self.loss_w / held_wh if held_wh > 0 else 0.0

    def cooled_c(self, temperature_c: float, hours: float) -> float:
        """The temperature that is left after ``hours`` if nobody draws water."""
        return AMBIENT_C + (temperature_c - AMBIENT_C) * math.exp(-self.loss_per_h * hours)

    def stepped_w(self, power_w: float) -> float:
        """The largest power it can be set to that is not above ``power_w``."""
        most_w = min(power_w, self.most_w)
        if most_w < self.least_w - 1e-6:
            return 0.0
        return math.floor(most_w / self.step_w + 1e-6) * self.step_w if self.step_w else most_w


LEAST_W = 100.0  # less is not worth switching a heater on
Heaters = Mapping[str, Heater]


def next_ready(now: datetime, times: tuple[time, ...], zone: ZoneInfo) -> datetime:
    """The next of the local ``times``, UTC. An hour that spring skips is as long after midnight as the clock would have shown."""
    return min(at for day in (0, 1, 2) for at in _of_day(now, day, times, zone) if at > now)


def last_ready(now: datetime, times: tuple[time, ...], zone: ZoneInfo) -> datetime:
    """The last of them that has passed."""
    return max(at for day in (-2, -1, 0) for at in _of_day(now, day, times, zone) if at <= now)


def _of_day(now: datetime, ahead: int, times: tuple[time, ...], zone: ZoneInfo) -> list[datetime]:
    day: date = now.astimezone(zone).date() + timedelta(days=ahead)
    return [datetime.combine(day, at, zone).astimezone(now.tzinfo) for at in times]
