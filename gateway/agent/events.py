"""What changed from one look at the home to the next, as events for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.domain.readings import DeviceState
from gateway.domain.sentences import Sentence, alike
from gateway.store.events import Event


@dataclass
class HomeEvents:
    """Fed with each look; answers what is new. A device that sleeps in the dark is not lost."""

    _away: dict[str, bool] = field(default_factory=dict)
    _alarms: dict[str, Sentence] = field(default_factory=dict)

    def look(
        self,
        time: str,
        devices: Iterable[DeviceState],
        links: Mapping[str, bool],
        alarms: Iterable[Sentence],
    ) -> list[Event]:
        """Events since the look before; at the first one what is away already, and each alarm."""
        events = []
        for device in devices:
            away = not device.online and not device.asleep
            if away and not device.readings and not device.fault:
                continue  # it has not been asked yet
            events += self._turned(time, device.name, away, device.fault if away else None)
        for name, up in links.items():
            self._away.setdefault(name, not up)  # at the start nobody has been reached yet
            events += self._turned(time, name, not up, None)
        there = {alike(alarm): alarm for alarm in alarms}
        new = [a for k, a in there.items() if k not in self._alarms]
        over = [a for k, a in self._alarms.items() if k not in there]
        events += [Event(time, "alarm", "", a.text, a) for a in new]
        events += [Event(time, "ended", "", a.text, a) for a in over]
        self._alarms = there
        return events

    def _turned(self, time: str, name: str, away: bool, why: Sentence | None) -> list[Event]:
        before = self._away.get(name, False)
        self._away[name] = away
        text = why.text if why else ""
        return [] if away == before else [Event(time, "lost" if away else "back", name, text, why)]
