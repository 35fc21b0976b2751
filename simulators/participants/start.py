"""Starting the simulated network's participants inside a process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway.clock import Clock
from simulators.participants.buyer import Buyer, Need
from simulators.participants.charging_site import ChargingSite
from simulators.participants.data_centre import DataCentre
from simulators.participants.fleet import FleetDepot


@dataclass
class Participants:
    """The running participants."""

    _tasks: Sequence[asyncio.Task[None]]

    async def close(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task


def default_needs(seed: int) -> list[Need]:
    """The network of the demo: two charging sites, a fleet depot and a data centre."""
    return [
        ChargingSite("charging-1", seed),
        ChargingSite("charging-2", seed + 1, stalls=8, cars_per_day=60),
        FleetDepot("fleet-depot", seed),
        DataCentre("data-centre", seed),
    ]


async def start_participants(
    clock: Clock, group: asyncio.TaskGroup, url: str, seed: int
) -> Participants:
    """Let the network's buyers trade at the exchange at ``url`` until they are closed."""
    return Participants(
        [
            clock.spawn(group, Buyer(clock, url, need).run(), need.party_id)
            for need in default_needs(seed)
        ]
    )
