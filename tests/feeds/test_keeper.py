"""A feed over days: asked no more than it allows, late, lost, restarted, and nonsense that is not believed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER, floor_quarter
from gateway.feeds import FeedAccess, open_feed
from gateway.feeds.calendar import LONDON
from gateway.feeds.keeper import FeedKeeper, FeedPrices, Terms, reach
from gateway.feeds.trust import doubt
from gateway.store.settings import SettingsStore
from tests.feeds.server import http_ask, provider

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


@dataclass
class Market:
    """A day-ahead market: tomorrow from ``published`` local on; what it says and whether it answers can change."""

    clock: SimClock
    published: int = 13
    down: bool = False
    unit: str = "EUR / MWh"
    price: Callable[[datetime], float | None] = lambda t: 80.0 + t.hour
    asked: list[datetime] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        now = self.clock.now()
        self.asked.append(now)
        if self.down:
            return web.Response(status=503)
        here = now.astimezone(BERLIN)
        days = 2 if here.hour >= self.published else 1
        end = here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)
        moment = datetime.fromisoformat(request.query["start"]).replace(tzinfo=BERLIN)
        starts = []
        while moment < end:
            starts.append(moment.astimezone(UTC))
            moment = (moment.astimezone(UTC) + HOUR).astimezone(BERLIN)
        document = {
            "unix_seconds": [int(t.timestamp()) for t in starts],
            "price": [self.price(t) for t in starts],
            "unit": self.unit,
        }
        return web.Response(body=json.dumps(document).encode())


@dataclass
class Bench:
    clock: SimClock
    market: Market
    keeper: FeedKeeper
    said: list[FeedPrices]

    async def until(self, when: datetime) -> FeedPrices:
        await self.clock.sleep_until(when)
        return self.said[-1]


TERMS = Terms("market", "EUR")


@asynccontextmanager
async def followed(
    tmp_path: Path, start: datetime, terms: Terms = TERMS, **market: object
) -> AsyncIterator[Bench]:
    clock = SimClock(start)
    made = Market(clock)
    for name, value in market.items():
        setattr(made, name, value)
    store = SettingsStore(tmp_path / "settings.sqlite")
    said: list[FeedPrices] = []
    async with provider(made.answer) as server, http_ask() as ask:
        feed = open_feed("energy-charts", FeedAccess("market", "DE-LU", server.url))
        keeper = FeedKeeper(feed, ask, terms, store, clock, said.append)
        async with asyncio.TaskGroup() as group:
            task = clock.spawn(group, keeper.run(), "feed")
            try:
                yield Bench(clock, made, keeper, said)
            finally:
                task.cancel()
    store.close()


async def play(bench: Bench, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """``work`` as the only other participant of the clock."""
    async with asyncio.TaskGroup() as group:
        await bench.clock.spawn(group, work(), "referee")


async def test_asked_when_something_new_is_due_and_not_more(tmp_path: Path) -> None:
    async with followed(tmp_path, at(2, 8)) as bench:

        async def days() -> None:
            morning = await bench.until(at(2, 12, 55))
            assert max(morning.prices) + QUARTER == at(3, 0)
            assert len(bench.market.asked) == 1, "nothing new is due before one o'clock"
            afternoon = await bench.until(at(2, 13, 30))
            assert max(afternoon.prices) + QUARTER == at(4, 0)
            await bench.until(at(4, 8))
            assert len(bench.market.asked) <= 4
            assert not bench.said[-1].alarm

        await play(bench, days)


async def test_tomorrow_comes_late_and_that_is_said_and_then_no_more(tmp_path: Path) -> None:
    async with followed(tmp_path, at(2, 8), published=18) as bench:

        async def day() -> None:
            assert not (await bench.until(at(2, 14, 30))).alarm
            late = await bench.until(at(2, 16, 30))
            assert str(late.alarm) == "price feed market is late, its prices end Wed 00:00"
            assert max(late.prices) + QUARTER == at(3, 0), "and none is made up"
            assert not (await bench.until(at(2, 19))).alarm
            gaps = [b - a for a, b in zip(bench.market.asked, bench.market.asked[1:], strict=False)]
            assert min(gaps) >= timedelta(minutes=30)

        await play(bench, day)


async def test_a_day_without_the_feed_is_one_warning_and_its_prices_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with followed(tmp_path, at(2, 12)) as bench:

        async def days() -> None:
            before = await bench.until(at(2, 12, 30))
            bench.market.down = True
            lost = await bench.until(at(3, 12))
            assert lost.prices.keys() >= {t for t in before.prices if t >= at(2, 0)}
            assert str(lost.alarm).startswith("price feed market is late, it has no price for now")
            assert "HTTP 503" in str(lost.alarm)
            hours = (at(3, 12) - at(2, 13)) / HOUR
            assert len(bench.market.asked) <= hours + 3, "less and less often"
            bench.market.down = False
            assert not (await bench.until(at(3, 14))).alarm

        await play(bench, days)
    said = [r.message for r in caplog.records if "price feed" in r.message]
    assert len(said) == 2, said


async def test_a_restart_without_the_feed_knows_what_was_published(tmp_path: Path) -> None:
    async with followed(tmp_path, at(2, 14)) as bench:

        async def first() -> None:
            await bench.until(at(2, 15))

        await play(bench, first)
        known = bench.said[-1].prices
    async with followed(tmp_path, at(2, 20), down=True) as bench:
        assert bench.said[0].prices == known, "before anybody was asked"
    other = replace(TERMS, currency="SEK", rate=Decimal("11.2"))
    async with followed(tmp_path, at(2, 20), other, down=True) as bench:
        assert not bench.said[0].prices, "those were in another currency"


async def test_a_feed_that_changes_its_unit_overnight_is_not_believed(tmp_path: Path) -> None:
    async with followed(tmp_path, at(2, 14)) as bench:

        async def days() -> None:
            good = await bench.until(at(2, 15))
            bench.market.price = lambda t: 0.08 + t.hour / 1000  # per kWh now, and nobody said so
            odd = await bench.until(at(3, 16))
            assert odd.prices == {t: p for t, p in good.prices.items() if t in odd.prices}
            assert "is it per kWh already?" in str(odd.alarm)
            assert "accept = true" in str(odd.alarm)

        await play(bench, days)


async def test_it_is_taken_as_it_stands_where_the_owner_says_so(tmp_path: Path) -> None:
    terms = replace(TERMS, accept=True)
    async with followed(tmp_path, at(2, 14), terms, price=lambda t: 0.05) as bench:

        async def day() -> None:
            assert set((await bench.until(at(2, 15))).prices.values()) == {Decimal("0.00005")}

        await play(bench, day)


async def test_kronor_in_a_home_of_euros_are_asked_about(tmp_path: Path) -> None:
    async with followed(tmp_path, at(2, 14), unit="SEK / MWh") as bench:

        async def day() -> None:
            said = await bench.until(at(2, 17))
            assert not said.prices
            assert "its prices are in SEK, the home's in EUR" in str(said.alarm)

        await play(bench, day)
    rate = replace(TERMS, rate=Decimal("0.0873"))
    async with followed(tmp_path, at(2, 14), rate, unit="SEK / MWh") as bench:

        async def paid() -> None:
            said = await bench.until(at(2, 15))
            assert said.prices[at(2, 15)] == Decimal(80 + 13) / 1000 * Decimal("0.0873")

        await play(bench, paid)


async def test_a_hole_stays_a_hole(tmp_path: Path) -> None:
    hole = at(2, 18)
    async with followed(tmp_path, at(2, 8), price=lambda t: None if t == hole else 90.0) as bench:

        async def day() -> None:
            said = await bench.until(at(2, 9))
            missing = {hole + i * QUARTER for i in range(4)}
            assert not missing & set(said.prices)
            assert len(said.prices) > 80
            late = await bench.until(at(2, 12))
            assert "its prices end Tue 18:00" in str(late.alarm)

        await play(bench, day)


def test_agile_days_end_at_eleven_and_are_late_at_nine() -> None:
    three, nine = datetime(2026, 6, 2, 15, 30, tzinfo=UTC), datetime(2026, 6, 2, 20, 30, tzinfo=UTC)
    assert reach(LONDON, three) == datetime(2026, 6, 3, 22, tzinfo=UTC), "16:30 in summer time"
    assert reach(LONDON, nine - LONDON.late) == reach(LONDON, nine)
    assert reach(LONDON, three - LONDON.late) == datetime(2026, 6, 2, 22, tzinfo=UTC)


def test_units_are_doubted_by_size_and_by_yesterday() -> None:
    now = floor_quarter(at(2, 0))

    def day(price: str, days: int = 0) -> dict[datetime, Decimal]:
        return {now + (days * 96 + i) * QUARTER: Decimal(price) for i in range(96)}

    assert not doubt("EUR", day("0.09"), day("0.08", -1))
    assert not doubt("EUR", day("-0.01"), {})
    assert not doubt("EUR", day("0"), {})
    scarce = day("0.04", -1) | {t: Decimal(5) for t in list(day("0.04", -1))[:20]}
    assert not doubt("USD", scarce, {}), "a Texan evening at the cap"
    assert "in cents" in str(doubt("EUR", day("28.5"), {}))
    assert "per MWh" in str(doubt("EUR", day("90"), {}))
    assert "per kWh already" in str(doubt("EUR", day("0.00009"), {}))
    assert "1000 times less than before" in str(doubt("XXX", day("0.00009"), day("0.09", -1)))
    assert "100 times more" in str(doubt("XXX", day("9"), day("0.09", -1)))
    assert not doubt("XXX", day("9"), {}), "of an unknown currency nothing is known"
