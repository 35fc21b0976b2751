"""The first numbers of the page: what today, this month and this year cost, and how much of it was the home's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.async_api import Browser, Page, expect

from gateway.bill.home import Shares
from gateway.dashboard.server import Dashboard
from tests.dashboard.homes import NOW, Source, bills

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_year_stands_beside_month_and_day(page: Page, source: Source) -> None:
    assert source.now is not None
    source.now = replace(source.now, bills=bills(), time=NOW + timedelta(minutes=1))
    tiles = page.locator("#tiles")
    await expect(tiles).to_contain_text("Bill today$1.40")
    await expect(tiles).to_contain_text("Bill this year$318.05 since 14 Mar")
    await expect(tiles).to_contain_text("Saved this year$91.20")
    await expect(tiles).to_contain_text("Self-sufficiency83\u00a0% month 71\u00a0%, year 64\u00a0%")
    began = bills().year
    new_year = NOW.replace(month=1, day=1, hour=6, minute=0, second=0)  # midnight in Chicago
    whole = replace(began, bill=replace(began.bill, start=new_year))
    source.now = replace(
        source.now,
        bills=replace(bills(), year=whole, self_sufficiency_pct=Shares()),
        time=NOW + timedelta(minutes=2),
    )
    await expect(tiles).not_to_contain_text("since")
    await expect(tiles).not_to_contain_text("Self-sufficiency")


async def test_prices_in_a_reason_are_written_as_the_reader_does(
    browser: Browser, dashboard: Dashboard
) -> None:
    page = await browser.new_page(locale="de-DE")
    try:
        await page.goto(f"http://127.0.0.1:{dashboard.port}/")
        await expect(page.locator("#why")).to_contain_text("eine kWh brächte 0,030 USD")
    finally:
        await page.close()


async def test_a_device_is_called_as_its_owner_calls_it(
    browser: Browser, dashboard: Dashboard
) -> None:
    page = await browser.new_page(locale="es-ES")
    try:
        await page.goto(f"http://127.0.0.1:{dashboard.port}/")
        await expect(page.locator(".device summary b").last).to_have_text("charger")
        await expect(page.locator("#well-table")).to_contain_text("charger")
    finally:
        await page.close()
