"""Sun and clouds: what the panels could give at a moment. Pure.

Geometry from the usual solar engineering formulas (Cooper's declination, Spencer's equation of
time), clear-sky irradiance from Haurwitz (1945), diffuse share kept simple. Good to a few percent,
which is far better than the clouds allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import acos, asin, cos, exp, pi, radians, sin, sqrt

from simulators.physics.noise import smooth, uniform


@dataclass(frozen=True, slots=True)
class Panels:
    """A solar array. Angles in degrees; ``azimuth_deg`` 180 = south, 90 = east; power at 1 kW/m2."""

    peak_w: float = 8000.0
    tilt_deg: float = 25.0
    azimuth_deg: float = 180.0
    performance: float = 0.88  # dust, heat, wiring, mismatch


def sun(time: datetime, latitude: float, longitude: float) -> tuple[float, float]:
    """Elevation and azimuth (from north, clockwise) of the sun in radians."""
    day = time.timetuple().tm_yday
    hour = time.hour + time.minute / 60 + time.second / 3600
    b = 2 * pi * (day - 81) / 365
    equation_min = 9.87 * sin(2 * b) - 7.53 * cos(b) - 1.5 * sin(b)
    hour_angle = radians(15 * (hour + equation_min / 60 - 12) + longitude)
    declination = radians(23.45) * sin(2 * pi * (284 + day) / 365)
    lat = radians(latitude)
    sin_elevation = sin(lat) * sin(declination) + cos(lat) * cos(declination) * cos(hour_angle)
    elevation = asin(max(-1.0, min(1.0, sin_elevation)))
    denominator = cos(elevation) * cos(lat)
    if abs(denominator) < 1e-9:
        return elevation, pi
    cosine = (sin(declination) - sin(elevation) * sin(lat)) / denominator
    azimuth = acos(max(-1.0, min(1.0, cosine)))
    return elevation, 2 * pi - azimuth if sin(hour_angle) > 0 else azimuth


def clear_sky(elevation: float) -> float:
    """Global irradiance on the ground under a clear sky, W/m2 (Haurwitz)."""
    height = sin(elevation)
    return 1098.0 * height * exp(-0.059 / height) if height > 0.01 else 0.0


def _mostly_low(chance: float) -> float:
    return chance * sqrt(chance)


def sky(time: datetime, seed: int) -> float:
    """Share of the clear-sky irradiance that the clouds let through, 0.12 to 1."""
    seconds = time.timestamp()
    day = int(seconds // 86400)
    cover = 0.75 * _mostly_low(uniform(seed, 20, day)) + 0.25 * smooth(seconds / 7200, seed, 21)
    passing = smooth(seconds / 420, seed, 22)  # single clouds, some minutes each
    shadow = cover * (0.35 + 0.65 * (passing > 1 - cover) * passing)
    return max(0.12, 1.0 - 0.9 * shadow)


def pv_power(time: datetime, latitude: float, longitude: float, panels: Panels, seed: int) -> float:
    """DC power in W that ``panels`` can give at ``time``."""
    elevation, azimuth = sun(time, latitude, longitude)
    ground = clear_sky(elevation)
    if ground <= 0:
        return 0.0
    tilt = radians(panels.tilt_deg)
    incidence = sin(elevation) * cos(tilt) + cos(elevation) * sin(tilt) * cos(
        azimuth - radians(panels.azimuth_deg)
    )
    through = sky(time, seed)
    diffuse_share = 0.15 + 0.7 * (1 - through)
    direct = (1 - diffuse_share) * max(0.0, incidence) / max(0.05, sin(elevation))
    diffuse = diffuse_share * (1 + cos(tilt)) / 2
    irradiance = min(1200.0, ground * through * (direct + diffuse))
    return panels.peak_w * panels.performance * irradiance / 1000.0
