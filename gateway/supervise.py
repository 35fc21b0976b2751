"""Keep a loop alive: restart it with backoff; log once when it is lost and once when it is back."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.errors import RetryableError

log = logging.getLogger(__name__)

_QUIET_S = 3600.0


@dataclass
class Backoff:
    """Growing, jittered delays from ``first_s``, doubling, up to ``longest_s``."""

    first_s: float = 2.0
    longest_s: float = 300.0
    jitter: float = 0.2
    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - not a secret
    _next_s: float = 0.0

    def next(self) -> float:
        """Seconds to wait before the next try."""
        self._next_s = min(self.longest_s, self._next_s * 2 if self._next_s else self.first_s)
        return self._next_s * (1 + self.jitter * (2 * self.rng.random() - 1))

    def reset(self) -> None:
        self._next_s = 0.0


@dataclass
class Availability:
    """Says once when ``name`` is lost and once when it returns."""

    name: str
    present: bool = True

    def lost(self, why: object, expected: bool = False) -> bool:
        """Note a loss; True (and one warning, or one line if it was ``expected``) only for the first."""
        first, self.present = self.present, False
        if first and expected:
            log.info("%s sleeps: %s", self.name, why)
        elif first:
            log.warning("%s is lost: %s", self.name, why)
        return first

    def back(self) -> bool:
        """Note a success; True (and one line) only after a loss."""
        first, self.present = not self.present, True
        if first:
            log.info("%s is back", self.name)
        return first


@dataclass(kw_only=True)
class CalmAvailability(Availability):
    """Of something that may come and go: in an hour the first ``most`` losses are said, with their ends;
    a further one is said when the hour has passed and it is still away."""

    clock: Clock
    most: int = 2
    _hour_began_s: float = -_QUIET_S
    _said: int = 0
    _hushed: bool = False

    def lost(self, why: object, expected: bool = False) -> bool:
        now_s = self.clock.monotonic()
        if now_s - self._hour_began_s >= _QUIET_S:
            self._hour_began_s, self._said = now_s, 0
            lasts, self._hushed = self._hushed and not self.present, False
            if lasts:
                self.present = True
        if not self.present:
            return False
        self._said += 1
        if self._said > self.most:
            self.present, self._hushed = False, True
            return True
        if self._said == self.most > 1:
            why = f"{why}; for an hour only a loss that lasts is said from now on"
        return super().lost(why, expected)

    def back(self) -> bool:
        if self._hushed and not self.present:
            self.present = True
            return True
        return super().back()


async def supervise(
    name: str,
    job: Callable[[Availability], Awaitable[None]],
    clock: Clock,
    backoff: Backoff | None = None,
    healthy_s: float = 60.0,
) -> None:
    """Run ``job`` until it returns; restart it after a `RetryableError`.

    The job is handed its `Availability` and says ``back()`` when it works again.
    The backoff starts again after ``healthy_s`` without failure. Any other error is a bug and
    passes through: the process ends and the next start replays the journal.
    """
    backoff = backoff or Backoff()
    availability = CalmAvailability(name, clock=clock, most=1)
    while True:
        began = clock.monotonic()
        try:
            await job(availability)
            return
        except RetryableError as error:
            if clock.monotonic() - began >= healthy_s:
                backoff.reset()
                availability.present = True
            availability.lost(error)
        await clock.sleep(backoff.next())
