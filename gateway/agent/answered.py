"""How well each device answers: good polls of the last hour, minute by minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.domain.readings import Poll

HOUR_MIN = 60


@dataclass(slots=True)
class _Minute:
    number: int
    good: int = 0
    all: int = 0


@dataclass
class Answered:
    """Fed with the polls of each report; ``at`` is of a monotonic clock, s."""

    _minutes: dict[str, deque[_Minute]] = field(default_factory=dict)

    def hear(self, polls: Iterable[Poll], at: float) -> None:
        """Polls that have ended since the last report."""
        number = int(at // 60)
        for poll in polls:
            minutes = self._minutes.setdefault(poll.device, deque(maxlen=HOUR_MIN))
            if not minutes or minutes[-1].number != number:
                minutes.append(_Minute(number))
            minutes[-1].all += 1
            minutes[-1].good += poll.answered

    def of_the_hour(self, at: float) -> Mapping[str, tuple[int, int]]:
        """Of each device that was polled: how many polls were answered, and how many there were."""
        first = int(at // 60) - HOUR_MIN + 1
        counts = {}
        for device, minutes in self._minutes.items():
            recent = [m for m in minutes if m.number >= first]
            counts[device] = sum(m.good for m in recent), sum(m.all for m in recent)
        return counts
