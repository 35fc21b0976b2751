"""What a stored kilowatt-hour is worth. A strategy is one file in this package.

`strategy(name)` imports ``gateway.planner.<name>`` and returns its ``Strategy``; the folder is the
registry.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from gateway.domain.plan import Outlook, Plan
from gateway.errors import ConfigError


class Strategy(Protocol):
    """A pure planner: the same outlook gives the same plan."""

    name: str

    def plan(self, outlook: Outlook) -> Plan:
        """Values of stored energy, offer curves and the expected schedule over the outlook.

        Feasible for any outlook: within power and energy limits, never below the reserve.
        """


def strategy(name: str) -> Strategy:
    """The strategy of that name; raises ConfigError with the known names."""
    known = ("greedy", "value")
    if name not in known:
        raise ConfigError(f"planner.strategy = {name!r} is unknown; use one of {', '.join(known)}")
    module = import_module(f"gateway.planner.{name}")
    made: Strategy = module.STRATEGY
    return made
