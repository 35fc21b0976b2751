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

from simulators.broker import free_port
from simulators.demo.options import Options
from simulators.demo.world import World, run_world
from tests.dashboard.conftest import CHROMIUM, FLAGS

SHOTS: dict[str, dict[str, Any]] = {
    "dashboard-light": {"viewport": {"width": 1280, "height": 1340}, "color_scheme": "light"},
    "dashboard-dark": {"viewport": {"width": 1280, "height": 1340}, "color_scheme": "dark"},
    "dashboard-phone": {"viewport": {"width": 390, "height": 1340}, "color_scheme": "light"},
}


async def take(world: World, folder: Path) -> None:
    await world.play(world.start + timedelta(hours=17), lambda _: None)
    page_server = world.gateway.agent.page
    assert page_server is not None
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, options in SHOTS.items():
            context = await browser.new_context(**options, locale="en-US")
            page = await context.new_page()
            await page.goto(f"http://127.0.0.1:{page_server.port}/")
            await page.wait_for_selector("#chart-price canvas")
            await page.screenshot(path=folder / f"{name}.png")
            await context.close()
        await browser.close()


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as state:
        await run_world(
            Options(seed=3, dashboard_port=free_port()),
            Path(state),
            lambda world: take(world, folder),
        )


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
