"""When it is dark: by the place of the home, or learnt from its panels where nobody has configured one.

A quarter-hour of the day in which panels have given power within two weeks is day, and so is what lies half an hour beside
one (days grow by some minutes each); all else is night, once the panels were watched through a whole day. A clock that was
set makes more of the day light, which is the safe side: what sleeps by day is not known.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gateway.devices.counters import Memory
from gateway.domain.readings import DeviceState
from gateway.errors import StorageError
from gateway.sun import Place, is_dark

log = logging.getLogger(__name__)

LIGHT_W = 50.0  # from the panels: by less they may as well be asleep
_SLOTS = 96  # quarter-hours of a UTC day
_NEAR = 2  # quarter-hours beside a light one
_DAYS = 14  # so long a light quarter-hour counts
_WATCHED = timedelta(hours=24)
_NAME = "light of the day"


class Night(Protocol):
    """Whether the sun is down."""

    def see(self, now: datetime, devices: Iterable[DeviceState]) -> None:
        """The home at ``now``."""

    def is_dark(self, now: datetime) -> bool:
        """For certain; False where it is not known."""


@dataclass(frozen=True, slots=True)
class NightAt:
    """The sun's own, at a place that was configured."""

    place: Place

    def see(self, now: datetime, devices: Iterable[DeviceState]) -> None:
        """Nothing is learnt."""

    def is_dark(self, now: datetime) -> bool:
        """See `Night`."""
        return is_dark(self.place, now)


class LearntNight:
    """Sees every observation; tells whether the sun is down, as far as the panels have shown it."""

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory
        self._light: dict[
            int, int
        ] = {}  # quarter-hour of the day -> the last day (ordinal) it was light
        self._since: datetime | None = None  # watched from then on
        self._recall()

    def see(self, now: datetime, devices: Iterable[DeviceState]) -> None:
        """The home at ``now``."""
        if self._since is None or now < self._since:
            self._since = now
            self._keep()
        powers = (device.number("pv_power_w") for device in devices)
        if not any(watts is not None and watts > LIGHT_W for watts in powers):
            return
        slot, day = _slot(now), now.toordinal()
        if self._light.get(slot) != day:
            self._light[slot] = day
            self._keep()

    def is_dark(self, now: datetime) -> bool:
        """Whether panels give nothing at this time of the day; False until a whole day was seen."""
        if self._since is None or now - self._since < _WATCHED or not self._light:
            return False
        slot, oldest = _slot(now), now.toordinal() - _DAYS
        near = ((slot + step) % _SLOTS for step in range(-_NEAR, _NEAR + 1))
        return all(self._light.get(one, 0) < oldest for one in near)

    def _keep(self) -> None:
        """Some sixty times a day; a disk that is full only forgets it over a restart."""
        if self._memory is not None and self._since is not None:
            words = {"since": self._since.isoformat(), "light": self._light}
            with suppress(StorageError):
                self._memory.setting(_NAME, json.dumps(words))

    def _recall(self) -> None:
        try:
            words = json.loads((self._memory and self._memory.setting(_NAME)) or "{}")
            if words:
                self._light = {int(slot) % _SLOTS: int(day) for slot, day in words["light"].items()}
                self._since = datetime.fromisoformat(words["since"]).astimezone(UTC)
        except (StorageError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("when it was light cannot be read: %s", error)
            self._light, self._since = {}, None


def _slot(time: datetime) -> int:
    utc = time.astimezone(UTC)
    return (60 * utc.hour + utc.minute) // 15
