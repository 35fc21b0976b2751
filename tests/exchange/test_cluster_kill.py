"""Every kind of process of a cluster is killed with SIGKILL, under load and inside calls: nothing that
was answered is lost, nothing is doubled, and every call can be cleared again from what is stored.

Run as a program it takes the seed, the number of kills and of shards, and prints the longest stall.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from gateway.clock import WallClock
from gateway.domain.intervals import QUARTER, floor_to
from simulators.exchange.cluster.config import ClusterConfig
from simulators.exchange.cluster.log import Log
from simulators.exchange.postgres import Postgres
from simulators.exchange.postgres_ledger import PostgresLedger
from simulators.exchange.replay import replay
from simulators.exchange.terms import Prices
from simulators.prices import SyntheticPrices
from tests.exchange import servers
from tests.exchange.conftest import START, tender_body
from tests.waiting import HANG_S

COMMAND = "from simulators.cli import main; main()"
RATE = 100.0  # a call every 3 s
PARTIES = 12
pytestmark = pytest.mark.real_time


@dataclass
class Town:
    """Servers and roles; `kill` ends one of them as a power cut would, and starts it again."""

    folder: Path
    shards: int
    postgres: servers.PostgresServer = field(default_factory=servers.PostgresServer)
    nats: servers.NatsServers = field(default_factory=lambda: servers.NatsServers(3))
    roles: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = WallClock(START, RATE)
        self.config = ClusterConfig(
            shards=self.shards,
            postgres=self.postgres.database(),
            nats=self.nats.addresses,
            edges=tuple(f"127.0.0.1:{port}" for port in servers.free_ports(2)),
            state=self.folder / "state",
        )
        self.file = self.folder / "cluster.toml"
        known = json.loads(self.config.model_dump_json())
        self.file.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in known.items()))

    @property
    def urls(self) -> list[str]:
        return [f"http://{address}" for address in self.config.edges]

    async def start(self) -> None:
        await asyncio.gather(*(self.run(role) for role in self.config.roles()))

    async def run(self, role: str) -> None:
        """Start a role; its first line says that it runs."""
        self.roles[role] = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", COMMAND, "exchange", "--insecure", "--seed", "3"),
            *("--cluster", str(self.file), "--role", role, *self.clock.as_words()),
            stdout=asyncio.subprocess.PIPE,
            process_group=0,
        )
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), HANG_S), role

    async def kill(self, victim: str) -> None:
        kind, _, number = victim.partition(":")
        if kind == "nats":
            self.nats.kill(int(number))
            self.nats.start(int(number))
        elif kind == "postgres":
            self.postgres.kill()
            self.postgres.start()
        else:
            await self.end(victim)
            await self.run(victim)

    async def end(self, role: str) -> None:
        """With SIGKILL; what it said is read to its end, which closes the pipe."""
        process = self.roles[role]
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()

    async def close(self) -> None:
        for role in self.roles:
            await self.end(role)
        self.nats.close()
        self.postgres.close()


@dataclass
class Load:
    """Parties that tender all the time, and come again with the same key until they are answered."""

    town: Town
    rng: random.Random
    accepted: Counter[tuple[str, str]] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    longest_stall_s: float = 0.0  # from a party's first try to its answer
    over: bool = False

    @property
    def answered(self) -> int:
        return sum(self.answers.values())

    async def party(self, session: aiohttp.ClientSession, name: str) -> None:
        number = 0
        while not self.over:
            number += 1
            ahead = self.rng.randrange(1, 5) * QUARTER
            start = floor_to(self.town.clock.now(), QUARTER) + QUARTER + ahead
            side = self.rng.choice(("BUY", "SELL"))
            price = self.rng.randrange(2_000, 9_000, 500)
            wh = 10 * self.rng.randrange(5, 30)
            body = tender_body(f"t{number}", side, wh, price, party=name, start=start)
            status = await self.ask(session, name, body)
            self.answers[status] += 1
            if status == 201:
                self.accepted[name, f"t{number}"] += 1

    async def ask(self, session: aiohttp.ClientSession, name: str, body: object) -> int:
        """The first answer that is one: from either edge, with the same key."""
        key = json.loads(json.dumps(body))["tender"]["tenderId"]
        headers = {"Authorization": f"Bearer insecure:{name}", "Idempotency-Key": key}
        began = time.monotonic()
        while time.monotonic() < began + HANG_S:
            url = self.rng.choice(self.town.urls)
            try:
                async with session.post(
                    f"{url}/cts/createTender", json=body, headers=headers
                ) as reply:
                    await reply.read()
                    status = reply.status
            except (aiohttp.ClientError, OSError):
                status = 0
            if status not in (0, 429, 503):
                self.longest_stall_s = max(self.longest_stall_s, time.monotonic() - began)
                return status
            await asyncio.sleep(0.05)
        raise AssertionError(f"{name} has had no answer to {key}")


async def results_of(database: Postgres) -> int:
    return int((await database.rows("SELECT COUNT(DISTINCT time) FROM result"))[0][0])


async def in_a_call(town: Town) -> None:
    """Return when the results of a call have just been stored, and hardly a shard has them."""
    database = Postgres(town.config.postgres, connections=1)
    try:
        known = await results_of(database)
        deadline = time.monotonic() + HANG_S
        while await results_of(database) == known:
            assert time.monotonic() < deadline, "no call is held"
            await asyncio.sleep(0.002)
    finally:
        database.close()


def victims(town: Town, rng: random.Random, kills: int) -> list[str]:
    """Each kind at least once, in a random order."""
    shards = [f"shard:{n}" for n in range(town.shards)]
    kinds = [
        rng.choice(shards),
        "leader",
        f"edge:{rng.randrange(2)}",
        f"nats:{rng.randrange(3)}",
        "postgres",
        rng.choice(shards),
        "leader",
    ]
    while len(kinds) < kills:
        kinds.append(rng.choice([*shards, "leader", "edge:0", "edge:1", "nats:1", "postgres"]))
    found = kinds[:kills]
    rng.shuffle(found)
    return found


async def lives(folder: Path, seed: int, kills: int, shards: int) -> Load:
    rng, town = random.Random(seed), Town(folder, shards)
    try:
        await town.start()
        load = Load(town, random.Random(seed + 1))
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for number in range(PARTIES):
                group.create_task(load.party(session, f"p{number}"))
            for number, victim in enumerate(victims(town, rng, kills)):
                if number % 2:
                    await in_a_call(town)
                else:
                    await more_answers(load, rng.randrange(30, 120))
                await town.kill(victim)
            await more_answers(load, 100)
            await in_a_call(town)
            load.over = True
        await judged(town, load)
    finally:
        await town.close()
    return load


async def more_answers(load: Load, count: int) -> None:
    wanted, deadline = load.answered + count, time.monotonic() + HANG_S
    while load.answered < wanted:
        assert time.monotonic() < deadline, "the cluster does not answer"
        await asyncio.sleep(0.01)


async def judged(town: Town, load: Load) -> None:
    ledger = PostgresLedger(Postgres(town.config.postgres))
    try:
        await until_carried_out(town, ledger)
        for role, process in town.roles.items():  # nothing moves while it is judged
            assert process.returncode is None, role
            await town.end(role)
        await judge(ledger, load)
    finally:
        ledger.close()


async def judge(ledger: PostgresLedger, load: Load) -> None:
    """What is stored is what was answered, and it is whole."""
    # From the documents: rows of tenders go two hours after their gate, and that is soon at this rate.
    told = await ledger.tenders()
    stored = Counter((party_id, tender_id) for party_id, (tender_id, _) in told)
    assert set(load.accepted) - set(stored) == set(), "lost"
    assert [one for one, count in stored.items() if count > 1] == [], "doubled"
    offered = {(tender.document, tender.uid): tender.quantity for _, (_, tender) in told}
    filled = {
        (document, uid): wh
        for document, uid, wh in ledger.all(
            "SELECT document, uid, SUM(quantity) FROM fill WHERE document != 0 GROUP BY document, uid"
        )
    }
    assert set(filled) - set(offered) == set(), "orphans"
    assert [key for key, wh in filled.items() if wh > offered[key]] == [], "filled too much"
    assert (
        ledger.all(
            "SELECT call FROM fill GROUP BY call"
            " HAVING SUM(CASE buy WHEN 0 THEN quantity ELSE -quantity END) != 0"
        )
        == []
    ), "a call does not balance"
    assert await replay(ledger, Prices(SyntheticPrices(3))) > 10
    assert filled
    assert sum(ledger.totals_now().values()) == 0


async def until_carried_out(town: Town, ledger: PostgresLedger) -> None:
    """Every shard is where its log ends."""
    config = town.config
    log = Log(config.nats, config.prefix, config.shards, config.replicas)
    try:
        await log.open()
        for shard in range(config.shards):
            _, last = await log.span(shard)
            deadline = time.monotonic() + HANG_S
            while ledger.all("SELECT seq FROM log_position WHERE shard = ?", shard)[0][0] < last:
                assert time.monotonic() < deadline, f"shard {shard} stands still"
                await asyncio.sleep(0.05)
    finally:
        await log.close()


@pytest.mark.parametrize(("seed", "kills", "shards"), [(1, 7, 2), (5, 8, 8)])
def test_whatever_is_killed_nothing_is_lost_or_doubled(
    tmp_path: Path, seed: int, kills: int, shards: int
) -> None:
    if not os.environ.get("HEG_KILLS"):
        pytest.skip("a minute or two of killing; HEG_KILLS=1 runs it")
    asyncio.run(lives(tmp_path, seed, kills, shards))


def main(folder: Path, seed: int, kills: int, shards: int) -> None:
    """A longer run, for people."""
    load = asyncio.run(lives(folder, seed, kills, shards))
    print(
        f"{kills} kills, {shards} shards: {sum(load.accepted.values())} accepted of {load.answered},"
        f" 0 lost, 0 doubled, 0 orphans, sum 0; longest stall {load.longest_stall_s:.1f} s"
    )


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        main(Path(made), *(int(word) for word in sys.argv[1:4]))
