"""What was measured: a value or None, with its quality and time; and the home at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.domain.metrics import METRICS


class Quality(StrEnum):
    """Why a reading may or may not be used. Only GOOD readings carry a value into decisions."""

    GOOD = "good"
    STALE = "stale"  # was good; the device has not answered since
    ABSENT = "absent"  # the device says that it does not implement this
    BAD = "bad"  # an error, or a value that cannot be


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value. ``value`` is None unless quality is GOOD or STALE."""

    metric: str
    value: float | str | None
    quality: Quality
    time: datetime

    @property
    def unit(self) -> str:
        known = METRICS.get(self.metric)
        return known.unit if known else ""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The latest of one device: readings by metric name; ``online`` is False from the first loss.

    ``asleep``: it fell silent in the dark, as its kind does; no fault.
    """

    name: str
    online: bool
    readings: Mapping[str, Reading] = field(default_factory=dict)
    asleep: bool = False

    def number(self, metric: str) -> float | None:
        """The value if it is good and a number, else None (never a stale or invented value)."""
        reading = self.readings.get(metric)
        if reading is None or reading.quality is not Quality.GOOD:
            return None
        return reading.value if isinstance(reading.value, int | float) else None

    def text(self, metric: str) -> str | None:
        reading = self.readings.get(metric)
        if reading is None or reading.quality is not Quality.GOOD:
            return None
        return reading.value if isinstance(reading.value, str) else None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The home at one moment. A field is None when any part of its sum is missing.

    ``*_w`` in W by the sign convention of `gateway.domain`; counters in Wh.
    """

    time: datetime
    devices: Mapping[str, DeviceState]
    pv_w: float | None
    battery_w: float | None
    battery_soc_pct: float | None
    grid_w: float | None
    load_w: float | None
    charger_w: float | None
    car_plugged: bool | None
    car_session_wh: float | None
    grid_import_wh: float | None
    grid_export_wh: float | None
