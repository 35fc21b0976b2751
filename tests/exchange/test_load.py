"""The load generator: it trades, its figures are whole, and it finds an answer that is wrong."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.clock import SimClock
from gateway.errors import ConfigError, GatewayError
from simulators.exchange import ExchangeHandle
from simulators.load import run
from simulators.load.light_home import Counts, LightHome, Offer, WrongAnswerError
from simulators.load.run import Load, run_load
from simulators.load.signer import Signer
from simulators.load.wire import Wire
from simulators.participants.credential import Credential
from tests.exchange.conftest import Wire as SignedWire
from tests.exchange.conftest import play
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


AT_600 = ("--rate", "600", "--start", "2026-06-01T12:00:00Z")


async def _twice(state: Path, signed: bool) -> list[Any]:
    folder = state / "credentials"
    if signed:  # parties with files: those of a load's own exchange
        await run_load(Load(homes=3, hours=0.25, signed=True, folder=state))
    async with life(state, *AT_600) as (_, url):
        load = Load(homes=3, hours=0.5, url=url, rate=600, signed=signed, credentials=folder)
        return [await run_load(load), await run_load(load)]


@pytest.mark.parametrize("signed", [False, True])
def test_at_an_exchange_that_runs_already(tmp_path: Path, signed: bool) -> None:
    """With the network's own buyers and homes, and again where the load has traded before."""
    for found in asyncio.run(_twice(tmp_path, signed)):
        assert found.tenders_per_s > 0
        assert found.zero_sum_error is None  # only the exchange itself can say


def test_missed_calls_are_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine for which no call period is long enough; and how far it is, is told."""
    monkeypatch.setattr(run, "_CALL", timedelta(microseconds=1))
    monkeypatch.setattr(run, "_TELL_S", 0.0)
    file = tmp_path / "load.json"
    words = ["load", "--homes", "1", "--hours", "0.5", "--json", str(file)]
    result = CliRunner().invoke(make_app("simulators.cli", "x"), words)
    missed = json.loads(file.read_text())["missed_calls"]
    assert missed > 0
    assert (result.exit_code, f"error: {missed} calls were missed" in result.stderr) == (1, True)
    assert "of 0.5 hours" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--homes", "1000000000"), "--homes"),
        (("--hours", "inf"), "--hours"),
        (("--json", "/no/such/folder/load.json"), "--json /no/such/folder/load.json: name a file"),
        (("--url", "localhost:8900"), "--url localhost:8900: write the address as http://"),
        (("--url", "http://localhost:99999"), "write the address as http://"),
        (("--url", "https://localhost:1", "--ca", "/no/such.pem"), "--ca /no/such.pem"),
        (("--state", "/dev/null/state"), "/dev/null/state"),
        (("--url", "http://127.0.0.1:1"), "GET /cts/party: ConnectionRefusedError"),
        (("--url", "http://127.0.0.1:1", "--signed"), "--signed with --url needs --credentials"),
    ],
)
def test_what_cannot_be_played_is_said_in_one_line(words: tuple[str, ...], said: str) -> None:
    asked = ["load", "--homes", "1", "--hours", "0.25", *words]
    result = CliRunner().invoke(make_app("simulators.cli", "x"), asked)
    assert result.exit_code != 0
    if isinstance(result.exception, GatewayError):  # `run_app` prints it
        assert said in str(result.exception)
        assert "\n" not in str(result.exception)
    else:
        assert said in result.output


def test_a_clock_at_another_rate_is_no_fault_of_the_exchange(tmp_path: Path) -> None:
    async def story() -> None:
        options = ("--no-participants", "--rate", "600", "--start", "2026-06-01T12:00:00Z")
        async with life(tmp_path, *options) as (_, url):
            await run_load(Load(homes=1, hours=1, url=url, rate=1))

    with pytest.raises(ConfigError, match=r"--rate 1: the clock of .* goes at a rate of about"):
        asyncio.run(story())


def test_it_signs_what_a_participant_signs(tmp_path: Path) -> None:
    async def story(wire: SignedWire, clock: SimClock, handle: ExchangeHandle) -> None:
        file = handle.credential_file("home")
        signer, credential = Signer.read(file), Credential.read(file)
        document = b'{"requestId": "r1"}'
        assert signer.sign(document, clock.now()) == credential.sign(document, clock.now())
        assert signer.basic() == credential.basic()

    play(tmp_path, story)


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
