"""What is known of each bridged device, and for how long it may be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from gateway.bridge.layout import Known
from gateway.bridge.pick import Picked
from gateway.clock import Clock


@dataclass
class Values:
    """One device's. A value is known until it is older than ``max_age_s`` of its metric; then it is not, nor ever 0."""

    name: str
    max_age_s: Mapping[str, float]
    clock: Clock
    _since: dict[str, tuple[float | None, float]] = field(default_factory=dict)
    _absent: set[str] = field(default_factory=set)

    def take(self, metric: str, found: Picked | None) -> None:
        """What has just come; None: the device does not have it."""
        if found is None:
            self._absent.add(metric)
            self._since.pop(metric, None)
            return
        self._absent.discard(metric)
        self._since[metric] = (found.value, self.clock.monotonic() - found.age_s)

    @property
    def heard(self) -> bool:
        """Whether anything has come yet."""
        return bool(self._since or self._absent)

    def known(self) -> Known:
        """As the registers show it: what the sheet names and the device does not lack."""
        return {m: partial(self.now, m) for m in self.max_age_s if m not in self._absent}

    def now(self, metric: str) -> float | None:
        """The value, None while it is not known."""
        value, since_s = self._since.get(metric, (None, 0.0))
        fresh = self.clock.monotonic() - since_s <= self.max_age_s[metric]
        return value if fresh else None
