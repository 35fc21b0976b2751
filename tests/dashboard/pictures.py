"""The pictures of the page in docs/: a simulated home at five in the afternoon, and single sections of it in the evening.

python -m tests.dashboard.pictures docs/pictures
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright, expect

from simulators.broker import free_port
from simulators.demo.options import Options
from simulators.demo.world import World, run_world
from tests.dashboard.conftest import CHROMIUM, FLAGS

SHOTS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 1340}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 1340}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 1340}, "color_scheme": "light"},
}
# What the replay of the home's past needs to know of it, with a tariff by which it matters when energy is used.
CONFIG = """\
state_dir = "{state}"
[site]
time_zone = "America/Chicago"
reserve_pct = 20
export_limit_w = 8000
[[device]]
name = "inverter"
profile = "fronius-gen24"
host = "127.0.0.1"
[battery]
capacity_wh = 13500
[tariff]
export_price = {{ kind = "flat", per_kwh = "0.05" }}
[tariff.import_price]
kind = "time_of_use"
otherwise_per_kwh = "0.14"
periods = [{{ from = "16:00", to = "21:00", per_kwh = "0.34" }}, {{ from = "23:00", to = "06:00", per_kwh = "0.08" }}]
"""


async def take(world: World, folder: Path, state: Path) -> None:
    page_server = world.gateway.agent.page
    assert page_server is not None
    config = state / "gateway.toml"
    config.write_text(CONFIG.format(state=state / "gateway"))
    page_server._source._errands.config = config  # type: ignore[attr-defined]
    await world.play(world.start + timedelta(hours=17), lambda _: None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for part in (whole, sections):
            for name, options in SHOTS.items():
                context = await browser.new_context(**options, locale="en-US")
                page = await context.new_page()
                await page.goto(f"http://127.0.0.1:{page_server.port}/")
                await page.wait_for_selector("#chart-price canvas")
                await part(page, folder, name)
                await context.close()
            await evening(world)
        await browser.close()


async def evening(world: World) -> None:
    """Until the car draws from phases that were chosen for it."""
    until = world.clock.now() + timedelta(hours=14)

    def draws() -> bool:
        seen = world.gateway.agent.keeper.state.snapshot
        return seen is not None and any(c.phases and c.plugged for c in seen.chargers)

    while world.clock.now() < until and not draws():
        await world.play(world.clock.now() + timedelta(minutes=5), lambda _: None)


async def whole(page: Page, folder: Path, name: str) -> None:
    await page.screenshot(path=folder / f"dashboard-{name}.png")


async def sections(page: Page, folder: Path, name: str) -> None:
    await page.get_by_text("What happened").click()
    await page.locator(".device summary").last.click()
    await page.locator("#if-battery_kwh").fill("20")
    await page.get_by_role("button", name="Work it out").click()
    await expect(page.locator("#what-if-answer")).to_be_visible()
    for section, place in (("health", "#well"), ("what-if", "#what-if"), ("devices", ".health")):
        await page.locator(place).screenshot(path=folder / f"{section}-{name}.png")


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as state:
        await run_world(
            Options(seed=3, dashboard_port=free_port()),
            Path(state),
            lambda world: take(world, folder, Path(state)),
        )


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
