"""The page in a real browser: every part is drawn, every command goes through, on any screen."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from gateway.dashboard.password import hashed
from gateway.dashboard.server import Dashboard
from gateway.domain.intervals import quarter_of
from gateway.domain.plan import OfferCurve
from gateway.domain.price import PriceSource
from gateway.domain.sentences import other, sentence
from gateway.languages import translated
from gateway.languages.sentences import told
from tests.dashboard.conftest import faults_of, settings
from tests.dashboard.homes import NOW, Source, bills

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_the_home_does_now(page: Page) -> None:
    await expect(page.locator("h1")).to_have_text("home")
    await expect(page.locator("#story")).to_have_text(
        "Exporting 2.7 kW, charging 2.4 kW (the battery charges: energy is cheap now)."
    )
    flow = await page.locator("#flow text").all_text_contents()
    assert {"5.6 kW", "2.7 kW", "2.4 kW", "520 W", "86 %"} <= set(flow)
    assert await page.locator("#flow .stream").count() == 3  # the car stands still
    tiles = await page.locator("#tiles > div").all_text_contents()
    assert "One more stored kWh is worth0.071 $/kWh" in tiles
    assert "Account, total$18.34" in tiles
    await expect(page.locator("#notes")).to_contain_text("the car cannot be ready by")
    await expect(page.locator("#clock")).to_have_text("14:37:12")


async def test_charts_are_drawn_with_measured_and_planned(page: Page) -> None:
    for chart in ("#chart-power", "#chart-price", "#chart-offer"):
        box = await page.locator(f"{chart} canvas").first.bounding_box()
        assert box is not None
        assert box["width"] > 300
        ink = await page.evaluate(
            """(place) => { const c = document.querySelector(place + ' canvas');
            return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3 && v > 0).length; }""",
            chart,
        )
        assert ink > 1000
    await page.get_by_text("The plan as a table").click()
    assert await page.locator("#plan-table tbody tr").count() == 33  # hours up to midnight tomorrow
    await page.get_by_text("The offer as a table").click()
    assert await page.locator("#offer-table tbody tr").count() == 5


async def test_tables_by_keyboard(page: Page) -> None:
    await page.locator("#tab-tenders").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#tab-fills")).to_be_focused()
    await expect(page.locator("#fills tbody tr")).to_have_count(13)
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#pane-deliveries")).to_be_visible()
    await expect(page.locator("#pane-tenders")).to_be_hidden()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#tab-tenders")).to_be_focused()


@pytest.mark.parametrize(
    ("locale", "title", "money", "power"),
    [
        ("de-DE", "Jetzt", "18,34\N{NO-BREAK SPACE}$", "5,6 kW"),
        ("ko-KR", "지금", "$18.34", "5.6 kW"),
        ("es-ES", "Ahora", "18,34\N{NO-BREAK SPACE}$", "5,6 kW"),
    ],
)
async def test_the_page_speaks_the_reader_s_language(
    browser: Browser,
    dashboard: Dashboard,
    source: Source,
    locale: str,
    title: str,
    money: str,
    power: str,
) -> None:
    """Every text of ours is in the catalogue: what is not is a name, a number, or the gateway's free text."""
    context = await browser.new_context(locale=locale, viewport={"width": 390, "height": 844})
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{dashboard.port}/")
    await expect(page.locator("#now-title")).to_have_text(title)
    await expect(page.locator("#tiles")).to_contain_text(money)
    await expect(page.locator("#flow")).to_contain_text(power)
    await expect(page.locator("#car-table tbody tr").first).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == locale[:2]
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    missed = set(
        await page.evaluate("import('/static/words.js').then((words) => [...words.missed])")
    )
    ours = {text for text in missed if not re.search(r"\d|kW|Wh|\$", text) and len(text) > 3}
    assert ours <= {
        "home",
        "inverter",
        "meter",
        "spot",
    }
    lost = told(locale[:2], sentence("lost.unreachable", where="192.168.1.30:502"))
    await expect(page.locator("#alarms > li").last.locator("p").first).to_have_text(lost)
    source.refuse = "no car is plugged in"
    await page.locator("#command-charge_now [role=switch]").click()
    answer = page.locator("#command-charge_now-answer")
    await expect(answer).to_have_text(translated(locale[:2], source.refuse))
    await page.locator("#language").select_option("en")
    await expect(page.locator("#now-title")).to_have_text("Now")
    await context.close()


async def test_seven_tabs_share_one_stream(
    page: Page, dashboard: Dashboard, source: Source
) -> None:
    """A browser holds six connections to a host; the seventh tab must live, too."""
    tabs = [page]
    for _ in range(6):
        tab = await page.context.new_page()
        await tab.goto(f"http://127.0.0.1:{dashboard.port}/")
        tabs.append(tab)
    for tab in tabs:
        await expect(tab.locator("h1")).to_have_text("home")
    assert len(dashboard._streams) == 1
    assert source.now is not None
    source.now = replace(source.now, site="another")
    for tab in tabs:
        await expect(tab.locator("h1")).to_have_text("another")
    await tabs[-1].locator("#command-trading [role=switch]").click()
    await expect(tabs[-1].locator("#command-trading-answer")).to_have_text("Done.")
    for tab in tabs:
        await tab.close()
    while dashboard._streams:
        await asyncio.sleep(0.05)


async def test_what_a_person_selects_and_opens_outlives_the_news(
    page: Page, source: Source
) -> None:
    await page.locator(".device summary").first.click()
    await page.evaluate(
        """() => { const row = [...document.querySelectorAll('.device td')].find((td) => td.textContent === 'State of charge'
            || td.textContent === 'Battery state of charge');
          getSelection().selectAllChildren(row); window.marked = row; window.drawn = document.querySelector('#chart-power canvas'); }"""
    )
    assert source.now is not None
    assert source.now.snapshot is not None
    seen = replace(source.now.snapshot, grid_w=-1111.0)
    later = source.now.time + timedelta(minutes=1)
    source.now = replace(source.now, snapshot=seen, time=later, offer=None)
    await expect(page.locator("#story")).to_contain_text("Exporting 1.1 kW")
    await expect(page.locator("#clock")).to_have_text("14:38:12")
    await expect(page.locator("#offer-text")).to_contain_text("No offer")  # and so the day's charts
    assert await page.evaluate("getSelection().toString()") == "Battery state of charge"
    assert await page.evaluate("window.marked.isConnected")
    assert await page.evaluate("window.drawn.isConnected"), "the chart was filled, not made anew"
    await expect(page.locator(".device").first).to_have_attribute("open", "")


async def test_missing_values_are_dashes(page: Page, source: Source) -> None:
    assert source.now is not None
    assert source.now.snapshot is not None
    dark = replace(source.now.snapshot, grid_w=None, pv_w=None, load_w=None, charger_w=None)
    source.now = replace(
        source.now, snapshot=dark, stored_value_per_kwh=None, links={"Broker": False}
    )
    await expect(page.locator("#story")).to_contain_text("does not answer")
    await expect(page.locator("#links li")).to_have_text("Broker lost")
    flow = await page.locator("#flow text").all_text_contents()
    assert flow.count("\N{EN DASH}") == 4
    assert "Car" in flow, "it is lost, not absent"


async def test_what_a_home_does_not_have_is_not_shown(page: Page, source: Source) -> None:
    assert source.now is not None
    assert source.now.snapshot is not None
    await expect(page.get_by_role("heading", name="Backup reserve")).to_be_visible()
    meter = {"meter": source.now.snapshot.devices["meter"]}
    only = replace(
        source.now.snapshot, devices=meter, pv_w=None, battery_w=None, load_w=None,
        charger_w=None, car_plugged=None,
    )  # fmt: skip
    source.now = replace(source.now, snapshot=only, offer=OfferCurve(quarter_of(NOW), ()))
    await expect(page.get_by_role("heading", name="Backup reserve")).to_be_hidden()
    await expect(page.get_by_role("heading", name="The car leaves")).to_be_hidden()
    await expect(page.get_by_role("heading", name="Export limit")).to_be_visible()
    assert await page.locator("#flow text").all_text_contents() == [
        "Grid", "2.7 kW", "Home", "\N{EN DASH}",
    ]  # fmt: skip
    await expect(page.locator("#story")).to_have_text("Exporting 2.7 kW.")
    await expect(page.locator("#tiles")).not_to_contain_text("One more stored kWh")


async def test_a_home_without_an_exchange_shows_no_trade(page: Page, source: Source) -> None:
    assert source.now is not None
    source.now = replace(source.now, trading=None, account_money=None, position_wh=None)
    await expect(page.locator("#tiles > div")).to_have_count(3)
    await expect(page.locator("#tenders")).to_be_hidden()
    await expect(page.locator("#chart-offer")).to_be_hidden()


async def test_a_price_that_nobody_has_published_is_a_dash_and_an_estimate(
    page: Page, source: Source
) -> None:
    assert source.now is not None
    plan = source.now.plan
    assert plan is not None
    guessed = [replace(c, import_source=PriceSource.YESTERDAY) for c in plan.schedule]
    said = "import price from Tue 00:00 to Wed 00:00 is not published: planned by yesterday"
    source.now = replace(
        source.now,
        trading=None,
        bills=bills(),
        import_price_per_kwh=None,
        import_estimate_per_kwh=0.2745,
        plan=replace(plan, schedule=tuple(guessed), assumed=(other(said),)),
        time=NOW + timedelta(minutes=1),
    )
    tiles = page.locator("#tiles")
    await expect(tiles).to_contain_text("\N{EN DASH} not known; planned with 0.275")
    await expect(tiles).to_contain_text("Bill this month$42.10")
    await expect(tiles).to_contain_text("Without the gateway$55.00")
    await expect(page.locator("#notes")).to_contain_text(said)
    await expect(page.locator("#plan-table")).to_contain_text("\N{ALMOST EQUAL TO} 0.140")
    await expect(page.locator("#plan-table")).not_to_contain_text("Market")
    await expect(page.locator("#chart-price .u-legend")).not_to_contain_text("Market")


async def test_a_bill_that_is_not_whole_says_so(page: Page, source: Source) -> None:
    assert source.now is not None
    whole = bills()
    lacking = replace(
        whole.month, bill=replace(whole.month.bill, unpriced_wh=3_100), programme_unknown=2
    )
    now = NOW + timedelta(minutes=1)
    source.now = replace(source.now, bills=replace(whole, month=lacking), time=now)
    await expect(page.locator("#tiles")).to_contain_text(
        "Bill this month$42.10 without 3.1 kWh of unknown price without what the programme still owes"
    )
    await expect(page.locator("#tiles")).to_contain_text("Bill today$1.40")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_no_side_scrolling(
    browser: Browser, dashboard: Dashboard, scheme: Any, width: int
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme
    )
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{dashboard.port}/")
    await expect(page.locator("#tenders tbody tr").first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await context.close()


@pytest.mark.parametrize("language", ["ko", "es", "de", "en"])
async def test_a_time_in_a_narrow_table_takes_two_lines_at_most(
    browser: Browser, dashboard: Dashboard, language: str
) -> None:
    context = await browser.new_context(viewport={"width": 320, "height": 844}, locale=language)
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{dashboard.port}/")
    time = page.locator("#tenders tbody tr td").first
    await expect(time).to_be_visible()
    lines = await time.evaluate(
        "cell => { const range = document.createRange(); range.selectNodeContents(cell);"
        " return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size; }"
    )
    assert lines <= 2, await time.inner_text()
    await context.close()


async def test_login_in_the_browser(browser: Browser, source: Source, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(hashed("correct horse", 16))
    guarded = Dashboard(settings(password_file=file), source)
    await guarded.start()
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{guarded.port}/")
    await page.get_by_label("Password").fill("correct horse")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("home")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    await context.close()
    await guarded.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_fault(
    browser: Browser, dashboard: Dashboard, axe: str, scheme: Any
) -> None:
    context = await browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = await context.new_page()
    for path in ("/", "/login"):
        await page.goto(f"http://127.0.0.1:{dashboard.port}{path}")
        if path == "/":
            await expect(page.locator("#tenders tbody tr").first).to_be_visible()
            await page.get_by_text("The plan as a table").click()
            await page.locator(".device summary").first.click()
        assert await faults_of(page, axe) == [], path
    await context.close()
