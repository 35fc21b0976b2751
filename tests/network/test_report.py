"""The report in a real browser: nothing from elsewhere, readable in both schemes, no axe fault."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from simulators.network.fast import HAS_NUMBA
from tests.dashboard.conftest import CHROMIUM, FLAGS, axe
from tests.network.test_study import SMALL, run

__all__ = ["axe"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not HAS_NUMBA:
        pytest.skip("numba is not installed: a year takes minutes")
    folder = tmp_path_factory.mktemp("report")
    code, _ = run(
        *SMALL, "--report", str(folder / "study.html"), "--json", str(folder / "study.json")
    )
    assert code == 0
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed")
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        await made.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_report_stands_alone_and_axe_finds_no_fault(
    browser: Browser, written: Path, axe: str, scheme: Any
) -> None:
    context = await browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = await context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    await page.goto((written / "study.html").as_uri())
    assert asked == [(written / "study.html").as_uri()]
    assert await page.locator("svg").count() >= 11
    for summary in await page.locator("summary").all():
        await summary.click()
    await page.evaluate(axe)
    found = await page.evaluate("axe.run()")
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]] == []
    assert faults == []
    await context.close()


async def test_the_report_says_what_the_json_says(browser: Browser, written: Path) -> None:
    document = json.loads((written / "study.json").read_text())
    page = await browser.new_page()
    await page.goto((written / "study.html").as_uri())
    text = await page.locator(".answer").inner_text()
    assert f"{document['saturation'][0]['usd_per_kwh_year']:.1f} USD a year" in text
    assert f"{1e3 * document['loop_gain']['price']:+.2f}" in text
    verdicts = await page.locator(
        "section:has-text('public figures') tbody td:first-child"
    ).all_inner_texts()
    words = {True: "pass", False: "fail", None: "not checked"}
    assert [words[row["pass"]] for row in document["validation"]] == verdicts[
        : len(document["validation"])
    ]
    assert {"name", "source", "expected", "got", "pass"} == set(document["validation"][0])
    await page.close()
