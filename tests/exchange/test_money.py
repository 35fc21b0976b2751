"""Every statement reckoned a second time, straight from the rows, by what docs/exchange.md says; with no code
of the settlement, the market or its prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import iso
from simulators.exchange import ExchangeHandle, Terms
from tests.exchange.conftest import START, TestPrices, Wire, play, tender_body

pytestmark = pytest.mark.usefixtures("each_store")

HOMES = [f"h{n}" for n in range(8)]
HOURS = 4
QUARTERS = [START + timedelta(minutes=15 * n) for n in range(1, 4 * HOURS)]
TRUEUP = timedelta(days=2)
QUALITIES = ("ESTIMATED", "MEASURED", "REVENUE")
Owed = dict[
    str, tuple[int, ...]
]  # by party: position, metered, estimated, energy, imbalance, uncontracted, fee


def reckoned(rows: Rows, start: int, before: int, rate: dict[str, int]) -> Owed:
    """What is due to each party for one interval by all that was known before a number of the sequence."""
    position: dict[str, int] = defaultdict(int)
    energy: dict[str, int] = defaultdict(int)
    for party, buy, price, wh in rows.fills[start]:
        net = -wh if buy else wh
        position[party] += net
        energy[party] += net * price
    counted: dict[str, tuple[int, int, int]] = {}
    for party, document, imported, exported, quality in rows.readings[start]:
        if document < before:
            best = counted.get(party, (-1, 0, 0))
            counted[party] = max(best, (quality, document, exported - imported))
    owed: Owed = {}
    for party in (position.keys() | counted.keys()) - {"lse"}:
        p = position[party]
        m = counted[party][2] if party in counted else p
        counts = max(m, 0) if p > 0 else min(m, 0) if p < 0 else 0
        over = abs(counts - p) - max(abs(p) * 5 // 100, 100)
        limited = start in rows.limited and rows.limited[start] < before
        free = p == 0 or over <= 0 or (limited and p > 0 and counts < p)
        uncontracted = max(m, 0) * rate["exportPrice"] if p <= 0 else 0
        money = (counts - p) * rate["imbalancePrice"], uncontracted, 0 if free else -over * 2_000
        owed[party] = (p, m, int(party not in counted), energy[party], *money)
    due = sum(sum(row[4:]) for row in owed.values())
    if "lse" in position or due:
        owed["lse"] = (position["lse"], position["lse"], 0, energy["lse"], -due, 0, 0)
    return owed


class Rows:
    """What is stored, by interval; ``limited`` has the number of the sequence after which it was known."""

    def __init__(self, handle: ExchangeHandle, limited: dict[int, int]) -> None:
        self.fills: dict[int, list[Any]] = defaultdict(list)
        self.readings: dict[int, list[Any]] = defaultdict(list)
        self.limited = limited
        names = dict(handle.store.all("SELECT number, party_id FROM party"))
        sql = "SELECT start, party, buy, price, quantity FROM fill"
        for start, party, *rest in handle.store.all(sql):
            self.fills[start].append((names[party], *rest))
        sql = "SELECT start, party, document, import_wh, export_wh, quality FROM delivery"
        for start, party, *rest in handle.store.all(sql):
            self.readings[start].append((names[party], *rest))
        self.runs = handle.store.all(
            "SELECT seq, start, name, imbalance_price FROM run ORDER BY seq"
        )
        self.stated: dict[int, list[Any]] = defaultdict(list)
        sql = (
            "SELECT run, party, position, metered, estimated, energy, imbalance, uncontracted, fee,"
            " reverses FROM statement ORDER BY seq"
        )
        for run, party, *rest in handle.store.all(sql):
            self.stated[run].append((names[party], *rest))


def check(rows: Rows, rates: dict[int, dict[str, int]]) -> int:
    """After every run what stands of its interval is what was due then, and sums to zero; gives the reversals."""
    standing: dict[int, Owed] = defaultdict(dict)
    reversals = 0
    for seq, start, name, price in rows.runs:
        assert price == rates[start]["imbalancePrice"]
        now = standing[start]
        for party, *amounts, reverses in rows.stated[seq]:
            if reverses is None:
                assert party not in now, (name, party, "twice")
                now[party] = tuple(amounts)
            else:
                position, metered, estimated, *money = now.pop(party)
                assert amounts == [-position, -metered, estimated, *(-m for m in money)]
                reversals += 1
        assert now == reckoned(rows, start, seq, rates[start]), (name, start)
        assert sum(sum(row[3:]) for row in now.values()) == 0
    # An interval without a run has nothing to settle, and one whose last run is over nothing to correct.
    for start in rows.fills.keys() | rows.readings.keys():
        assert standing[start] == reckoned(rows, start, 2**62, rates[start])
    return reversals


def wild_prices(rng: Random) -> TestPrices:
    """Negative ones, and beyond floor and cap on both sides."""
    usd = (-400.0, -250.0, -80.004, -0.01, 0.0, 12.345, 31.5, 999.99, 5_000.0, 9_000.0)
    return TestPrices(by_start={q: (rng.choice(usd), rng.choice(usd)) for q in QUARTERS})


class Day:
    """What parties and operator do, seeded."""

    def __init__(self, rng: Random, wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        self.rng, self.wire, self.clock, self.handle = rng, wire, clock, handle
        self.limited: dict[int, int] = {}
        self._count = 0

    def key(self) -> str:
        self._count += 1
        return f"k{self._count}"

    async def trade(self, quarters: Sequence[datetime]) -> None:
        for party in self.rng.sample(HOMES, 5):
            start, side = self.rng.choice(quarters), self.rng.choice(("BUY", "SELL"))
            price, wh = self.rng.choice((-25_000, -900, 0, 2_000, 3_400, 7_000, 500_000)), 10 * self.rng.randint(5, 240)  # fmt: skip
            key = self.key()
            body = tender_body(key, side, wh, price, party=party, start=start)
            status, _, _ = await self.wire.post("createTender", body, party=party, key=key)
            assert status in (201, 403, 409, 422, 503)

    async def report(self, start: datetime, quality: str, share: float) -> None:
        for party in HOMES:
            if self.rng.random() > share:
                continue
            sender = "metering" if quality == "REVENUE" else party
            counted = self.rng.choice((0, self.rng.randint(0, 3_000))), self.rng.choice((0, self.rng.randint(0, 3_000)))  # fmt: skip
            body = {
                "requestId": "d",
                "partyId": sender,
                "meteredPartyId": party,
                "measurementPointId": "m",
                "interval": {"dtStart": iso(start), "duration": "PT15M"},
                "importQuantity": counted[0],
                "exportQuantity": counted[1],
                "importRegister": 0,
                "exportRegister": 0,
                "quality": quality,
            }
            status, _, _ = await self.wire.post("deliver", body, party=sender, key=self.key())
            assert status in (201, 409)

    async def limit(self, start: datetime) -> None:
        market = self.handle.market
        assert await market.limit_exports(start, start + timedelta(minutes=15)) == 1
        self.limited[int(start.timestamp()) // 900] = market.number()

    async def happens(self, number: int) -> None:
        """Now and then the market is halted, a party revoked, exports limited."""
        market, now = self.handle.market, self.clock.now()
        if number == 3:
            await market.halt()
        if number == 5:
            await market.resume()
        if number == 8:
            await market.revoke(HOMES[0])
        if number in (6, 7, 11):
            await self.limit(now - timedelta(minutes=now.minute % 15))

    async def whole(self) -> None:
        for number, start in enumerate(QUARTERS):
            for minute in (-14, -8, -2):
                await self.clock.sleep_until(start + timedelta(minutes=minute, seconds=7))
                await self.trade([q for q in QUARTERS if q > start - timedelta(minutes=15)])
            if number > 1:
                await self.report(QUARTERS[number - 2], self.rng.choice(QUALITIES[:2]), 0.7)
            await self.clock.sleep_until(start + timedelta(minutes=1))
            await self.happens(number)
        await self.clock.sleep_until(QUARTERS[-1] + timedelta(hours=6))
        for start in QUARTERS:
            await self.report(start, self.rng.choice(QUALITIES), 0.3)
        await self.limit(QUARTERS[2])
        await self.clock.sleep_until(QUARTERS[-1] + timedelta(hours=25))
        for start in QUARTERS:
            await self.report(start, "REVENUE", 0.3)
        await self.clock.sleep_until(QUARTERS[-1] + TRUEUP + timedelta(hours=1))


@pytest.mark.parametrize("seed", [1, 2])
def test_every_statement_is_what_the_rules_say(tmp_path: Path, seed: int) -> None:
    """Corrections, missing readings, a revoked party, a halt, export limits, prices below zero and beyond floor and cap."""
    rng = Random(seed)

    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        day = Day(rng, wire, clock, handle)
        await day.whole()
        _, told = await wire.get("prices", start=iso(QUARTERS[0]), end=iso(QUARTERS[-1] + timedelta(minutes=15)))  # fmt: skip
        rates = {
            int(datetime.fromisoformat(p["interval"]["dtStart"]).astimezone(UTC).timestamp())
            // 900: p
            for p in told["prices"]
        }
        rows = Rows(handle, day.limited)
        assert check(rows, rates) > 20
        assert {name for _, _, name, _ in rows.runs} == {"PRELIM", "FINAL", "TRUEUP"}
        assert handle.zero_sum_error == 0

    play(tmp_path, story, prices=wild_prices(rng), terms=Terms(trueup_after=TRUEUP))
