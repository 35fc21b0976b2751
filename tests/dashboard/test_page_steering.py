"""Every command from the page, in a real browser: asked, answered, refused where it was asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import time as clock

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.homes import Source

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_command(page: Page, source: Source) -> None:
    async def apply(name: str) -> None:
        await page.locator(f"#command-{name} button").last.click()
        await expect(page.locator(f"#command-{name}-answer")).to_have_text("Done.")

    await page.locator("#command-backup_reserve_pct input").fill("35")
    await apply("backup_reserve_pct")
    await page.locator("#command-battery select").select_option("hold")
    await apply("battery")
    await page.locator("#command-export_limit_w input").fill("4200.5")
    await apply("export_limit_w")
    await apply("charge_now")
    await page.locator("#command-departure input[type=time]").fill("06:45")
    await page.locator("#command-departure [aria-label='Departure energy']").fill("12.5")
    await apply("departure")
    await apply("trading")
    await page.locator("#command-price_floor input").fill("0.035")
    await apply("price_floor")
    asked = {name: body["value"] for name, body in source.asked}
    assert asked == {
        "backup_reserve_pct": 35,
        "battery": "hold",
        "export_limit_w": 4200.5,
        "charge_now": True,
        "departure": {
            "time": "06:45",
            "energy_wh": 12500,
            "soc_pct": None,
            "days": "mon,tue,wed,thu,fri,sat,sun",
        },
        "trading": False,
        "price_floor": 0.035,
    }
    assert all(body["ts"].startswith("2026-06-15T19:37") for _, body in source.asked)
    assert len({body["id"] for _, body in source.asked}) == 7
    await expect(page.locator("#command-trading [role=switch]")).to_have_attribute("aria-checked", "false")  # fmt: skip


async def test_departures_in_the_home_s_own_time_and_kwh(page: Page, source: Source) -> None:
    form = page.locator("#command-departures")
    await form.get_by_role("button", name="Add a departure").click()
    await expect(form.get_by_label("Leaves at")).to_have_value("2026-06-16T07:00")
    await form.get_by_label("Leaves at").fill("2026-12-24T06:30")
    await form.get_by_label("Energy, kWh").fill("22.5")
    await form.get_by_role("button", name="Apply").click()
    await expect(page.locator("#command-departures-answer")).to_have_text("Done.")
    assert source.asked[0][1]["value"] == [{"at": "2026-12-24T12:30:00.000Z", "energy_wh": 22500}]
    await page.reload()  # what holds is shown as it was asked
    await expect(form.get_by_label("Leaves at")).to_have_value("2026-12-24T06:30")
    await form.get_by_role("button", name="Remove").click()
    await form.get_by_role("button", name="Apply").click()
    await expect(page.locator("#command-departures-answer")).to_have_text("Done.")
    assert source.asked[1][1]["value"] == []


async def test_on_which_days_the_car_leaves(page: Page, source: Source) -> None:
    days = page.locator("#command-departure fieldset")
    await days.get_by_label("Sat").uncheck()
    await days.get_by_label("Sun").uncheck()
    await page.locator("#command-departure button").last.click()
    await expect(page.locator("#command-departure-answer")).to_have_text("Done.")
    assert source.asked[0][1]["value"]["days"] == "mon,tue,wed,thu,fri"


async def test_a_limit_is_taken_away_by_an_empty_field(page: Page, source: Source) -> None:
    await page.locator("#command-export_limit_w input").fill("")
    await page.locator("#command-export_limit_w button").click()
    await expect(page.locator("#command-export_limit_w-answer")).to_have_text("Done.")
    assert source.asked[0][1]["value"] is None
    assert source.now is not None
    assert source.now.settings.export_limit_w is None


async def test_a_refused_command_says_why(page: Page, source: Source) -> None:
    source.refuse = "inverter: refused by the device (exception 3)"
    await page.locator("#command-trading [role=switch]").focus()
    await page.keyboard.press("Space")
    await expect(page.locator("#command-trading-answer")).to_have_text(source.refuse)
    await expect(page.locator("#command-trading [role=switch]")).to_have_attribute("aria-checked", "true")  # fmt: skip
    await expect(page.locator("#command-trading [role=switch]")).to_be_focused()


async def test_out_of_range_is_stopped_by_the_browser(page: Page, source: Source) -> None:
    await page.locator("#command-backup_reserve_pct input").fill("140")
    await page.locator("#command-backup_reserve_pct button").click()
    assert await page.evaluate("!document.querySelector('#command-backup_reserve_pct input').checkValidity()")  # fmt: skip
    assert source.asked == []


async def test_what_another_changes_meanwhile_is_not_set_back_unseen(
    page: Page, source: Source
) -> None:
    """Two people at one command of several values: mine goes with what holds of the rest; the same value is told."""
    form, answer = page.locator("#command-departure"), page.locator("#command-departure-answer")
    energy = form.locator("input[type=number]").first
    await energy.fill("22")
    assert source.now is not None
    others = {"departure_time": clock(5, 45)}
    source.now = replace(source.now, settings=source.now.settings.changed(others))
    await expect(form.locator("input[type=time]")).to_have_value("05:45")
    await expect(energy).to_have_value("22")
    await expect(answer).to_be_empty()
    source.now = replace(
        source.now, settings=source.now.settings.changed({"departure_energy_wh": 7_000.0})
    )
    await expect(answer).to_contain_text("changed elsewhere meanwhile")
    await form.get_by_role("button").last.click()
    await expect(answer).to_have_text("Done.")
    value = source.asked[0][1]["value"]
    assert (value["time"], value["energy_wh"]) == ("05:45", 22_000)


async def test_what_a_person_types_is_not_overwritten(page: Page, source: Source) -> None:
    await page.locator("#command-backup_reserve_pct input").fill("41")
    assert source.now is not None
    changed = {"backup_reserve_pct": 99.0, "export_limit_w": 99.0}
    source.now = replace(source.now, settings=source.now.settings.changed(changed))
    await expect(page.locator("#command-export_limit_w input")).to_have_value("99")
    await expect(page.locator("#command-backup_reserve_pct input")).to_have_value("41")
