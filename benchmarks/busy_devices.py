"""How often a busy device gives all its values: the share of polls, by the share of its answers that are 'busy' (exceptions 5, 6).

Every simulated family over Modbus TCP, seeded schedules; a wrong value ends the run. Asked for are 99.9, 99.5, 99 and 90 % of
polls at 0, 3, 10 and 30 %.

    python -m benchmarks.busy_devices --seeds 200 --families huawei,fronius
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time

from gateway.devices.device import ModbusDevice
from gateway.devices.scan import scan
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from simulators.devices.faults import Fault, Faults, Kind
from simulators.devices.serve import CHARGERS, INVERTERS, Choice, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.devices.conftest import HandClock

SHARES = {0.0: 0.999, 0.03: 0.995, 0.1: 0.99, 0.3: 0.9}
POLLS = 3


async def availability(family: str, share: float, seeds: int) -> float:
    """The share of polls that gave every value."""
    clock = HandClock()
    home = Home(clock, Scenario(clock.now(), seed=1, soc_pct=60))
    choice = Choice(charger=family) if family in CHARGERS else Choice(inverter=family)
    servers = await serve_home(home, choice=choice)
    server = servers.charger if family in CHARGERS else servers.inverter
    port = servers.ports.charger if family in CHARGERS else servers.ports.inverter
    looking = scan("127.0.0.1", port)
    found = await anext(looking)
    await looking.aclose()
    whole = 0
    try:
        for seed in range(seeds):
            connection = Connection(BusAddress(host="127.0.0.1", port=port), BusTiming(10.0))
            one = ModbusDevice("device", found.profile, connection.unit(found.unit), None, clock)
            truth = {r.metric: r.value for r in await one.poll()}
            code = random.Random(seed).choice((5, 6))
            server.faults = (
                Faults([Fault(Kind.EXCEPTION, share, code=code)], seed) if share else None
            )
            for _ in range(POLLS):
                got = {
                    r.metric: r.value for r in await one.poll()
                }  # the home's clock stands: all stays
                wrong = {m: v for m, v in got.items() if v not in (None, truth[m])}
                if wrong:
                    raise SystemExit(f"{family}, {share:.0%} busy, seed {seed}: wrong {wrong}")
                whole += all(got[m] == truth[m] for m in got)
            server.faults = None
            await one.close()
    finally:
        await servers.close()
    return whole / (seeds * POLLS)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--families", default=",".join((*INVERTERS, *CHARGERS)))
    words = parser.parse_args()
    for family in words.families.split(","):
        began = time.perf_counter()
        found = [await availability(family, share, words.seeds) for share in SHARES]
        kept = all(a >= least for a, least in zip(found, SHARES.values(), strict=True))
        figures = "  ".join(
            f"{share:.0%} busy: {100 * a:.1f} %" for share, a in zip(SHARES, found, strict=True)
        )
        print(
            f"{family:14} {figures}  {'kept' if kept else 'BROKEN'} ({time.perf_counter() - began:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    asyncio.run(main())
