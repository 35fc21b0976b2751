"""``energy-sim exchange --cluster``: which of the roles run here, and how they are told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import WallClock
from gateway.errors import ConfigError
from simulators.exchange.cluster.config import read_config
from simulators.exchange.cluster.processes import run_roles
from simulators.exchange.cluster.start import (
    Running,
    Zone,
    prepare,
    start_edge,
    start_leader,
    start_shard,
)
from simulators.exchange.operator import serve_operator
from simulators.exchange.start import let_many_connect, settle_memory
from simulators.exchange.terms import PriceSource, Terms
from simulators.participants import default_needs, start_participants
from simulators.supply import Supply


@dataclass(frozen=True)
class Roles:
    """Which of the processes run here, and what is told to all of them."""

    config: Path
    role: str | None
    insecure: bool
    client_ca: Path | None
    supply: Supply
    seed: int
    data: Path | None
    participants: bool

    def options(self, clock: WallClock) -> Sequence[str]:
        """The words by which another process runs one of the roles on the same clock."""
        words = ["--cluster", str(self.config), "--supply", self.supply.value]
        words += ["--seed", str(self.seed), *clock.as_words()]
        words += ["--insecure"] if self.insecure else []
        words += ["--client-ca", str(self.client_ca)] if self.client_ca else []
        words += ["--data", str(self.data)] if self.data else []
        return [*words, "--no-participants"]


def run_cluster(clock: WallClock, how: Roles, prices: PriceSource) -> None:
    """Run all roles, or the one that is named, until Ctrl-C."""
    config = read_config(how.config)
    if how.role is not None and how.role not in config.roles():
        raise ConfigError(f"--role {how.role}: {how.config} has {', '.join(config.roles())}")
    terms = Terms(segment_id=config.segment, supply_curve=how.supply is Supply.CURVE)
    zone = Zone(config, clock, prices, terms, insecure=how.insecure, client_ca=how.client_ca)

    async def main() -> None:
        await prepare(zone)
        if how.role is not None:
            await _one(zone, how.role)
        else:
            await _all(zone, how, clock)

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("stopped; the state is kept in the database")


async def _all(zone: Zone, how: Roles, clock: WallClock) -> None:
    config, credentials = zone.config, zone.config.state / "credentials"
    async with asyncio.TaskGroup() as group:
        group.create_task(run_roles(config.roles(), how.options(clock)), name="roles")
        host, port = config.edge(0)
        url = f"{'http' if zone.insecure else 'https'}://{host}:{port}"
        print(f"cluster: {', '.join(config.roles())}", flush=True)
        print(f"credential of the home: {credentials / 'home.json'}", flush=True)
        if not how.participants:
            return
        await start_participants(
            clock,
            group,
            url,
            0,
            needs=default_needs(how.seed, roadmap=()),
            credentials=credentials,
            ca_file=None if zone.insecure else config.state / "tls" / "ca.pem",
            meters=config.state / "meters",
        )


async def _one(zone: Zone, role: str) -> None:
    running = Running()
    async with asyncio.TaskGroup() as group:
        try:
            await _start(zone, role, group, running)
            print(f"{role} runs", flush=True)
            await asyncio.Event().wait()
        finally:
            await running.close()


async def _start(zone: Zone, role: str, group: asyncio.TaskGroup, running: Running) -> None:
    kind, _, number = role.partition(":")
    if kind == "leader":
        leader = await start_leader(zone, group, running)
        running.runners.append(await serve_operator(leader, zone.config.state))
    elif kind == "shard":
        await start_shard(zone, group, running, int(number))
    else:
        url = await start_edge(zone, group, running, int(number))
        print(f"exchange: {url}  edge: {number}", flush=True)
    settle_memory()
    let_many_connect()
