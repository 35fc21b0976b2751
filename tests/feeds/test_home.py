"""A home whose tariff follows a feed: the plan, the account and the bill have its prices, and nobody else's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.agent.feeds import try_feed
from gateway.cli.bill import account_of
from gateway.clock import SimClock
from gateway.domain.price import PriceSource
from gateway.errors import FeedError
from gateway.store.journal import Journal
from simulators.lab import DAY, Lab, Script, play, steady
from tests.feeds.server import provider

START = DAY.at("06:00")
HOUR = timedelta(hours=1)


def market_price(moment: datetime) -> float:
    """EUR/MWh."""
    return 60.0 + 5 * moment.hour + 0.25


async def energy_charts(request: web.Request) -> web.StreamResponse:
    """Prices and CO2 of the days asked for, to the end of the present one."""
    start = datetime.combine(START.date(), datetime.min.time(), UTC) - timedelta(days=3)
    times = [start + i * HOUR for i in range(4 * 24)]
    body: dict[str, Any] = {"unix_seconds": [int(t.timestamp()) for t in times]}
    if request.path.endswith("/co2eq"):
        body |= {"co2eq": [250.0 + t.hour for t in times], "co2eq_forecast": [None] * len(times)}
    else:
        body |= {"price": [market_price(t) for t in times], "unit": "EUR / MWh"}
    return web.Response(body=json.dumps(body).encode())


def lab(url: str) -> Lab:
    settings = {
        "site": {"time_zone": "UTC"},
        "control": {"period_s": 60},
        "tariff": {
            "currency": "EUR",
            "import_price": {"kind": "published", "feed": "spot", "adder_per_kwh": "0.018"},
            "levies_per_kwh": "0.0205",
            "tax_pct": "19",
        },
        "price_feed": [
            {"name": "spot", "provider": "energy-charts", "zone": "DE-LU", "url": url},
            {"name": "co2", "provider": "energy-charts-co2", "zone": "de", "url": url},
        ],
    }
    return Lab(START, 4, Script(load_w=steady(800)), settings=settings, plan_minutes=30)


async def test_plan_account_and_bill_have_the_feeds_prices(tmp_path: Path) -> None:
    async with provider(energy_charts) as server:
        made = lab(server.url)
        result = await play(made, tmp_path)
        assert len(server.asked) < 16, "every half an hour at most"
        settings = made.made_settings(tmp_path, [{"name": "x", "host": "x"}])
        feed = await try_feed(settings.price_feed[0], settings, SimClock(START))
    assert feed.prices[START] == Decimal("0.09025")
    schedule = result.plans[-1].schedule
    taxed = Fraction("0.0385") * Fraction("1.19") * 1000
    first = schedule[0]
    due = Fraction(str(market_price(first.interval.start))) * Fraction("1.19") + taxed
    assert first.import_source is PriceSource.PUBLISHED
    assert first.import_price == pytest.approx(float(due))
    sources = [c.import_source for c in schedule if c.interval.start >= DAY.at("00:00", 1)]
    assert set(sources) == {PriceSource.YESTERDAY}
    assert "import price from Tue 00:00" in result.plans[-1].assumed[0]
    _bill_is_right(made, tmp_path)


def _bill_is_right(made: Lab, folder: Path) -> None:
    settings = made.made_settings(folder, [{"name": "x", "host": "x"}])
    journal = Journal(folder / "journal.sqlite", read_only=True)
    book = journal.book
    journal.close()
    assert len(book.metered) >= 14
    unpriced = sorted(book.metered.keys() - book.retail.keys())
    assert len(unpriced) <= 2, "they go into the account with each round of planning"
    noted = {at: m for at, m in book.metered.items() if at in book.retail}
    found = account_of(settings, folder, None, None)
    assert found is not None
    account, start, _ = found
    end = max(noted) + HOUR / 4
    owed = sum(
        Fraction(m.import_wh, 1000)
        * (Fraction(str(market_price(at))) / 1000 + Fraction("0.0385"))
        * Fraction("1.19")
        for at, m in noted.items()
    )
    bill = account.of(start, end).bill
    assert bill.unpriced_wh == 0
    assert bill.energy_money == pytest.approx(int(owed * 10**8), abs=len(noted))
    assert bill.energy_money > 0


async def test_check_tries_a_feed_as_the_daemon_would(tmp_path: Path) -> None:
    async def kronor(request: web.Request) -> web.StreamResponse:
        now = int(START.timestamp())
        return web.json_response({"unix_seconds": [now], "price": [900.5], "unit": "SEK / MWh"})

    async with provider(kronor) as server:
        settings = lab(server.url).made_settings(tmp_path, [{"name": "x", "host": "x"}])
        with pytest.raises(FeedError, match="its prices are in SEK, the home's in EUR"):
            await try_feed(settings.price_feed[0], settings, SimClock(START))
