"""How often a password may be guessed. A guess counts before it is looked at, so that a hundred at once are five."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.clock import Clock


@dataclass
class Attempts:
    """At most ``most_of_one`` in ``period_s`` from one address, and ``most`` from all together."""

    clock: Clock
    most_of_one: int = 5
    most: int = 30
    period_s: float = 60.0
    _taken: deque[tuple[float, str]] = field(default_factory=deque)

    def take(self, address: str) -> float:
        """0 and one is counted, or the seconds until ``address`` may try again."""
        now = self.clock.monotonic()
        while self._taken and self._taken[0][0] <= now - self.period_s:
            self._taken.popleft()
        own = [at for at, who in self._taken if who == address]
        waits = [0.0]
        if len(own) >= self.most_of_one:
            waits.append(own[-self.most_of_one] + self.period_s - now)
        if len(self._taken) >= self.most:
            waits.append(self._taken[0][0] + self.period_s - now)
        if max(waits) <= 0:
            self._taken.append((now, address))
        return max(waits)

    def succeeded(self, address: str) -> None:
        """The right password: the address starts anew."""
        self._taken = deque((at, who) for at, who in self._taken if who != address)
