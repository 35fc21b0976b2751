"""A newcomer's way from the first start to a running home, in a real browser, against simulated devices."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, Page, Route, ViewportSize, expect

from gateway.config.load import load_settings
from simulators.broker import free_port
from tests.dashboard.conftest import faults_of
from tests.setup.homes import NewHome, new_home
from tests.waiting import HANG_S

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Which of them is true depends on the hour at which the test runs.
MEASURED = re.compile("^(In balance with the grid|Importing|Exporting)")
VIEW = ViewportSize(width=390, height=844)


@asynccontextmanager
async def newcomer(
    browser: Browser, folder: Path, language: str = "en-GB"
) -> AsyncIterator[tuple[NewHome, Page]]:
    """A home without a configuration, and a page that has not been opened yet; a failure says what the page said."""
    async with new_home(folder, "run", "--setup-port", str(free_port())) as home:
        context = await browser.new_context(
            viewport=VIEW, locale=language, timezone_id="Europe/Berlin"
        )
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        try:
            yield home, page
        except AssertionError as error:
            for place in ("#search-says", "#problems", "#found", "#left", "#written"):
                error.add_note(f"{place}: {await page.locator(place).all_text_contents()}")
            typed = await page.evaluate("document.getElementById('where')?.value")
            error.add_note(f"#where: {typed}, at {page.url}, faults: {faults}")
            raise
        finally:
            await context.close()
        assert faults == []


async def test_a_newcomer_sets_a_home_up(browser: Browser, tmp_path: Path) -> None:
    """Four clicks and five fields, as docs/first-start.md says."""
    async with newcomer(browser, tmp_path) as (home, page):
        await page.goto(home.address)
        await find_devices(page, home)
        await expect(page.locator("#q-time_zone")).to_have_value("Europe/Berlin")
        await expect(page.locator("#q-currency")).to_have_value("EUR")
        await expect(page.locator("#write")).to_be_disabled()
        await page.locator("#q-battery_capacity").fill("much")
        await expect(page.locator("#q-battery_capacity-fault")).to_contain_text("13.5 kWh")
        await page.locator("#q-battery_capacity").fill("")
        await page.locator("#q-import_price").fill("29 ct")
        await page.locator("#q-tariff").select_option("time_of_use")
        await page.locator("#q-windows").fill("22:00-06:00 0.12")
        await page.locator("#show-prices").click()
        await expect(page.locator("#prices-say")).to_contain_text("0.12 to €0.29")
        await expect(page.locator("#prices canvas")).to_be_visible()
        await page.locator("#q-broker_port").fill(str(home.broker.port))
        await page.locator("#try-broker").click()
        await expect(page.locator("#broker-says")).to_have_text("It takes us.")
        assert await page.evaluate("document.documentElement.scrollWidth") <= VIEW["width"]
        await page.locator("#write").click()
        await expect(page.locator("#story")).to_have_text(MEASURED)
        await expect(page.locator("#links li").first).to_have_text("Broker connected")
        await ask_how_it_is(page)
    settings = load_settings(home.config)
    assert {d.profile for d in settings.device} == {"fronius-gen24", "sunspec-meter", "keba-p30"}
    assert settings.battery.capacity_wh is None, "the device says it"


async def ask_how_it_is(page: Page) -> None:
    """The running gateway's own commands, each in a process of its own: a masked report, and what if."""
    await expect(page.locator("#well-table tbody tr")).to_have_count(3)
    await expect(page.locator("#well-table")).to_contain_text("fronius-gen24")
    async with page.expect_download(timeout=HANG_S * 1000) as waiting:
        await page.get_by_role("link", name="Report a problem").click()
    report = json.loads((await (await waiting.value).path()).read_text())
    assert report["running"]["live"]["devices"]
    await page.get_by_label("Battery, kWh").fill("20")
    await page.get_by_role("button", name="Work it out").click()
    await expect(page.locator("#what-if-says")).to_contain_text("the history has")


async def find_devices(page: Page, home: NewHome) -> None:
    """Search, and see what each device reads now."""
    await page.locator("#where").fill(home.devices)
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("#found > div")).to_have_count(3)
    await expect(page.locator("#found")).to_contain_text("inverter: Fronius Symo GEN24")
    await expect(page.locator("#found .live").first).to_contain_text("Charge")
    await expect(page.locator("#q-battery_capacity-about")).to_contain_text(
        "the device\N{RIGHT SINGLE QUOTATION MARK}s own figure, 13.5 kWh"
    )


@pytest.mark.parametrize(
    ("language", "fault"),
    [("es-ES", "no es un fusible, p. ej. 3x35 A"), ("ko-KR", "차단기 값이 아닙니다")],
)
async def test_a_reader_of_another_language_is_told_what_is_wrong_in_it(
    browser: Browser, tmp_path: Path, language: str, fault: str
) -> None:
    async with newcomer(browser, tmp_path, language) as (home, page):
        await page.goto(home.address)
        await page.locator("#q-fuse").fill("thick")
        await expect(page.locator("#q-fuse-fault")).to_contain_text(fault)
        await expect(page.locator("#q-fuse-fault")).not_to_contain_text("is no fuse")
        await page.locator("#show-prices").click()
        await expect(page.locator("#prices-say")).not_to_contain_text("is no fuse")
        shown = page.locator("h2:visible")
        numbers = [text.split(".")[0] for text in await shown.all_text_contents()][:-1]
        assert numbers == [str(i + 1) for i in range(len(numbers))], "sections not asked have none"
        assert await page.evaluate("document.documentElement.scrollWidth") <= VIEW["width"]


async def test_nothing_can_be_typed_before_the_questions_are_there(
    browser: Browser, tmp_path: Path
) -> None:
    """On a slow machine they come after the page; what was typed before would be overwritten."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        asked.set()
        await answered.wait()
        await route.continue_()

    async with newcomer(browser, tmp_path) as (home, page):
        await page.route("**/api/setup*", late)
        await page.goto(home.address)
        await asked.wait()
        await expect(page.locator("#where")).to_be_disabled()
        await expect(page.get_by_role("button", name="Search")).to_be_disabled()
        answered.set()
        await page.locator("#where").fill("127.0.0.1:1")
        await expect(page.locator("#q-name")).to_have_value("home")
        await expect(page.locator("#where")).to_have_value("127.0.0.1:1")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("#problems")).to_contain_text("127.0.0.1:1: nobody answers")


async def test_a_search_that_is_refused_says_why_until_the_next(
    browser: Browser, tmp_path: Path
) -> None:
    async with newcomer(browser, tmp_path) as (home, page):
        await page.goto(home.address)
        await page.locator("#where").fill("10.0.0.0/8")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("#search-says")).to_contain_text("at most 1,024")
        for _ in range(2):  # the news that come each second leave it there
            async with page.expect_response("**/api/found"):
                pass
        await expect(page.locator("#search-says")).to_contain_text("at most 1,024")
        await page.locator("#where").fill("127.0.0.1:1")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("#search-says")).to_have_text("Nothing was found.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_fault_in_the_set_up(
    browser: Browser, tmp_path: Path, axe: str, scheme: Any
) -> None:
    async with new_home(tmp_path, "setup", "--port", "0") as home:
        context = await browser.new_context(color_scheme=scheme, bypass_csp=True)
        page = await context.new_page()
        await page.goto(home.address)
        await find_devices(page, home)
        await page.locator("summary", has_text="not found").click()
        await page.locator("#q-import_price").fill("dear")
        await expect(page.locator("#q-import_price-fault")).not_to_be_empty()
        assert await faults_of(page, axe) == []
        await context.close()


async def test_only_the_browser_with_the_token_gets_in(tmp_path: Path) -> None:
    async with (
        new_home(tmp_path, "setup", "--port", "0") as home,
        aiohttp.ClientSession() as stranger,
    ):
        plain = home.address.partition("?")[0]
        for path in ("", "api/setup", "static/setup.js"):
            async with stranger.get(plain + path) as answer:
                assert answer.status == 401
                assert "has printed" in await answer.text()
        async with stranger.get(plain + "?token=guess") as answer:
            assert answer.status == 401
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as owner:
            async with owner.get(home.address) as answer:
                assert answer.status == 200
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            async with owner.post(plain + "api/search", json={"where": "10.0.0.0/8"}) as answer:
                assert "at most" in (await answer.json())["fault"]["text"]
            foreign = {"Origin": "http://evil.example"}
            async with owner.post(plain + "api/write", json={}, headers=foreign) as answer:
                assert answer.status == 403
            async with owner.get(plain, headers={"Host": "evil.example"}) as answer:
                assert answer.status == 421
            async with owner.post(plain + "api/write", json={"import_price": "0.2"}) as answer:
                assert "no device is chosen" in (await answer.json())["fault"]["text"]
        async with stranger.get(home.address) as answer:
            assert answer.status == 401, "the token opens one browser, once"
        assert not home.config.exists()
        home.daemon.terminate()
        assert await home.daemon.wait() == 1
