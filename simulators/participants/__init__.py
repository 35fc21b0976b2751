"""The buyers of the simulated charging network. Each module is one kind; they only speak HTTP."""

from __future__ import annotations

import asyncio

from gateway.clock import Clock
from simulators.participants.buyer import Buyer, Need
from simulators.participants.charging_site import ChargingSite
from simulators.participants.data_centre import DataCentre
from simulators.participants.fleet import FleetDepot


def default_needs(seed: int) -> list[Need]:
    """The network of the demo: two charging sites, a fleet depot and a data centre."""
    return [
        ChargingSite("charging-1", seed),
        ChargingSite("charging-2", seed + 1, stalls=8, cars_per_day=60),
        FleetDepot("fleet-depot", seed),
        DataCentre("data-centre", seed),
    ]


def start_participants(
    clock: Clock, group: asyncio.TaskGroup, url: str, seed: int
) -> list[asyncio.Task[None]]:
    """Let the network's buyers trade at the exchange at ``url``; cancel the tasks to end them."""
    return [
        clock.spawn(group, Buyer(clock, url, need).run(), need.party_id)
        for need in default_needs(seed)
    ]
