"""Devices, health and what if on the page, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from gateway.domain.control import PhaseReason
from gateway.domain.decisions import PhaseDecision
from gateway.domain.readings import ChargerState
from gateway.domain.sentences import sentence
from tests.dashboard.homes import NOW, Source

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_charger_shows_its_phases_and_why(page: Page, source: Source) -> None:
    assert source.now is not None
    assert source.now.snapshot is not None
    box = ChargerState("charger", 1380.0, True, phases=1)
    since = source.now.time - timedelta(minutes=9)
    one = sentence("range", least="1.4", most="3.7 kW")
    why = sentence("phases.little", one=one, least="4.1 kW", all="3")
    span = PhaseDecision("charger", since, source.now.time, 1, PhaseReason.LITTLE, why)
    snapshot = replace(source.now.snapshot, chargers=(box,))
    source.now = replace(source.now, snapshot=snapshot, phases=(span,))
    card = page.locator(".device").nth(2)
    await expect(card.locator("summary")).to_contain_text("1 phase")
    await card.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(card.locator("p.hint").last).to_have_text(f"charger {why}")


async def test_the_home_s_health(page: Page, source: Source) -> None:
    alarms = page.locator("#alarms > li")
    await expect(alarms).to_have_count(2)
    await expect(alarms.first).to_contain_text("Restart the meter")
    await expect(alarms.last).to_contain_text("charger does not answer since Mon 14:37")
    await expect(alarms.last).to_contain_text("cannot connectIs it switched on")
    rows = page.locator("#well-table tbody tr")
    await expect(rows.nth(2)).to_contain_text("charger16.7 %Mon 14:37")
    await expect(rows.nth(2)).to_contain_text("P30 v 3.10.57keba-p30")
    await page.locator("summary", has_text="What happened").click()
    events = page.locator("#events-table tbody tr")
    await expect(events).to_have_count(3)
    await expect(events.first).to_contain_text("charger is lost: 192.168.1.30:502: cannot connect")
    await expect(events.last).to_contain_text("the gateway started")
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="Report a problem").click()
    assert (await waiting.value).suggested_filename == "energy-gateway-report.json"
    assert source.now is not None
    assert source.now.snapshot is not None
    devices = source.now.snapshot.devices
    back = {**devices, "charger": replace(devices["charger"], online=True, fault=None)}
    source.now = replace(
        source.now, notes=(), snapshot=replace(source.now.snapshot, devices=back),
        time=NOW + timedelta(minutes=1),
    )  # fmt: skip
    await expect(page.locator("#alarms")).to_have_text("All is well.")


async def test_what_the_past_would_have_cost_otherwise(page: Page, source: Source) -> None:
    await page.get_by_label("Battery, kWh").fill("20")
    await page.get_by_label("A kWh costs").fill("0.31")
    await page.get_by_role("button", name="Work it out").click()
    rows = page.locator("#what-if-table tbody tr")
    await expect(rows.last).to_have_text("With the gateway$40.00$36.00$4.00")
    await expect(page.locator("#what-if-says")).to_contain_text("3 quarter-hours were not known")
    assert source.wondered == [
        (
            "--last=14",
            "--battery-kwh=20.000000",
            "--import-price=0.310000",
            "--battery-now-kwh=13.500",
        )
    ]
    source.refuse = "the history has 0.3 days; at least 2 are needed"
    await page.get_by_role("button", name="Work it out").click()
    await expect(page.locator("#what-if-says")).to_have_text(source.refuse)
    await expect(rows.last).to_be_hidden()


async def test_devices(page: Page) -> None:
    await expect(page.locator(".device")).to_have_count(3)
    await expect(page.locator(".device").nth(2)).to_contain_text("does not answer")
    await expect(page.locator(".device").nth(1)).to_contain_text("1 bad reading")
    await page.locator(".device summary").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".device").first).to_contain_text("Battery state of charge")
    await expect(page.locator(".device").first).to_contain_text("86.4 %")
