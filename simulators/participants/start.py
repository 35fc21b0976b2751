"""Starting the simulated network's participants inside a process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock
from simulators.participants.charging_site import ChargingSite
from simulators.participants.client import Venue
from simulators.participants.data_centre import DataCentre, Roadmap
from simulators.participants.fleet import FleetDepot
from simulators.participants.meter import Meter
from simulators.participants.night_plan import NightPlan
from simulators.participants.other_home import OtherHome
from simulators.participants.trader import Need, Participant


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


def default_needs(
    seed: int, time_zone: str = "America/Chicago", roadmap: Roadmap = ()
) -> list[Need]:
    """The network of the demo; the parties are those of `simulators.exchange.DEFAULT_PARTIES`."""
    return [
        ChargingSite("charging-1", seed, time_zone=time_zone),
        ChargingSite(
            "charging-2", seed, stalls=8, cars_per_day=90, nacs=False, time_zone=time_zone
        ),
        FleetDepot("fleet-depot", seed, time_zone=time_zone),
        DataCentre("data-centre", seed, roadmap),
        NightPlan("night-plan", seed, time_zone=time_zone),
        OtherHome("home-2", seed + 2, time_zone=time_zone),
        OtherHome("home-3", seed + 3, time_zone=time_zone),
    ]


async def start_participants(  # noqa: PLR0913 - each is a choice of the composition
    clock: Clock,
    group: asyncio.TaskGroup,
    url: str,
    seed: int,
    *,
    needs: Sequence[Need] | None = None,
    credentials: Path | None = None,
    ca_file: Path | None = None,
    meters: Path | None = None,
) -> Participants:
    """Let the network trade at the exchange at ``url`` until it is closed.

    ``credentials`` is the folder with one credential file a party, for an exchange over TLS. ``meters`` is the
    folder where their registers outlive the process, for an exchange whose store does so too.
    """
    venue = Venue(url, clock, credentials, ca_file)
    chosen = default_needs(seed) if needs is None else needs
    return Participants(
        [
            clock.spawn(
                group,
                Participant(venue, need, _meter(meters, need.party_id)).run(),
                f"participant {need.party_id}",
            )
            for need in chosen
        ]
    )


def _meter(folder: Path | None, party_id: str) -> Meter:
    return Meter(None if folder is None else folder / f"{party_id}.json")
