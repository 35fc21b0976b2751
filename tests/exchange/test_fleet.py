"""The aggregator's page over a running exchange, in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from gateway.domain.intervals import QUARTER, floor_to, parse_utc
from gateway.errors import ConfigError
from simulators.exchange.operator import ask_operator
from simulators.fleet import FleetPage, serve_fleet
from tests.dashboard.conftest import CHROMIUM, FLAGS
from tests.exchange.conftest import tender_body
from tests.exchange.test_kill import life
from tests.waiting import HANG_S

# Exchange and browser are processes of their own, on their own time.
pytestmark = [pytest.mark.real_time, pytest.mark.asyncio(loop_scope="module")]
expect.set_options(timeout=HANG_S * 1000)
OPTIONS = ("--no-participants", "--rate", "60", "--start", "2026-06-01T12:00:00Z")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Path]]:
    state = tmp_path_factory.mktemp("fleet")
    async with life(state, *OPTIONS) as (_, url):
        yield url, state


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(exchange: tuple[str, Path]) -> AsyncIterator[FleetPage]:
    served = await serve_fleet(exchange[1], 0)
    yield served
    await served.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed")
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        await made.close()


async def tender(url: str, party: str, tender_id: str, price: float, start: datetime) -> int:
    body = tender_body(tender_id, "SELL", 1_000, price, party=party, start=start)
    headers = {"Authorization": f"Bearer insecure:{party}", "Idempotency-Key": tender_id}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/cts/createTender", json=body) as reply,
    ):
        return reply.status


async def opened(browser: Browser, page: FleetPage) -> Page:
    seen = await browser.new_page()
    seen.on("pageerror", lambda error: pytest.fail(str(error)))
    await seen.goto(page.url)
    await expect(seen.locator("#matching")).to_contain_text("parties")
    return seen


async def test_homes_that_trade_and_homes_that_fail(
    exchange: tuple[str, Path], page: FleetPage, browser: Browser
) -> None:
    url, state = exchange
    now = parse_utc((await ask_operator(state, "status", {}))["time"])
    start = floor_to(now, QUARTER) + timedelta(hours=1)
    for n in range(3):
        assert await tender(url, f"solar-{n}", f"t{n}", -20_000, start) == 201
    assert await tender(url, "solar-9", "bad", 10**7, start) == 422
    seen = await opened(browser, page)
    rows = seen.locator("#rows tr")
    trading = rows.filter(has_text="solar-1")
    await expect(trading).to_contain_text("trading")
    await expect(trading).to_contain_text("1 kWh")  # when the next call has filled it
    figures = seen.locator("#figures")
    await expect(figures).to_contain_text(
        "3 of 7homes trading"
    )  # three others are known and silent
    await expect(seen.locator("#last-call")).to_contain_text("USD/MWh")
    await expect(seen.locator("#refusals")).to_contain_text("price-band: 1")
    await seen.locator("#text").fill("solar")
    await expect(rows).to_have_count(4)
    await seen.locator("#state").select_option("failing")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("1 (price-band 1)")
    await seen.locator("#text").fill("solar-1")
    await expect(seen.locator("#matching")).to_contain_text("0 of")
    await seen.locator("#state").select_option("trading")
    await expect(rows).to_have_count(1)


async def test_a_halted_market_is_an_alarm(
    exchange: tuple[str, Path], page: FleetPage, browser: Browser
) -> None:
    seen = await opened(browser, page)
    await ask_operator(exchange[1], "halt", {})
    await expect(seen.get_by_role("alert")).to_have_text("The market is halted.")
    await ask_operator(exchange[1], "resume", {})
    await expect(seen.get_by_role("alert")).to_be_hidden()
    await expect(seen.locator("#figures")).to_contain_text("sum of the account")


async def test_a_stranger_s_name_for_this_machine_is_refused(page: FleetPage) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(page.url, headers={"Host": "evil.example"}) as reply,
    ):
        assert reply.status == 403


async def test_a_wrong_state_and_a_lost_exchange_are_said(
    exchange: tuple[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="state is one of all, trading"):
        await ask_operator(exchange[1], "fleet", {"state": "lazy"})
    lost = await serve_fleet(tmp_path, 0)
    async with aiohttp.ClientSession() as session, session.get(f"{lost.url}/fleet.json") as reply:
        assert reply.status == 503
        assert "no exchange runs on" in (await reply.json())["error"]
    await lost.close()
