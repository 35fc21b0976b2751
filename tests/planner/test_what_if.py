"""The home's own past replayed: what it would have cost with another battery, tariff or car."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.backtest.past import own_past
from gateway.cli import make_app
from gateway.config.tariff import Tariff
from gateway.domain.intervals import Interval, quarters
from gateway.domain.plan import Observed
from gateway.errors import ConfigError
from gateway.forecasts.history import DAY
from gateway.store.history import History
from gateway.tariff import TariffRules

START = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 3
ALL = list(quarters(START, START + timedelta(days=DAYS)))
MARKET = TariffRules(
    Tariff.model_validate({
        "import_price": {"kind": "wholesale", "adder_per_kwh": "0.15"},
        "export_price": {"kind": "flat", "per_kwh": "0.08"},
        "tax_pct": 19,
    }),
    ZoneInfo("Europe/Berlin"),
)  # fmt: skip
FLAT = TariffRules(
    Tariff.model_validate({
        "import_price": {"kind": "flat", "per_kwh": "0.30"},
        "export_price": {"kind": "flat", "per_kwh": "0.08"},
    }),
    ZoneInfo("Europe/Berlin"),
)  # fmt: skip
HOME = """
state_dir = "{folder}"
[site]
name = "home"
time_zone = "Etc/UTC"
reserve_pct = 0
[[device]]
name = "inverter"
host = "127.0.0.1"
[battery]
capacity_wh = 5000
max_charge_w = 3000
max_discharge_w = 3000
[mqtt]
host = "127.0.0.1"
[tariff]
currency = "EUR"
import_price = {{ kind = "time_of_use", otherwise_per_kwh = "0.40", periods = [{{ from = "00:00", to = "06:00", per_kwh = "0.10" }}] }}
export_price = {{ kind = "flat", per_kwh = "0.05" }}
"""


@settings(max_examples=30, deadline=None)
@given(
    st.sets(st.integers(0, len(ALL) - 1), max_size=150),
    st.sets(st.integers(0, len(ALL) - 1), max_size=150),
)
def test_gaps_are_filled_and_counted_and_prices_are_those_that_were_seen(
    unknown: set[int], unseen: set[int]
) -> None:
    rows = [
        Observed(interval, None if i in unknown else 100.0 + i % DAY, 50.0)
        for i, interval in enumerate(ALL)
        if i not in unknown or i in (0, len(ALL) - 1)
    ]
    prices = {q.start: 0.25 + i / 1000 for i, q in enumerate(ALL) if i not in unseen}
    past = own_past(rows, prices, MARKET)
    assert len(past.series) == len(ALL)
    assert past.filled == len(unknown)
    assert past.unpriced == len(unseen)
    for i, interval in enumerate(ALL):
        if i not in unseen:
            price = MARKET.import_price(interval, float(past.series.rt[i]))
            assert price == pytest.approx(1000 * prices[interval.start])
    if all(i % DAY not in {u % DAY for u in unknown} for i in range(DAY)):
        assert past.series.load.tolist() == [100.0 + i % DAY for i in range(len(ALL))]


def test_a_tariff_that_follows_no_market_needs_no_seen_price() -> None:
    past = own_past([Observed(q, 100.0, None) for q in ALL], {}, FLAT)
    assert past.unpriced == 0
    assert past.filled == 0, "there are no panels"
    assert past.series.pv.sum() == 0


def test_too_short_a_past_is_said() -> None:
    for rows in ([], [Observed(q, 1.0, None) for q in ALL[: DAY // 2]]):
        with pytest.raises(ConfigError, match="history"):
            own_past(rows, {}, FLAT)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three days of 400 W, without sun, in a home that has one price by day and one by night."""
    history = History(tmp_path / "history.sqlite")
    for interval in ALL:
        history.add_quarter(Observed(interval, 100.0, 0.0))
    history.close()
    config = tmp_path / "gateway.toml"
    config.write_text(HOME.format(folder=tmp_path))
    return config


def ask(config: Path, *words: str) -> dict[str, dict[str, dict[str, float]]]:
    app = make_app("gateway.cli", "")
    words = ("backtest", "--history", "--config", str(config), "--json", "-", *words)
    run = CliRunner().invoke(app, words)
    assert run.exit_code == 0, run.output
    told: dict[str, dict[str, dict[str, float]]] = json.loads(run.stdout)
    return told


def test_another_battery_or_tariff(home: Path) -> None:
    more = ask(home, "--battery-kwh", "10")
    now, then = more["now"], more["then"]
    assert now["without_battery"] == then["without_battery"]
    assert now["without_battery"]["bill"] == pytest.approx(3 * (2.4 * 0.10 + 7.2 * 0.40))
    assert now["gateway"]["bill"] < now["without_battery"]["bill"]
    assert now["self_consumption"]["bill"] >= now["without_battery"]["bill"], "there is no sun"
    assert then["gateway"]["bill"] < now["gateway"]["bill"], "it charges more at night"
    flat = ask(home, "--import-price", "10 ct")
    assert flat["then"]["without_battery"]["bill"] == pytest.approx(3 * 9.6 * 0.10)
    assert flat["now"] == now


def test_a_table_for_people(home: Path) -> None:
    words = ["backtest", "--history", "--config", str(home), "--battery-kwh", "10"]
    run = CliRunner().invoke(make_app("gateway.cli", ""), words)
    assert "2026-06-01T00:00:00Z to 2026-06-04T00:00:00Z, 3.0 days, EUR" in run.output
    assert "with the gateway" in run.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--car-kwh", "8"], "no [car]"),
        (["--import-price", "dear"], "--import-price"),
        (["--data", "x.csv"], "one of --data"),
    ],
)
def test_what_cannot_be_asked(home: Path, words: list[str], said: str) -> None:
    run = CliRunner().invoke(
        make_app("gateway.cli", ""), ["backtest", "--history", "--config", str(home), *words]
    )
    assert isinstance(run.exception, ConfigError)
    assert said in str(run.exception)


def test_the_days_before_are_learnt_from_and_not_judged(tmp_path: Path) -> None:
    """A home of twelve days, of which the last three are asked for: it is known by then, and costs no more than a new one."""
    days = list(quarters(START, START + timedelta(days=12)))

    def config(name: str, known: list[Interval]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        history = History(folder / "history.sqlite")
        for interval in known:
            sunny = 8 <= interval.start.hour < 16
            history.add_quarter(Observed(interval, 100.0, 600.0 if sunny else 0.0))
        history.close()
        file = folder / "gateway.toml"
        file.write_text(HOME.format(folder=folder))
        return file

    # A gap in what is only learnt from is nobody's concern.
    old = ask(config("old", days[:30] + days[40:]), "--last", "3", "--battery-kwh", "10")
    new = ask(config("new", days[-3 * DAY :]), "--last", "3", "--battery-kwh", "10")
    for key in ("quarters", "filled", "first", "end"):
        assert old[key] == new[key]
    for when in ("now", "then"):
        assert old[when]["self_consumption"] == new[when]["self_consumption"]
        assert old[when]["gateway"]["bill"] <= new[when]["gateway"]["bill"] + 0.005
        assert old[when]["gateway"]["bill"] <= old[when]["self_consumption"]["bill"] + 0.005


def test_the_wear_stands_beside_the_bills(home: Path) -> None:
    words = ["backtest", "--history", "--config", str(home), "--battery-kwh", "10"]
    run = CliRunner().invoke(make_app("gateway.cli", ""), words)
    told = ask(home, "--battery-kwh", "10")
    row = next(line for line in run.output.splitlines() if line.strip().startswith("wear "))
    assert [float(x) for x in row.split()[1:3]] == [
        told[when]["gateway"]["wear"] for when in ("now", "then")
    ]
