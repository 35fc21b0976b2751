"""The nightly trial as a home lives it: what it is based on, the real process, and what a restart finds."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.agent.posted import PostedPrices
from gateway.agent.state import GatewayState, HomeRules, StateKeeper
from gateway.agent.trial import NAME, Choice, ForecastTrial, question_of
from gateway.agent.trial_material import known_past, trial_of
from gateway.agent.trial_question import Question, Weeks
from gateway.agent.user_settings import configured
from gateway.backtest.trial import Trial
from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.domain.intervals import QUARTER, iso, quarter
from gateway.domain.plan import BatterySpec, Observed
from gateway.domain.price import Price
from gateway.domain.sentences import Sentence
from gateway.forecasts.variants import BY_NAME, Variant
from gateway.market.exchanges import PublishedPrices
from gateway.planner.outlook import KnownPrices
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore

NIGHT = datetime(2026, 11, 26, 7, 25, tzinfo=UTC)  # 2:25 in New York
SPEC = BatterySpec(10_000, 2_000, 5_000, 5_000)
PUBLISHED = {"kind": "published", "factor": "1.19", "adder_per_kwh": "0.12"}


def home(**tariff: Any) -> Settings:
    return Settings.model_validate(
        {
            "site": {"name": "home", "time_zone": "America/New_York"},
            "device": [{"name": "inverter", "host": "127.0.0.1"}],
            "planner": {"horizon_h": 2},
            "tariff": {
                "import_price": {"kind": "flat", "per_kwh": "0.14"},
                "export_price": {"kind": "flat", "per_kwh": "0.05"},
            }
            | tariff,
        }
    )


def lived(days: int) -> list[Observed]:
    """Up to two in the night; even enough that no way to forecast is much better."""
    rng, first = np.random.default_rng(3), NIGHT - timedelta(hours=2, minutes=25, days=days)
    return [
        Observed(
            quarter(first + i * QUARTER),
            float(100 + 150 * (68 <= i % 96 < 88) + 20 * rng.random()),
            float(max(900 * np.sin((i % 96 - 28) / 40 * np.pi), 0) if 28 <= i % 96 < 68 else 0),
        )
        for i in range(days * 96 + 8)
    ]


def asked(
    past: Sequence[Observed], prices: KnownPrices | None = None, **tariff: Any
) -> Trial | str:
    return trial_of(home(**tariff), NIGHT, past, prices or KnownPrices(), SPEC, Weeks())


def test_the_last_weeks_are_tried_and_only_whole_days_judged() -> None:
    past = lived(50)
    dark = NIGHT - timedelta(days=5)
    gap = [o for o in past if not dark < o.interval.start < dark + timedelta(hours=3)]
    trial, holed = asked(past), asked(gap)
    assert isinstance(trial, Trial)
    assert isinstance(holed, Trial)
    assert len(trial.series) == 42 * 96
    assert len(trial.judged) == 28
    assert len(holed.judged) == 27
    assert np.isfinite(holed.series.load).all()
    assert trial.case.battery == SPEC


def test_a_home_that_knows_too_little_is_told_why() -> None:
    assert asked(lived(20)) == "only 20 days are known"
    nothing_seen = StateKeeper(GatewayState(HomeRules.of(home()), configured(home())))
    files = Path("journal.sqlite"), Path("history.sqlite")
    assert question_of(nothing_seen, files, NIGHT, "usual") == "there is no battery that is planned"
    assert str(asked(lived(50), import_price=PUBLISHED)).startswith("only 0 of the last 28 days")


def test_a_published_price_is_followed_with_what_comes_on_top() -> None:
    past = lived(50)
    told = KnownPrices(published_import={o.interval.start: 100.0 for o in past})
    trial = asked(past, told, import_price=PUBLISHED)
    assert isinstance(trial, Trial)
    assert set(trial.series.rt.tolist()) == {100.0}
    price = trial.case.tariff.import_price(past[-1].interval, 100.0)
    assert price == pytest.approx(1.19 * 100 + 120)
    both = replace(told, published_export={o.interval.start: 60.0 for o in past})
    assert asked(past, both, import_price=PUBLISHED, export_price=PUBLISHED) == (
        "two prices are published"
    )


class Heard:
    """What the trading loop is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Sentence | None]] = []

    def __call__(self, variant: Variant, note: Sentence | None) -> None:
        self.said.append((variant.name, note))


def of_a_home(store: SettingsStore, heard: Heard, folder: Path, weeks: Weeks) -> ForecastTrial:
    def asks(now: datetime, used: str) -> Question:
        files = folder / "journal.sqlite", folder / "history.sqlite"
        return Question(home(), now, used, SPEC, *files, weeks=weeks)

    return ForecastTrial(home(), store, SimClock(NIGHT), asks, heard)


def in_files(folder: Path, past: Sequence[Observed], **prices: str) -> None:
    """What the agent keeps of that past; ``prices`` by feed were paid in each quarter-hour."""
    with (
        closing(History(folder / "history.sqlite")) as history,
        closing(Journal(folder / "journal.sqlite")) as journal,
    ):
        for observed in past:
            history.add_quarter(observed)
        rows = [
            {"start": iso(o.interval.start), "end": iso(o.interval.end), **prices} for o in past
        ]
        journal.append_all([("retail_price", row) for row in rows if prices], NIGHT)


def test_what_the_files_and_the_agent_know_of_prices_is_joined(tmp_path: Path) -> None:
    """The account knows what was paid, the agent what was published since; what nobody knows stays unknown."""
    past = lived(3)
    in_files(tmp_path, past, import_per_kwh="0.20", market_per_kwh="0.05")
    newest = past[-1].interval
    posted = PostedPrices([PublishedPrices(newest, 300_000, None, None, 70_000)])
    tariff = {"import_price": {"kind": "published"}, "export_price": {"kind": "wholesale"}}
    files = tmp_path / "journal.sqlite", tmp_path / "history.sqlite"
    asked_for = Question(home(**tariff), NIGHT, "usual", SPEC, *files, posted=posted)
    observed, prices = known_past(asked_for)
    assert [(o.interval, o.load_wh, o.pv_wh) for o in observed] == [
        (o.interval, o.load_wh, o.pv_wh) for o in past
    ]
    assert {o.rt_price for o in observed[:-1]} == {50.0}
    assert observed[-1].rt_price == Price(70_000).per_mwh
    assert prices.published_import[past[0].interval.start] == 200.0
    assert prices.published_import[newest.start] == Price(300_000).per_mwh
    assert not prices.published_export


@pytest.mark.story
async def test_the_real_process_is_asked_and_a_restart_knows(tmp_path: Path) -> None:
    """Of a week, so that it takes seconds. The agent's own process reads nothing of it, and has no random numbers drawn."""
    in_files(tmp_path, lived(7))
    store, week = SettingsStore(tmp_path / "settings.sqlite"), Weeks(7, 3, 3)
    trial = of_a_home(store, Heard(), tmp_path, week)
    assert trial.choice == Choice()
    await trial.tonight()
    assert trial.choice.tried == "2026-11-26T07:25:00Z"
    assert trial.choice.days == 3
    heard = Heard()
    again = of_a_home(store, heard, tmp_path, week)
    assert again.choice == trial.choice
    assert heard.said == [(trial.choice.variant, trial.choice.note)]
    store.close()


@pytest.mark.story
async def test_a_past_that_is_too_short_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_files(tmp_path, lived(3))
    store = SettingsStore(tmp_path / "settings.sqlite")
    trial = of_a_home(store, Heard(), tmp_path, Weeks())
    with caplog.at_level(logging.DEBUG):
        await trial.tonight()
    assert "forecasts are not tried: only 3 days are known" in caplog.text
    assert trial.choice == Choice(tried="2026-11-26T07:25:00Z")
    store.close()


def test_the_agent_holds_nothing_that_only_the_trial_needs() -> None:
    """Neither replays nor random numbers: some megabytes that would stay for good."""
    asks = "import sys, gateway.agent.compose; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    loaded = ran.stdout.split()
    assert "gateway.agent.trial" in loaded
    assert not [name for name in loaded if name.startswith(("gateway.backtest", "numpy.random"))]


async def test_what_was_adopted_outlives_a_process_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, heard = SettingsStore(tmp_path / "settings.sqlite"), Heard()
    adopted = Choice("plain", "2026-11-20T07:20:00Z", 0.12, 28, "2026-11-25T07:20:00Z")
    store.setting(
        NAME, '{"variant": "plain", "since": "2026-11-20T07:20:00Z", "gain": 0.12, '
        '"days": 28, "tried": "2026-11-25T07:20:00Z"}',
    )  # fmt: skip
    trial = of_a_home(store, heard, tmp_path, Weeks())
    assert trial.choice == adopted
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with caplog.at_level(logging.WARNING):
        await trial.tonight()
    assert "they stay as they are" in caplog.text
    assert {name for name, _ in heard.said} == {"plain"}
    assert str(heard.said[-1][1]) == (
        f"forecasts since 2026-11-20: {BY_NAME['plain'].words}, which would have earned 0.12 a day more "
        "over the last 28 days"
    )
    store.close()


@pytest.mark.parametrize(
    "text", ["{", '{"variant": "of another version"}', '{"odd": 1}', "[]", '{"tried": "soon"}']
)
def test_a_choice_that_is_not_understood_is_the_usual_one(tmp_path: Path, text: str) -> None:
    store, heard = SettingsStore(tmp_path / "settings.sqlite"), Heard()
    store.setting(NAME, text)
    assert of_a_home(store, heard, tmp_path, Weeks()).choice == Choice()
    assert heard.said == [("usual", None)]
    store.close()
