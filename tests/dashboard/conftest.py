"""A served page, and a real browser to look at it."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from gateway.config.agent_settings import Dashboard as DashboardSettings
from gateway.dashboard.server import Dashboard
from tests.dashboard.homes import Source
from tests.waiting import HANG_S

CHROMIUM = Path("/usr/bin/chromium")
expect.set_options(timeout=HANG_S * 1000)

AXE = "axe-core@4.14.1"

HAS_CHROMIUM = CHROMIUM.exists()
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def settings(**more: Any) -> DashboardSettings:
    return DashboardSettings.model_validate({"port": 0, **more})


@pytest.fixture
def source() -> Source:
    return Source()


@pytest_asyncio.fixture(loop_scope="module")
async def dashboard(source: Source) -> AsyncIterator[Dashboard]:
    served = Dashboard(settings(), source, metrics=lambda: b"energy_gateway_up 1\n")
    await served.start()
    yield served
    await served.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests of a module: it takes seconds to start."""
    if not HAS_CHROMIUM:
        pytest.skip("chromium is not installed")
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        await made.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run(
            ["npm", "pack", "--silent", AXE],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=60,
        )
        packed = next(folder.glob("*.tgz"))
        subprocess.run(["tar", "xzf", packed.name], cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        pytest.skip(f"axe-core cannot be fetched: {error}")
    return (folder / "package" / "axe.min.js").read_text()


async def faults_of(page: Page, axe: str) -> list[tuple[str, str, str]]:
    """What axe finds against the page as it stands: rule, weight, and the first place."""
    await page.evaluate(axe)
    found = await page.evaluate("axe.run()")
    return [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found["violations"]]


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
