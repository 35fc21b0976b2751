"""Tenders per second from the log into committed rows, by the shards of a cluster, against COPY alone.

    python -m benchmarks.exchange_cluster [--shards 4] [--homes 2000] [--nodes 3]
        [--nats-server PATH --sync-always]

A home's document is a stream of 48 quarter-hours, as an edge hands it on: its signature is checked
there, at 8 to 9 thousand a second and core, and is not part of this. Three nodes of NATS replicate
the log; PostgreSQL waits for the disk at every commit. The shards are processes of their own; all of
it runs on this machine, so the figure by processor time (what two idle cores would do) is given too.
The floor is COPY of the same tender rows into the same table, one process. ``--sync-always`` needs a
nats-server of 2.10 or later. Target: 40,000 a second with 4 shards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from gateway.clock import WallClock
from gateway.domain.intervals import floor_quarter, iso
from simulators.exchange import Party
from simulators.exchange.cluster import wire
from simulators.exchange.cluster.config import ClusterConfig
from simulators.exchange.cluster.log import Log
from simulators.exchange.cluster.start import Zone, prepare
from simulators.exchange.postgres import Postgres, insert
from simulators.exchange.postgres_ledger import PostgresLedger
from simulators.exchange.rows import Tender
from simulators.exchange.terms import LSE_PARTY, Terms, epoch_ms
from simulators.prices import SyntheticPrices
from tests.exchange import servers

INTERVALS = 48
BATCH = 100  # documents in one message
COMMAND = "from simulators.cli import main; main()"


def document(party: str, number: int, clock: WallClock) -> bytes:
    start = floor_quarter(clock.now()) + timedelta(hours=2)
    parts = [
        {
            "streamUid": n,
            "streamIntervalPrice": 3_000 + (number * 7 + n * 13) % 4_000,
            "streamIntervalQuantity": 50 + 10 * (number % 100),
        }
        for n in range(INTERVALS)
    ]
    stream = {
        "streamIntervalDuration": "PT15M",
        "streamStart": iso(start),
        "streamIntervals": parts,
    }
    tender = {
        "tenderId": f"{party}-s",
        "side": "SELL" if number % 2 else "BUY",
        "expirationTime": iso(start + timedelta(hours=13)),
        "tenderDetail": {"stream": stream},
    }
    head = {"requestId": f"r{number}", "partyId": party, "marketId": "charging-network"}
    return json.dumps(head | {"segmentId": "LZ_SOUTH", "tender": tender}).encode()


def messages(
    numbers: Sequence[tuple[int, str]], shards: int, clock: WallClock
) -> list[tuple[int, bytes]]:
    """Shard and message, shard by shard in turn."""
    of_shard: list[list[wire.Entry]] = [[] for _ in range(shards)]
    stamp = epoch_ms(clock.now())
    for number, party in numbers:
        body = document(party, number, clock)
        entry = wire.Entry("createStreamTender", "k", number, party, stamp, body, False)
        of_shard[number % shards].append(entry)
    made = []
    for at in range(0, max(map(len, of_shard)), BATCH):
        for shard, entries in enumerate(of_shard):
            if entries[at : at + BATCH]:
                said = wire.Requests("nobody", at, entries[at : at + BATCH])
                made.append((shard, wire.encode(said)))
    return made


def processor_s(pids: Sequence[int]) -> float:
    """Of processes and all that they have started."""
    ticks = 0
    for pid in _with_children(pids):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _with_children(pids: Sequence[int]) -> list[int]:
    found = list(pids)
    for pid in found:
        for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, tasks.read_text().split())
    return found


def resident_b(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds until all is in the log, until all is in rows, and of the processor; what the shards grew by."""

    written_s: float
    took_s: float
    busy_s: float
    grown_b: int


async def carried_out(
    log: Log,
    ledger: PostgresLedger,
    work: Sequence[tuple[int, bytes]],
    shards: Sequence[int],
    pids: Sequence[int],
) -> Figures:
    """Write the messages, shard and text, and wait until all are rows; ``shards`` are pids too."""
    await asyncio.sleep(1)
    empty_b = sum(map(resident_b, shards))
    before, began = processor_s(pids), time.perf_counter()
    await asyncio.gather(
        *(publish(log, n, [data for s, data in work if s == n]) for n in range(log.shards))
    )
    written_s = time.perf_counter() - began
    ends = [(await log.span(n))[1] for n in range(log.shards)]
    while [r[0] for r in ledger.all("SELECT seq FROM log_position ORDER BY shard")] != ends:  # noqa: ASYNC110 - other processes move it
        await asyncio.sleep(0.02)
    took_s = time.perf_counter() - began
    grown_b = sum(map(resident_b, shards)) - empty_b
    return Figures(written_s, took_s, processor_s(pids) - before, grown_b)


async def measure(args: argparse.Namespace, folder: Path) -> None:
    database = servers.PostgresServer(safe=True)
    nats = servers.NatsServers(
        args.nodes, program=args.nats_server, sync="always" if args.sync_always else None
    )
    clock = WallClock()
    config = ClusterConfig(
        shards=args.shards,
        postgres=database.database(),
        nats=nats.addresses,
        replicas=args.nodes,
        state=folder / "state",
    )
    parties = [Party(LSE_PARTY, "retailer", 0)]
    parties += [Party(f"h{n}", "home", 25_000) for n in range(args.homes)]
    zone = Zone(config, clock, SyntheticPrices(1), Terms(), insecure=True, parties=parties)
    await prepare(zone)
    file = folder / "cluster.toml"
    known = json.loads(config.model_dump_json())
    file.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in known.items()))
    log = Log(config.nats, config.prefix, config.shards, config.replicas)
    await log.open()
    await log.prepare()
    ledger = PostgresLedger(Postgres(config.postgres))
    numbers = ledger.all("SELECT number, party_id FROM party WHERE role = 'home' ORDER BY number")
    work = messages([(n, p) for n, p in numbers], args.shards, clock)
    shards = [shard(file, n) for n in range(args.shards)]
    for process in shards:
        assert process.stdout is not None  # noqa: S101 - it has a pipe
        process.stdout.readline()
    pids = [process.pid for process in shards] + [database.pid, *nats.pids]
    try:
        found = await carried_out(log, ledger, work, [process.pid for process in shards], pids)
        tenders, stored = len(numbers) * INTERVALS, ledger.all("SELECT COUNT(*) FROM tender")[0][0]
        if stored != tenders:
            raise SystemExit(f"{stored} rows of {tenders} tenders")
        floor = await copy_alone(ledger)
    finally:
        for process in shards:
            process.kill()
            process.wait()
        await log.close()
        ledger.close()
        nats.close()
        database.close()
    kind = "sync always" if args.sync_always else "sync by the system"
    print(
        f"{args.shards} shards, {args.nodes} nodes of NATS ({kind}): {tenders / found.took_s:8,.0f} tenders/s"
        f" into committed rows; {found.busy_s / tenders * 1e6:.1f} us of processor time each, so"
        f" {2 * tenders / found.busy_s:,.0f}/s on two idle cores; the log took"
        f" {tenders / found.written_s:,.0f}/s; COPY alone {floor:,.0f}/s; a shard grew by"
        f" {found.grown_b / tenders:,.0f} bytes a tender"
    )


def shard(file: Path, number: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-c", COMMAND, "exchange", "--insecure", "--cluster", str(file)),
            *("--role", f"shard:{number}"),
        ],
        stdout=subprocess.PIPE,
    )


async def publish(log: Log, shard: int, work: Sequence[bytes]) -> None:
    for n, data in enumerate(work):
        await log.write(shard, data, f"bench-{shard}-{n}")


async def copy_alone(ledger: PostgresLedger) -> float:
    """The same rows once more, into an emptied table, in commits of the same size."""
    rows = [Tender(*row) for row in ledger.all("SELECT * FROM tender")]
    ledger.db.wait(ledger.db.fetch("TRUNCATE tender"))
    began = time.perf_counter()
    for at in range(0, len(rows), BATCH * INTERVALS):
        part = rows[at : at + BATCH * INTERVALS]
        await ledger.db.ask(ledger.db.transaction(partial(insert, rows=part)))
    return len(rows) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--homes", type=int, default=2_000)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--nats-server", help="another program than Debian's")
    parser.add_argument("--sync-always", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(args, Path(folder)))


if __name__ == "__main__":
    main()
