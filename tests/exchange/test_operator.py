"""The operator's hand on a running exchange: from the command line to what a gateway is answered."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.domain.intervals import floor_quarter, iso, parse_utc
from gateway.errors import ConfigError
from tests.exchange.conftest import tender_body

APP = make_app("simulators.cli", "x")
ROOT = Path(__file__).parents[2]


def operate(folder: Path, *words: str) -> Any:
    result = CliRunner().invoke(APP, ["operator", *words, "--state", str(folder)])
    if result.exception:
        raise result.exception
    return json.loads(result.output)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """`energy-sim exchange` as a process: its folder and its address."""
    folder = tmp_path / "state"
    words = ["--port", "0", "--insecure", "--no-participants", "--state"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from simulators.cli import main; main()", "exchange",
         *words, str(folder)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        yield folder, found.group()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def tendered(url: str, key: str) -> tuple[int, str]:
    """Status and title of the answer to a home's tender, two hours ahead."""

    async def ask() -> tuple[int, str]:
        async with aiohttp.ClientSession(
            headers={"Authorization": "Bearer insecure:home", "Idempotency-Key": key}
        ) as session:
            async with session.get(f"{url}/cts/party") as reply:
                now = parse_utc((await reply.json())["serverTime"])
            body = tender_body(
                key, "SELL", 100, 6_000, start=floor_quarter(now) + timedelta(hours=2)
            )
            async with session.post(f"{url}/cts/createTender", json=body) as reply:
                answer = await reply.json(content_type=None)
                return reply.status, str(answer.get("title", ""))

    return asyncio.run(ask())


def test_halt_resume_limit_and_revoke(exchange: tuple[Path, str]) -> None:
    folder, url = exchange
    assert oct((folder / "operator.sock").stat().st_mode & 0o777) == "0o600"
    assert operate(folder, "status")["halted_since"] is None
    assert tendered(url, "one")[0] == 201
    assert operate(folder, "halt")["halted_since"]
    assert tendered(url, "two") == (503, "halted")
    assert operate(folder, "resume")["halted_since"] is None
    assert tendered(url, "two") == (201, "")

    now = parse_utc(operate(folder, "status")["time"])
    span = iso(floor_quarter(now)), iso(floor_quarter(now) + timedelta(minutes=15))
    limited = operate(folder, "export-limit", *span)
    assert limited == {"intervals_without_fee": 1}, "its gate has closed"

    with pytest.raises(ConfigError, match="no party 'nobody'; there are charging-1"):
        operate(folder, "revoke", "nobody")
    assert operate(folder, "revoke", "home") == {"revoked": "home", "canceled_tenders": 2}
    assert tendered(url, "three") == (403, "party-revoked")
    assert operate(folder, "status")["revoked"] == ["home"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["status"], "no exchange runs on"),
        (["export-limit", "soon", "2026-06-01T19:00:00Z"], "no exchange runs on"),
    ],
)
def test_without_an_exchange(tmp_path: Path, words: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        operate(tmp_path, *words)


def test_a_wrong_time_is_one_line(exchange: tuple[Path, str]) -> None:
    with pytest.raises(ConfigError, match="'soon' is no time; write a UTC time like 2026"):
        operate(exchange[0], "export-limit", "soon", "2026-06-01T19:00:00Z")
