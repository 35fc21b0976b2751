"""When the home's car is there, how far it drives, and what its owner wants. Pure and seeded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from simulators.physics.noise import between, uniform


@dataclass(frozen=True, slots=True)
class CarDemand:
    """``energy_wh`` more at the charger (AC) before ``departure``; ``soc_pct`` of the car."""

    energy_wh: float
    departure: datetime
    soc_pct: float


@dataclass(frozen=True, slots=True)
class CarSchedule:
    """A commuter's car. Local hours; each day's times vary by up to ``jitter_h``."""

    depart_h: float = 7.5
    arrive_h: float = 17.75
    jitter_h: float = 0.5
    weekend_depart_h: float = 11.0
    weekend_arrive_h: float = 15.0
    drive_low_wh: float = 7_000.0
    drive_high_wh: float = 16_000.0
    target_pct: float = 80.0

    def away(self, day: int, seed: int) -> tuple[float, float]:
        """Local hours of departure and return on the day with this ordinal."""
        weekend = (day - 1) % 7 >= 5  # day 1 was a Monday
        depart = self.weekend_depart_h if weekend else self.depart_h
        arrive = self.weekend_arrive_h if weekend else self.arrive_h
        depart += between(-self.jitter_h, self.jitter_h, seed, 50, day)
        arrive += between(-self.jitter_h, self.jitter_h, seed, 51, day)
        return depart, arrive

    def plugged(self, time: datetime, zone: ZoneInfo, seed: int) -> bool:
        """Whether the car is at the charger at ``time``."""
        local = time.astimezone(zone)
        depart, arrive = self.away(local.toordinal(), seed)
        hour = local.hour + local.minute / 60 + local.second / 3600
        return not depart <= hour < arrive

    def drive_wh(self, time: datetime, zone: ZoneInfo, seed: int) -> float:
        """What the trip of the local day of ``time`` takes from the car's battery."""
        day = time.astimezone(zone).toordinal()
        part = uniform(seed, 52, day)
        return self.drive_low_wh + (self.drive_high_wh - self.drive_low_wh) * part

    def next_departure(self, time: datetime, zone: ZoneInfo, seed: int) -> datetime:
        """The next moment (UTC) at which the car leaves."""
        local = time.astimezone(zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for ahead in range(3):
            day = midnight + timedelta(days=ahead)
            depart, _arrive = self.away(day.toordinal(), seed)
            # wall time on the local clock, also on the days when it is changed
            moment = (day + timedelta(seconds=round(depart * 3600))).replace(tzinfo=zone)
            if moment.timestamp() > time.timestamp():
                return moment.astimezone(time.tzinfo)
        raise AssertionError("a car departs every day")
