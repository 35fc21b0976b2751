"""The past, its reasons and the car's sessions on the page, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.homes import Source

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_why_the_battery_did_it_stands_below_the_chart(page: Page) -> None:
    await expect(page.locator("#why")).to_contain_text("the battery charges: a kWh would bring")
    canvas = page.locator("#chart-power .u-over")
    box = await canvas.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 3 / 48, box["y"] + 20)  # three in the morning
    await expect(page.locator("#why")).to_contain_text("serves the house: a kWh saves")
    await page.mouse.move(2, 2)
    await expect(page.locator("#why")).to_contain_text("a kWh would bring 0.030 USD")
    await page.locator("summary", has_text="Why: every decision").click()
    rows = page.locator("#why-table tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("09:0014:37")


async def test_the_past_by_day_week_month_and_year(page: Page) -> None:
    tiles = page.locator("#past-tiles > div")
    await expect(page.locator("#past-name")).to_have_text("Monday, 15 June 2026")
    await expect(tiles.first).to_have_text("Solar59.0 kWh before: 96.0 kWh")  # 59 quarter-hours
    await expect(tiles.last).to_have_text("Self-sufficiency83 % before: 83 %")
    await expect(page.locator("#past-next")).to_be_disabled()
    await page.get_by_role("button", name="Earlier").click()
    await expect(page.locator("#past-name")).to_have_text("Sunday, 14 June 2026")
    await page.get_by_role("button", name="Week").click()
    await expect(page.locator("#past-name")).to_have_text("Week from 8 June 2026")
    await page.locator("summary", has_text="The past as a table").click()
    await expect(page.locator("#past-table tbody tr")).to_have_count(7)
    await page.get_by_role("button", name="Later").click()
    await page.get_by_role("button", name="Year").click()
    await expect(page.locator("#past-name")).to_have_text("2026")
    await expect(page.locator("#chart-past canvas")).to_be_visible()
    async with page.expect_download() as waiting:
        await page.locator("#past-csv").click()
    download = await waiting.value
    assert download.suggested_filename == "energy-year-2026-01-01.csv"


async def test_a_page_left_open_goes_on_with_the_next_day(page: Page, source: Source) -> None:
    """Also where a person came back to today; a day that was chosen stays, and is seen whole when it is over."""
    name, tile = page.locator("#past-name"), page.locator("#past-tiles > div").first
    await page.get_by_role("button", name="Earlier").click()
    await expect(name).to_have_text("Sunday, 14 June 2026")
    await page.get_by_role("button", name="Later").click()
    await expect(name).to_have_text("Monday, 15 June 2026")
    assert source.now is not None
    source.now = replace(source.now, time=source.now.time + timedelta(hours=10))
    await expect(name).to_have_text("Tuesday, 16 June 2026")
    await page.get_by_role("button", name="Earlier").click()
    await expect(tile).to_contain_text("Solar96.0 kWh")
    source.now = replace(source.now, time=source.now.time + timedelta(hours=1))
    await expect(page.locator("#clock")).to_contain_text("1:37")
    await expect(name).to_have_text("Monday, 15 June 2026")


async def test_the_day_of_a_clock_change_is_compared_by_the_clock(page: Page) -> None:
    """In Chicago 8 March 2026 has 23 hours, and its noon stands beside the noon of the day before."""
    found = await page.evaluate("""async () => {
        const { other } = await import('/static/charts.js');
        const at = (first, count) => [...Array(count).keys()].map((i) => first + 900 * i);
        const short = at(Date.parse("2026-03-08T06:00Z") / 1000, 92), before = at(Date.parse("2026-03-07T06:00Z") / 1000, 96);
        const past = { period: "day", time: short, time_zone: "America/Chicago", compared: { columns: { time: before, pv_wh: before.map((_, i) => i) } } };
        const beside = other(past, "pv_wh");
        return [beside[0], beside[7], beside[8], beside.at(-1), beside.length];
    }""")
    assert found == [0, 7, 12, 95, 92], "two o'clock is left out"


async def test_the_past_beside_its_plan_or_another_time(page: Page) -> None:
    tile = page.locator("#past-tiles > div").first
    beside = page.locator("#past-beside")
    await beside.select_option("day")
    await expect(tile).to_have_text("Solar59.0 kWh planned: 40.0 kWh")
    await beside.select_option("hour")
    await expect(tile).to_have_text("Solar59.0 kWh planned: 72.0 kWh")
    await page.get_by_role("button", name="Month").click()  # a month has no plan
    await expect(beside).to_have_value("before")
    await beside.select_option("year")
    await expect(tile).to_contain_text("a year earlier: \N{EN DASH}")


async def test_the_car_s_sessions_and_its_wish(page: Page, source: Source) -> None:
    rows = page.locator("#car-table tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("Mon 09:00Mon 10:008.0 kWh50 %0 %50 %$1.60")
    await expect(page.locator("#car-tiles")).to_contain_text("Cost$4.80")
    async with page.expect_download() as waiting:
        await page.locator("#car").get_by_role("link", name="CSV").click()
    assert (await waiting.value).suggested_filename == "car.csv"
    slider = page.locator("#command-car_more_per_kwh input[type=range]")
    said = page.locator("#command-car_more_per_kwh .means")
    await slider.fill("0")
    await expect(said).to_have_text("charges in 0 h of the next 34 h")
    await slider.press("End")
    await expect(said).to_have_text("charges in 34 h of the next 34 h")
    await page.locator("#command-car_more_per_kwh button").click()
    await expect(page.locator("#command-car_more_per_kwh-answer")).to_have_text("Done.")
    assert source.asked[0][1]["value"] > 0.14
