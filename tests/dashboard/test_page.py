"""The page in a real browser: every part is drawn, every command goes through, on any screen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from gateway.dashboard.password import hashed
from gateway.dashboard.server import Dashboard
from gateway.domain.control import PhaseReason
from gateway.domain.decisions import PhaseDecision
from gateway.domain.intervals import quarter_of
from gateway.domain.plan import OfferCurve
from gateway.domain.price import PriceSource
from gateway.domain.readings import ChargerState
from tests.dashboard.conftest import faults_of, settings
from tests.dashboard.homes import NOW, Source, bills

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, dashboard: Dashboard) -> AsyncIterator[Page]:
    """An open page; a script error, a refused resource or a foreign request fails the test."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    opened = await context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    opened.on("request", lambda request: _own(request.url, dashboard.port, faults))
    await opened.goto(f"http://127.0.0.1:{dashboard.port}/")
    await expect(opened.locator("#tenders tbody tr").first).to_be_visible()
    yield opened
    await context.close()
    assert faults == []


def _own(url: str, port: int, faults: list[str]) -> None:
    if not url.startswith(f"http://127.0.0.1:{port}/"):
        faults.append(f"asked elsewhere: {url}")


async def test_why_the_battery_did_it_stands_below_the_chart(page: Page) -> None:
    await expect(page.locator("#why")).to_contain_text("the battery charges: sold now a kWh brings")
    canvas = page.locator("#chart-power .u-over")
    box = await canvas.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * 3 / 48, box["y"] + 20)  # three in the morning
    await expect(page.locator("#why")).to_contain_text("serves the house: so it was")
    await page.mouse.move(2, 2)
    await expect(page.locator("#why")).to_contain_text("sold now a kWh brings")
    await page.locator("summary", has_text="Why: every decision").click()
    rows = page.locator("#why-table tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("09:0014:37")


async def test_the_past_by_day_week_month_and_year(page: Page) -> None:
    tiles = page.locator("#past-tiles > div")
    await expect(page.locator("#past-name")).to_have_text("Monday, 15 June 2026")
    await expect(tiles.first).to_have_text("Solar59.0 kWh before: 96.0 kWh")  # 59 quarter-hours
    await expect(tiles.last).to_have_text("Not from the grid83 % before: 83 %")
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
    await expect(page.locator("#notes")).to_contain_text("the charger does not answer")
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


async def test_devices(page: Page) -> None:
    await expect(page.locator(".device")).to_have_count(3)
    await expect(page.locator(".device").nth(2)).to_contain_text("does not answer")
    await expect(page.locator(".device").nth(1)).to_contain_text("1 bad reading")
    await page.locator(".device summary").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".device").first).to_contain_text("Battery state of charge")
    await expect(page.locator(".device").first).to_contain_text("86.4 %")


async def test_a_charger_shows_its_phases_and_why(page: Page, source: Source) -> None:
    assert source.now is not None
    assert source.now.snapshot is not None
    box = ChargerState("charger", 1380.0, True, phases=1)
    since, why = source.now.time - timedelta(minutes=9), "charges from 1 phase: so"
    span = PhaseDecision("charger", since, source.now.time, 1, PhaseReason.LITTLE, why)
    snapshot = replace(source.now.snapshot, chargers=(box,))
    source.now = replace(source.now, snapshot=snapshot, phases=(span,))
    card = page.locator(".device").nth(2)
    await expect(card.locator("summary")).to_contain_text("1 phase")
    await card.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(card.locator("p.hint").last).to_have_text(f"charger {why}")


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
    await expect(rows.first).to_contain_text("Mon 09:00Mon 10:008,000 Wh50 %0 %50 %$1.60")
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


@pytest.mark.parametrize(
    ("locale", "title", "money", "power"),
    [
        ("de-DE", "Jetzt", "18,34\N{NO-BREAK SPACE}$", "5,6 kW"),
        ("ko-KR", "지금", "$18.34", "5.6 kW"),
        ("es-ES", "Ahora", "18,34\N{NO-BREAK SPACE}$", "5,6 kW"),
    ],
)
async def test_the_page_speaks_the_reader_s_language(
    browser: Browser, dashboard: Dashboard, locale: str, title: str, money: str, power: str
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
        "the charger does not answer: the car's wish cannot be planned",
    }
    await page.locator("#language").select_option("en")
    await expect(page.locator("#now-title")).to_have_text("Now")
    await context.close()


async def test_a_limit_is_taken_away_by_an_empty_field(page: Page, source: Source) -> None:
    await page.locator("#command-export_limit_w input").fill("")
    await page.locator("#command-export_limit_w button").click()
    await expect(page.locator("#command-export_limit_w-answer")).to_have_text("Done.")
    assert source.asked[0][1]["value"] is None
    assert source.now is not None
    assert source.now.settings.export_limit_w is None


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


async def test_what_a_person_types_is_not_overwritten(page: Page, source: Source) -> None:
    await page.locator("#command-backup_reserve_pct input").fill("41")
    assert source.now is not None
    changed = {"backup_reserve_pct": 99.0, "export_limit_w": 99.0}
    source.now = replace(source.now, settings=source.now.settings.changed(changed))
    await expect(page.locator("#command-export_limit_w input")).to_have_value("99")
    await expect(page.locator("#command-backup_reserve_pct input")).to_have_value("41")


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
        plan=replace(plan, schedule=tuple(guessed), assumed=(said,)),
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
    back = {**devices, "charger": replace(devices["charger"], online=True, fault="")}
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
