"""Sun, load and times of a scenario, said in a word. Pure and seeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import pi, sin
from zoneinfo import ZoneInfo

from simulators.physics.noise import smooth
from simulators.physics.script import Watts


@dataclass(frozen=True, slots=True)
class Day:
    """A local day and those that follow: ``at("07:00")`` is that time on its clock, in UTC."""

    date: str = "2026-06-01"
    zone: str = "UTC"

    def at(self, time: str, day: int = 0) -> datetime:
        """``time`` as HH:MM, ``day`` days later."""
        hour, minute = (int(part) for part in time.split(":"))
        local = datetime.fromisoformat(self.date) + timedelta(days=day)
        here = local.replace(hour=hour, minute=minute, tzinfo=ZoneInfo(self.zone))
        return here.astimezone(UTC)

    def hour(self, time: datetime) -> float:
        """The local time of day, h."""
        here = time.astimezone(ZoneInfo(self.zone))
        return here.hour + here.minute / 60 + here.second / 3600


DAY = Day()


def steady(power_w: float) -> Watts:
    """The same at all times."""
    return lambda _time: power_w


def clear_day(peak_w: float, day: Day = DAY, rises: float = 6.0, sets: float = 18.0) -> Watts:
    """Sun from ``rises`` to ``sets`` (local hours) without a cloud."""

    def sun_w(time: datetime) -> float:
        part = (day.hour(time) - rises) / (sets - rises)
        return peak_w * sin(pi * part) if 0 < part < 1 else 0.0

    return sun_w


def broken_clouds(
    peak_w: float, day: Day = DAY, seed: int = 1, *, minutes: float = 4.0, shade: float = 0.75
) -> Watts:
    """A clear day with clouds of some ``minutes`` that take up to ``shade`` of it."""
    clear = clear_day(peak_w, day)

    def sun_w(time: datetime) -> float:
        cloud = smooth(time.timestamp() / (60 * minutes), seed, 22)
        dark = min(1.0, max(0.0, (cloud - 0.35) / 0.25))
        return clear(time) * (1 - shade * dark)

    return sun_w


def steps(*parts: tuple[datetime, float], before: float = 0.0) -> Watts:
    """From each moment on that power; ``before`` the first of them."""

    def power_w(time: datetime) -> float:
        held = [watts for begin, watts in parts if begin <= time]
        return held[-1] if held else before

    return power_w


def every_day(power_w: float, hours: Sequence[tuple[float, float, float]], day: Day = DAY) -> Watts:
    """A base, and more (from hour, to hour, W) each day."""

    def load_w(time: datetime) -> float:
        hour = day.hour(time)
        return power_w + sum(more for begin, end, more in hours if begin <= hour < end)

    return load_w
