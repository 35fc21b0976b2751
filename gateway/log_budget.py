"""Log lines about what strangers do: the first few are written, the rest is counted.

Whoever can make us write a line could otherwise fill the disk, and hide what matters in the noise.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from gateway.clock import Clock


@dataclass
class LogBudget:
    """At most ``most`` lines in ``period_s``, and one that says how many were left out before."""

    log: logging.Logger
    clock: Clock
    most: int = 3
    period_s: float = 60.0
    _since: float = field(default=float("-inf"), init=False)
    _said: int = field(default=0, init=False)
    _left_out: int = field(default=0, init=False)

    def say(self, level: int, text: str, *args: object) -> None:
        """Write the line, or count it."""
        now = self.clock.monotonic()
        if now - self._since >= self.period_s:
            if self._left_out:
                self.log.warning("%d lines like the last ones were left out", self._left_out)
            self._since, self._said, self._left_out = now, 0, 0
        if self._said >= self.most:
            self._left_out += 1
            return
        self._said += 1
        self.log.log(level, text, *args)
