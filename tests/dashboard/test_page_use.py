"""The page as people use it: for a whole day in one tab, by keyboard alone, at 200 %, without motion."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser, CDPSession, Page, expect

from gateway.clock import WallClock
from gateway.dashboard.server import Dashboard
from tests.dashboard.conftest import settings
from tests.dashboard.homes import Source

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEP, STEPS = timedelta(minutes=10), 144  # a day
WARM = 18  # three hours, until all that the page keeps for good is there
FOCUSABLE = "a[href], button, input, select, summary, [tabindex='0']"
SHOWN = "(element) => element.checkVisibility() && !element.disabled && element.tabIndex >= 0"


@asynccontextmanager
async def opened(browser: Browser, port: int, **how: Any) -> AsyncIterator[Page]:
    context = await browser.new_context(locale="en-GB", **how)
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{port}/")
    await expect(page.locator("#tenders tbody tr").first).to_be_visible()
    yield page
    await context.close()


async def memory(devtools: CDPSession) -> tuple[int, int, int]:
    """Bytes of the heap, nodes and listeners, after all that nobody holds is gone."""
    found = []
    for _ in range(3):  # what was let go of last is sometimes seen as garbage by the next look
        await devtools.send("HeapProfiler.collectGarbage")
        used = await devtools.send("Runtime.getHeapUsage")
        counted = await devtools.send("Memory.getDOMCounters")
        found.append((int(used["usedSize"]), counted["nodes"], counted["jsEventListeners"]))
    return min(found)


async def test_a_tab_that_stays_open_for_a_day_keeps_its_memory(browser: Browser) -> None:
    """Each ten minutes of a day are told and drawn: after them the page holds what it held after three hours."""
    source = Source()
    served = Dashboard(settings(), source, clock=WallClock(rate=100))
    await served.start()
    async with opened(browser, served.port) as page:
        devtools = await page.context.new_cdp_session(page)
        warm = (0, 0, 0)
        for step in range(1, STEPS + 1):
            assert source.now is not None
            source.now = replace(source.now, time=source.now.time + STEP)
            here = source.now.time.astimezone(ZoneInfo(source.now.time_zone))
            await page.wait_for_function(
                "(text) => document.querySelector('#clock').textContent === text",
                arg=f"{here:%H:%M:%S}",
                polling="raf",
                timeout=0,
            )
            if step == WARM:
                warm = await memory(devtools)
        heap, nodes, listeners = await memory(devtools)
        assert heap - warm[0] < 1_000_000, "8 kB a drawing"
        assert nodes - warm[1] < 1_500
        assert listeners - warm[2] < 20
    await served.stop()


async def test_all_that_can_be_used_is_reached_by_the_keyboard_in_its_order(page: Page) -> None:
    for part in ("#past-tiles > div", "#car-table tbody tr", "#well-table tbody tr"):
        await expect(page.locator(part).first).to_be_visible()
    await expect(page.locator("#past-next")).to_be_disabled()
    await expect(page.locator("#what-if")).to_be_visible()
    wanted = await page.evaluate(
        f"""() => {{ window.seen = [...document.querySelectorAll("{FOCUSABLE}")].filter({SHOWN}); return window.seen.length; }}"""
    )
    assert wanted > 40
    await page.evaluate("document.activeElement.blur()")
    reached: list[int] = []
    while reached[-1:] != [wanted - 1] and len(reached) < 3 * wanted:  # a time has several fields
        await page.keyboard.press("Tab")
        place, marked = await page.evaluate(
            """() => { const at = document.activeElement, look = getComputedStyle(at);
            return [window.seen.indexOf(at), look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0]; }"""
        )
        assert marked, "where the focus is can be seen"
        reached.append(place)
    assert list(dict.fromkeys(reached)) == list(range(wanted))
    assert reached == sorted(reached)


@pytest.mark.parametrize(
    "how",
    [
        {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2},  # 1280 at 200 %
        {"viewport": {"width": 768, "height": 1024}},  # a tablet
        {"viewport": {"width": 1280, "height": 900}},
    ],
)
async def test_at_200_percent_nothing_is_cut(
    browser: Browser, dashboard: Dashboard, how: Any
) -> None:
    async with opened(browser, dashboard.port, **how) as page:
        if how["viewport"]["width"] == 1280:  # text alone, as phones and some browsers do
            await page.evaluate("document.documentElement.style.fontSize = '200%'")
        width = how["viewport"]["width"]
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        cut = await page.evaluate(
            """() => [...document.querySelectorAll('button, .tiles dd, .tiles dt, h1, h2, .pills li')]
            .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML.slice(0, 100))"""
        )
        assert cut == []


async def test_who_wants_no_motion_sees_none(browser: Browser, dashboard: Dashboard) -> None:
    async with opened(browser, dashboard.port, reduced_motion="reduce") as page:
        assert await page.locator("#flow .stream").count() > 0
        moving = await page.evaluate(
            "document.getAnimations().filter((each) => each.playState === 'running').length"
        )
        assert moving == 0
    async with opened(browser, dashboard.port, reduced_motion="no-preference") as page:
        assert await page.evaluate("document.getAnimations().length") > 0
