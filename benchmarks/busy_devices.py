"""How often a busy device gives all its values: the share of polls, by the share of its answers that are 'busy' (exceptions 5, 6).

Every simulated family over Modbus TCP, seeded schedules; a wrong value ends the run. Asked for are 99.9, 99.5, 99 and 90 % of
polls at 0, 3, 10 and 30 %. Pauses between tries pass at once. All families go on side by side, ten schedules a turn, until each has had
its seeds or the time is over; the line of each says how many it had.

    python -m benchmarks.busy_devices --seeds 200 --minutes 10
    python -m benchmarks.busy_devices --seeds 200 --families huawei,fronius
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from dataclasses import dataclass, field

from gateway.devices.datasheet import Profile
from gateway.devices.device import ModbusDevice
from gateway.devices.scan import scan
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from simulators.devices.faults import Fault, Faults, Kind
from simulators.devices.serve import CHARGERS, INVERTERS, Choice, Servers, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests import loops
from tests.devices.conftest import HandClock

SHARES = {0.0: 0.999, 0.03: 0.995, 0.1: 0.99, 0.3: 0.9}
POLLS, TURN = 3, 10


@dataclass
class Family:
    """One family behind its port, and how many of its polls were whole, by the share of busy answers."""

    name: str
    clock: HandClock
    servers: Servers
    profile: Profile
    unit: int
    seeds: int = 0
    whole: dict[float, int] = field(default_factory=lambda: dict.fromkeys(SHARES, 0))

    @classmethod
    async def opened(cls, name: str) -> Family:
        """A home with it, found by a scan."""
        clock = HandClock()
        home = Home(clock, Scenario(clock.now(), seed=1, soc_pct=60))
        choice = Choice(charger=name) if name in CHARGERS else Choice(inverter=name)
        servers = await serve_home(home, choice=choice)
        charger = name in CHARGERS
        looking = scan("127.0.0.1", servers.ports.charger if charger else servers.ports.inverter)
        found = await anext(looking)
        await looking.aclose()
        return cls(name, clock, servers, found.profile, found.unit)

    async def turn(self, seeds: int) -> None:
        """The next ``seeds`` schedules, each at every share."""
        for seed in range(self.seeds, self.seeds + seeds):
            for share in SHARES:
                self.whole[share] += await self._polls(share, seed)
        self.seeds += seeds

    async def _polls(self, share: float, seed: int) -> int:
        """How many polls of a fresh device gave every value."""
        charger = self.name in CHARGERS
        server = self.servers.charger if charger else self.servers.inverter
        port = self.servers.ports.charger if charger else self.servers.ports.inverter
        connection = Connection(BusAddress(host="127.0.0.1", port=port), BusTiming(10.0))
        one = ModbusDevice("device", self.profile, connection.unit(self.unit), None, self.clock)
        truth = {r.metric: r.value for r in await one.poll()}
        code = random.Random(seed).choice((5, 6))
        server.faults = Faults([Fault(Kind.EXCEPTION, share, code=code)], seed) if share else None
        whole = 0
        try:
            for _ in range(POLLS):  # the home's clock stands: all stays
                got = {r.metric: r.value for r in await one.poll()}
                wrong = {m: v for m, v in got.items() if v not in (None, truth[m])}
                if wrong:
                    raise SystemExit(f"{self.name}, {share:.0%} busy, seed {seed}: wrong {wrong}")
                whole += all(got[m] == truth[m] for m in got)
        finally:
            server.faults = None
            await one.close()
        return whole

    @property
    def line(self) -> str:
        """Its figures."""
        found = {share: whole / (self.seeds * POLLS) for share, whole in self.whole.items()}
        figures = "  ".join(f"{share:.0%} busy: {100 * a:.1f} %" for share, a in found.items())
        kept = all(found[share] >= least for share, least in SHARES.items())
        return (
            f"{self.name:16} {figures}  {'kept' if kept else 'BROKEN'} ({self.seeds} seeds a share)"
        )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--families", default=",".join((*INVERTERS, *CHARGERS)))
    words = parser.parse_args()
    ends = time.perf_counter() + 60 * words.minutes
    families = [await Family.opened(name) for name in words.families.split(",")]
    for done in range(0, words.seeds, TURN):
        if done and time.perf_counter() > ends:
            break
        await asyncio.gather(*(f.turn(min(TURN, words.seeds - done)) for f in families))
    for family in families:
        print(family.line, flush=True)
        await family.servers.close()


if __name__ == "__main__":
    loops.run(main())
