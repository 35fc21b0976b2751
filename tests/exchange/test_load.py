"""The load generator: it trades, its figures are whole, and it finds an answer that is wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from simulators.load.light_home import Counts, LightHome, Offer, WrongAnswerError
from simulators.load.run import Load, run_load
from simulators.load.wire import Wire
from tests.exchange.test_kill import life

KEYS = [
    "homes",
    "hours",
    "missed_calls",
    "max_loop_block_ms",
    "final_cpu_s",
    "bytes_per_home_day",
    "tenders_per_s",
    "zero_sum_error",
    "wall_seconds",
]


def test_signed_homes_at_an_exchange_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    words = ["load", "--homes", "6", "--signed", "--hours", "1.5", "--json", str(file)]
    result = CliRunner().invoke(make_app("simulators.cli", "x"), words)
    assert result.exit_code == 0, result.output
    found = json.loads(file.read_text())
    assert list(found) == KEYS
    assert (found["homes"], found["hours"]) == (6, 1.5)
    assert (found["missed_calls"], found["zero_sum_error"]) == (0, 0)
    assert found["tenders_per_s"] > 0
    assert found["bytes_per_home_day"] > 0


async def _at(state: Path) -> Any:
    options = ("--no-participants", "--rate", "600", "--start", "2026-06-01T12:00:00Z")
    async with life(state, *options) as (_, url):
        return await run_load(Load(homes=3, hours=1, url=url, rate=600))


def test_at_an_exchange_that_runs_already(tmp_path: Path) -> None:
    found = asyncio.run(_at(tmp_path))
    assert found.tenders_per_s > 0
    assert found.zero_sum_error is None  # only the exchange itself can say


def _fill(**more: Any) -> dict[str, Any]:
    detail = {"price": 5_000, "quantity": 100, "interval": {"dtStart": "2026-06-01T13:00:00Z"}}
    return {"seq": 1, "tender": {"tenderId": "t", "side": "SELL", "tenderDetail": detail} | more}


@pytest.mark.parametrize("side", ["SELL", "BUY"])
def test_a_wrong_answer_is_found(side: str) -> None:
    """A fill of no tender of ours, worse than its limit, more than was offered, an account that differs."""
    wire = Wire("http://127.0.0.1:1")
    home = LightHome("home-0", wire, Counts(), None)
    with pytest.raises(WrongAnswerError, match="no tender of ours"):
        home._fill(_fill())
    row: dict[str, Any] = {"tenderId": "t", "ordRejReason": None, "marketOrderId": "0" * 32}
    row["response"] = {"responseCode": 201}
    worse = 5_010 if side == "SELL" else 4_990
    home._created("t", Offer(side, worse, 1_000), row)
    with pytest.raises(WrongAnswerError, match="within its tender"):
        home._fill(_fill(side=side))
    home._created("t", Offer(side, 5_000, 90), row)
    with pytest.raises(WrongAnswerError, match="within its tender"):
        home._fill(_fill(side=side))
