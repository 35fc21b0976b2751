"""Edges whose clocks are wrong: the time in the market is the leader's, and no stamp reaches beyond it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
from nats.aio.msg import Msg

from gateway.clock import SimClock
from gateway.domain.intervals import iso
from simulators.exchange.cluster import wire as cluster_wire
from simulators.exchange.cluster.leader import Leader
from simulators.exchange.cluster.log import Log
from simulators.exchange.cluster.market_time import MarketTime
from simulators.exchange.cluster.start import (
    Running,
    Zone,
    prepare,
    start_edge,
    start_leader,
    start_shard,
)
from simulators.exchange.terms import Terms, epoch_ms
from tests import loops
from tests.exchange import servers
from tests.exchange.conftest import START, T, TestPrices, Wire, tender_body
from tests.exchange.test_cluster_metrics import scrape
from tests.waiting import HANG_S, eventually

GATE = T - timedelta(minutes=5)
HOUR = timedelta(hours=1)


class Off(SimClock):
    """The clock of a machine that is set wrong by ``by``; it runs as the others do."""

    def __init__(self, right: SimClock, by: timedelta) -> None:
        super().__init__(right.now())
        self._right, self.by = right, by

    def now(self) -> datetime:
        return self._right.now() + self.by

    def monotonic(self) -> float:
        return self._right.monotonic()


class Town:
    """A zone of one shard whose edges have clocks of their own; `lead` starts its leader."""

    def __init__(self, folder: Path, clock: SimClock, group: asyncio.TaskGroup) -> None:
        metrics = tuple(f"127.0.0.1:{port}" for port in servers.free_ports(2))
        config = servers.cluster_config(metrics=metrics)
        self.config = config.model_copy(update={"state": folder, "shards": 1})
        self.zone = Zone(
            self.config, clock, TestPrices(), Terms(), insecure=True, power_safe=False, answer_s=4.0
        )
        self.clock, self.group, self.running = clock, group, Running()
        self.names = itertools.count(1)

    async def lead(self) -> Leader:
        return await start_leader(self.zone, self.group, self.running)

    async def shard_again(self) -> None:
        """The shard dies, its connections with it, and is started anew."""
        self.end("shard 0")
        for ledger in [one for one in self.running.ledgers if one.share.logged]:
            self.running.ledgers.remove(ledger)
            ledger.close()
        await start_shard(self.zone, self.group, self.running, 0)

    async def edges(self, clocks: Sequence[SimClock], session: aiohttp.ClientSession) -> list[Wire]:
        await prepare(self.zone)
        await start_shard(self.zone, self.group, self.running, 0)
        made = []
        for number, clock in enumerate(clocks):
            zone = replace(self.zone, clock=clock)
            url = await start_edge(zone, self.group, self.running, number)
            made.append(Wire(url, session, self.group))
        return made

    def end(self, name: str) -> None:
        for task in self.running.tasks:
            if task.get_name() == name:
                task.cancel()


Story = Callable[[Town, aiohttp.ClientSession], Awaitable[None]]


def play(folder: Path, story: Story) -> None:
    async def play() -> None:
        clock = SimClock(START)
        loops.others()
        async with asyncio.TaskGroup() as group:

            async def told() -> None:
                town = Town(folder, clock, group)
                async with aiohttp.ClientSession() as session:
                    try:
                        await story(town, session)
                    finally:
                        await town.running.close()

            clock.spawn(group, told(), "story")

    loops.run(play())


async def ahead(edge: Wire, address: str) -> float | None:
    return (await scrape(edge, address)).get(("exchange_clock_ahead_seconds",))


async def until_ahead(edge: Wire, address: str, seconds: float) -> None:
    async with asyncio.timeout(HANG_S):
        while await ahead(edge, address) != seconds:
            await asyncio.sleep(0.01)


def test_edges_stamp_by_the_leaders_time(tmp_path: Path) -> None:
    async def story(town: Town, session: aiohttp.ClientSession) -> None:
        fast, slow = Off(town.clock, HOUR), Off(town.clock, -HOUR)
        early, late = await town.edges([fast, slow], session)
        assert await ahead(early, town.config.metrics[0]) is None, "nobody has said what time it is"
        await town.lead()
        await until_ahead(early, town.config.metrics[0], 3600)
        await until_ahead(late, town.config.metrics[1], -3600)
        status, said, headers = await early.tender("one", "SELL", 500, 3_000)
        assert status == 201, said
        assert said["serverTime"] == iso(START)
        assert headers["Date"] == "Mon, 01 Jun 2026 12:00:00 GMT"
        fast.by += HOUR  # set wrong while it runs: seen before it is asked again
        status, said, headers = await early.tender("two", "SELL", 500, 3_000)
        assert (status, said["serverTime"]) == (201, iso(START))
        assert headers["Date"] == "Mon, 01 Jun 2026 12:00:00 GMT"
        await town.clock.sleep_until(GATE - timedelta(minutes=1))
        town.end("leader")
        await town.clock.sleep_until(GATE + timedelta(seconds=20))  # and nobody has closed the gate
        status, said, _ = await late.tender("late", "SELL", 500, 3_000)
        assert (status, said["title"]) == (409, "gate-closed"), "its own clock says 11:55"

    play(tmp_path, story)


async def forged(town: Town, party: str, stamps: Sequence[datetime]) -> list[cluster_wire.Done]:
    """What the shard answers to tenders of a party whose edge says that they were received then."""
    config = town.config
    log = Log(config.nats, config.prefix, config.shards, config.replicas)
    await log.open()
    heard: list[bytes] = []

    async def hear(message: Msg) -> None:
        heard.append(message.data)

    (known,) = await town.running.ledgers[0].db.rows(
        "SELECT number FROM party WHERE party_id = $1", party
    )
    try:
        await log.listen("forged", hear)
        entries = []
        for stamp in stamps:
            name = f"forged-{next(town.names)}"
            body = msgspec.json.encode(tender_body(name, "SELL", 500, 3_000, party=party))
            entries.append(
                cluster_wire.Entry(
                    "createTender", name, known[0], party, epoch_ms(stamp), body, False
                )
            )
        said = cluster_wire.Requests(log.subject("forged"), 1, entries)
        await log.write(0, cluster_wire.encode(said), entries[0].key)
        await eventually(lambda: bool(heard), "the shard's answer")
    finally:
        await log.close()
    outcomes = cluster_wire.answers(heard[0]).outcomes
    return [one for one in outcomes if isinstance(one, cluster_wire.Done)]


def test_a_stamp_of_the_future_is_cut_and_closes_nothing(tmp_path: Path) -> None:
    async def story(town: Town, session: aiohttp.ClientSession) -> None:
        (edge,) = await town.edges([town.clock], session)
        # No leader yet, so no time is known for certain: it is believed, of this one request only.
        (told,) = await forged(town, "home", [START + 3 * HOUR])
        assert told.status == 409
        status, said, _ = await edge.tender("t1", "SELL", 500, 3_000, party="fleet-depot")
        assert (status, said["serverTime"]) == (201, iso(START))
        await town.lead()
        async with asyncio.timeout(HANG_S):
            while told.received_ms != epoch_ms(START):  # until the shard has heard its leader
                (told,) = await forged(town, "home", [START + HOUR])
        assert told.status == 201
        assert (await edge.tender("t2", "SELL", 500, 3_000, party="fleet-depot"))[0] == 201

    play(tmp_path, story)


def test_a_stamp_of_the_past_is_none_of_a_time_that_the_log_has_passed(tmp_path: Path) -> None:
    async def story(town: Town, session: aiohttp.ClientSession) -> None:
        (edge,) = await town.edges([town.clock], session)
        await town.clock.sleep_until(GATE + timedelta(seconds=20))  # no leader: nobody closes it
        assert (await edge.tender("t1", "SELL", 500, 3_000, party="fleet-depot"))[0] == 409
        told = await forged(
            town, "home", [GATE + timedelta(seconds=17), GATE - timedelta(minutes=9)]
        )
        assert [one.status for one in told] == [409, 409]
        assert [one.received_ms for one in told] == [
            epoch_ms(GATE + timedelta(seconds=17)),  # edges may be that late
            epoch_ms(GATE + timedelta(seconds=16)),
        ]

    play(tmp_path, story)


def test_a_clock_that_agrees_is_left_alone() -> None:
    clock = SimClock(START)
    time = MarketTime(clock, "edge 0")
    assert (time.known, time.ahead_s, time.now()) == (False, None, START)
    time.heard(START, clock.now(), clock.monotonic())
    assert (time.known, time.ahead_s, time.now()) == (True, 0, START)
