"""The study as a whole: loop gain, money, repeatability, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.errors import ConfigError
from simulators.network.fast import HAS_NUMBA
from simulators.network.history import first_state, history, play
from simulators.network.loop_gain import TERMS, loop_gain
from simulators.network.scenario import Scenario
from simulators.network.study import SWITCHED, Request, switched
from simulators.network.validation import shape
from tests.network.markets import case, scenario

pytestmark = pytest.mark.skipif(
    not HAS_NUMBA, reason="numba is not installed: a year takes minutes"
)
SMALL = ["--homes", "3000", "--years", "2024", "--seeds", "1", "--rows", "10", "--no-switches"]


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(make_app("simulators.cli", "test"), ["study", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_without_price_response_the_price_term_is_zero() -> None:
    off = case(scenario(switches={"price_response": False}))
    gain = loop_gain(off, play(off, first_state(off)))
    assert gain["price"] == 0.0
    assert gain["charging"] == 0.0
    assert gain["hardware"] > 0


def test_more_storage_earns_less_and_makes_hardware_cheaper() -> None:
    here = case()
    gain = loop_gain(here, play(here, first_state(here)))
    assert gain["price"] < 0 < gain["hardware"]
    assert gain["retail"] <= 0
    assert gain["credits"] <= 0
    assert gain["total"] == pytest.approx(
        sum(gain[name] for name in TERMS), abs=0.2 * abs(gain["price"])
    )


@pytest.mark.parametrize("name", [None, *SWITCHED])
def test_money_of_all_parties_sums_to_zero_with_any_switch(name: str | None) -> None:
    request = Request(Scenario(), 100_000, (2024,), 1)
    chosen = request.scenario if name is None else switched(request, name).scenario
    here = case(chosen)
    ledger = play(here, first_state(here)).ledger
    assert sum(ledger.money.values()) == 0
    assert ledger.money["plants"] > 0
    assert ledger.money["homes"] < 0


def test_adoption_goes_on_from_year_to_year() -> None:
    years = history(case(), (2024, 2025))
    shares = [float(y.state.share.mean()) for y in years]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] < 1


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.json"
        assert run(*SMALL, "--json", str(path))[0] == 0
        document = json.loads(path.read_text())
        del document["wall_seconds"]
        texts.append(json.dumps(document))
    assert texts[0] == texts[1]
    check_document(json.loads(texts[0]))


def check_document(found: dict[str, Any]) -> None:
    assert found["homes"] == 3000
    assert found["years"] == [2024]
    assert found["zero_sum_error"] == 0
    assert {"homes", "usd_per_kwh_year", "low", "high"} == set(found["saturation"][0])
    assert [row["homes"] for row in found["saturation"]] == sorted(
        row["homes"] for row in found["saturation"]
    )
    assert set(found["loop_gain"]) == {
        "price",
        "hardware",
        "retail",
        "credits",
        "charging",
        "total",
    }
    assert set(found["nacs_share"]) == {"2024"}
    assert [row["scenario"] for row in found["data_centre"]] == [
        "none",
        "as announced",
        "as it came",
    ]
    assert found["data_centre"][0]["mean_price_effect"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--years", "2030..2023"], "the first before the last"),
        (["--years", "soon"], "write one year or two"),
        (["--json", "/no/such/folder/x.json"], "its folder does not exist"),
        (["no.toml"], "cannot be read"),
    ],
)
def test_a_bad_request_is_said_at_once(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run(*words)


def test_a_bend_counts_only_beyond_what_the_seeds_scatter() -> None:
    homes = np.array([1.0, 1e5, 1e6])
    steady = np.array([[17.0, 15.0, 6.0], [17.0, 14.9, 6.1]])
    assert shape(homes, steady) == (True, True)  # falls fast, then slowly
    bent_down = np.array([[17.0, 16.9, 6.0], [17.0, 16.8, 6.1]])
    assert shape(homes, bent_down) == (True, False)
    rises = np.array([[17.0, 18.0, 6.0], [17.0, 18.1, 6.1]])
    assert shape(homes, rises)[0] is False
    scattered = np.array([[17.0, 15.0, 6.0], [30.0, 29.9, 9.0], [9.0, 7.0, 6.0], [14.0, 13.9, 3.0]])
    assert shape(homes, scattered)[1] is False  # whether it bends cannot be told
    alone = np.array([[10.0, 9.5, 0.0]])
    assert shape(homes, alone) == (True, False)  # one seed has no margin
