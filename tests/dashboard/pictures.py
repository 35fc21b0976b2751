"""The pictures of the page in docs/: a simulated home at five in the afternoon.

python -m tests.dashboard.pictures docs/pictures
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from gateway.dashboard.server import Dashboard
from gateway.publishing.desk import CommandDesk
from gateway.service.steering import ServiceSteering
from gateway.service.viewing import PageSource
from simulators.demo.options import Options
from simulators.demo.world import World, run_world
from tests.dashboard.conftest import CHROMIUM, FLAGS, settings

SHOTS: dict[str, dict[str, Any]] = {
    "dashboard-light": {"viewport": {"width": 1280, "height": 1340}, "color_scheme": "light"},
    "dashboard-dark": {"viewport": {"width": 1280, "height": 1340}, "color_scheme": "dark"},
    "dashboard-phone": {"viewport": {"width": 390, "height": 1340}, "color_scheme": "light"},
}


async def take(world: World, folder: Path) -> None:
    await world.play(world.start + timedelta(hours=17), lambda _: None)
    parts = world.gateway
    desk = CommandDesk(
        ServiceSteering(parts.present, parts.journal, parts.clock), parts.seen, parts.clock
    )
    source = PageSource(
        parts.present, parts.journal, parts.history, parts.publisher, desk, parts.clock
    )
    dashboard = Dashboard(settings(), source)
    port = await dashboard.start()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, options in SHOTS.items():
            context = await browser.new_context(**options, locale="en-US")
            page = await context.new_page()
            await page.goto(f"http://127.0.0.1:{port}/")
            await page.wait_for_selector("#chart-price canvas")
            await page.screenshot(path=folder / f"{name}.png")
            await context.close()
        await browser.close()
    await dashboard.stop()


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as state:
        await run_world(Options(seed=3), Path(state), lambda world: take(world, folder))


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
