"""What changed from one look at the home to the next, as events for people. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.domain.readings import DeviceState
from gateway.store.events import Event

_NUMBERS = re.compile(r"\d+(?:[.,:]\d+)*")


@dataclass
class HomeEvents:
    """Fed with each look; answers what is new. A device that sleeps in the dark is not lost."""

    _away: dict[str, bool] = field(default_factory=dict)
    _alarms: dict[str, str] = field(default_factory=dict)

    def look(
        self,
        time: str,
        devices: Iterable[DeviceState],
        links: Mapping[str, bool],
        alarms: Iterable[str],
    ) -> list[Event]:
        """Events since the look before; at the first one what is away already, and each alarm."""
        events = []
        for device in devices:
            away = not device.online and not device.asleep
            if away and not device.readings and not device.fault:
                continue  # it has not been asked yet
            events += self._turned(time, device.name, away, device.fault if away else "")
        for name, up in links.items():
            self._away.setdefault(name, not up)  # at the start nobody has been reached yet
            events += self._turned(time, name, not up, "")
        there = {_key(alarm): alarm for alarm in alarms}
        events += [Event(time, "alarm", "", a) for k, a in there.items() if k not in self._alarms]
        events += [Event(time, "ended", "", a) for k, a in self._alarms.items() if k not in there]
        self._alarms = there
        return events

    def _turned(self, time: str, name: str, away: bool, why: str) -> list[Event]:
        before = self._away.get(name, False)
        self._away[name] = away
        return [] if away == before else [Event(time, "lost" if away else "back", name, why)]


def _key(alarm: str) -> str:
    """The same alarm with other numbers is the same alarm."""
    return _NUMBERS.sub("#", alarm)
