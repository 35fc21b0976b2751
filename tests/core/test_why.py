"""Why the battery did what it did: the sentence, the record over a restart, and the command that asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from gateway.agent.state import GatewayState, HomeRules
from gateway.agent.user_settings import configured
from gateway.agent.why import DecisionRecord, why
from gateway.cli import make_app
from gateway.cli.why import span
from gateway.config.settings import Settings
from gateway.domain.control import Reason, Setpoints
from gateway.domain.decisions import Decision
from gateway.domain.order import StandingSettings
from gateway.domain.sentences import other
from gateway.errors import ConfigError
from gateway.ipc.messages import GuardReport
from gateway.store.decisions import FILE, DecisionStore
from gateway.store.history import History
from gateway.store.home_time import home_now
from tests.dashboard.homes import MIDNIGHT, NOW, snapshot, view

EVENING = MIDNIGHT + timedelta(hours=14)


def home(reason: Reason, battery_w: int | None = 0, **measured: float) -> GatewayState:
    settings = Settings.model_validate(
        {
            "site": {"time_zone": "America/Chicago"},
            "device": [{"name": "inverter", "host": "127.0.0.1"}],
            "battery": {"capacity_wh": 13_500, "max_charge_w": 5000, "max_discharge_w": 5000},
            "tariff": {
                "import_price": {"kind": "flat", "per_kwh": "0.14"},
                "export_price": {"kind": "flat", "per_kwh": "0.03"},
            },
        }
    )
    held = {} if battery_w is None else {"inverter": battery_w}
    report = GuardReport(
        tick=1,
        snapshot=replace(snapshot(), **measured),  # type: ignore[arg-type]
        setpoints=Setpoints(batteries_w=held, reason=reason),
        settings=StandingSettings(reserve_pct=20),
        order_holds=True,
    )
    return GatewayState(
        HomeRules.of(settings), configured(settings), report=report, plan=view().plan
    )


@pytest.mark.parametrize(
    ("reason", "load_w", "says"),
    [
        (Reason.PRICE_REST, 9000.0, ("keeps 9.0 kWh: a kWh saves 0.140 USD now", "at 21:00)")),
        (Reason.PRICE_REST, 100.0, ("leaves the surplus to the grid: a kWh brings 0.030 USD",)),
        (Reason.PRICE_CHARGE, 9000.0, ("charges: a kWh costs 0.140 USD, stored it is worth 0.0",)),
        (Reason.PRICE_CHARGE, 100.0, ("a kWh would bring 0.030 USD, stored it is worth 0.0",)),
        (Reason.PRICE_DISCHARGE, 9000.0, ("gives: a kWh is worth 0.140 USD now, kept 0.0",)),
        (Reason.SELF_CONSUMPTION, 9000.0, ("serves the house: a kWh saves 0.140 USD now",)),
        (Reason.SELF_CONSUMPTION, 100.0, ("stores the surplus: a kWh would bring 0.030 USD",)),
        (Reason.RESERVE, 100.0, ("is at its backup reserve of 20 % and gives no more",)),
        (Reason.FUSE, 100.0, (Reason.FUSE.words,)),
    ],
)
def test_the_sentence_has_the_numbers_that_decided(
    reason: Reason, load_w: float, says: tuple[str, ...]
) -> None:
    text = why(home(reason, load_w=load_w), NOW, 0).text
    assert all(part in text for part in says), text
    assert "{" not in text


def test_the_two_prices_can_be_compared() -> None:
    """What is asked for a kWh has the losses on the way out and the wear in it."""
    state = home(Reason.PRICE_REST, load_w=9000.0)
    curve, stored, battery = state.value(NOW), state.stored_wh(), state.battery()
    assert curve is not None
    assert stored is not None
    assert battery is not None
    asked = (curve.at(stored) / battery.discharge_efficiency + battery.wear_per_mwh) / 1000
    assert f"kept it will save {asked:.3f} USD" in why(state, NOW, 0).text


@pytest.mark.parametrize(
    ("soc_pct", "load_w", "says"),
    [
        (20.0, 9000.0, "the battery is at its backup reserve of 20 %; the house"),
        (100.0, 100.0, "the battery is full; the"),
    ],
)
def test_an_empty_or_full_battery_has_no_choice(soc_pct: float, load_w: float, says: str) -> None:
    state = home(Reason.PRICE_REST, load_w=load_w)
    report = state.report
    assert report is not None
    battery = replace(report.snapshot.batteries[0], soc_pct=soc_pct)
    seen = replace(report.snapshot, batteries=(battery,), battery_soc_pct=soc_pct)
    state = replace(state, report=replace(report, snapshot=seen))
    assert why(state, NOW, 0).text.startswith(says)


def test_what_was_sold_is_the_reason_for_a_delivery() -> None:
    assert (
        why(home(Reason.DELIVERY, 900), NOW, 270).text
        == "the battery delivers the 270 Wh sold for 14:30"
    )
    assert (
        why(home(Reason.DELIVERY), NOW, -90).text
        == "the battery delivers the 90 Wh bought for 14:30"
    )


def test_an_unknown_price_leaves_the_bare_rule() -> None:
    state = replace(home(Reason.PRICE_REST), plan=None)
    assert why(state, NOW, 0).text == Reason.PRICE_REST.words


def _play(record: DecisionRecord, ticks: list[tuple[datetime, Reason, int | None]]) -> None:
    for time, reason, power_w in ticks:
        record.hear(home(reason, power_w), time, 0)


def test_spans_begin_where_the_rule_the_direction_or_the_quarter_changes(tmp_path: Path) -> None:
    store = DecisionStore(tmp_path / FILE)
    record = DecisionRecord(store)
    second, at = timedelta(seconds=1), EVENING + timedelta(minutes=14)
    _play(
        record,
        [
            (at, Reason.PRICE_REST, 0),
            (at + second, Reason.PRICE_REST, 3),
            (at + 2 * second, Reason.PRICE_DISCHARGE, 900),
            (at + 3 * second, Reason.PRICE_DISCHARGE, 1400),
            (at + 90 * second, Reason.PRICE_DISCHARGE, 1400),
            (at + 91 * second, Reason.PRICE_CHARGE, -1400),
            (at + 92 * second, Reason.PRICE_CHARGE, -1400),
        ],
    )
    spans = [(d.since - at, d.until - at, d.reason) for d in record.between(at, at + 100 * second)]
    assert spans == [
        (0 * second, 2 * second, Reason.PRICE_REST),
        (2 * second, 90 * second, Reason.PRICE_DISCHARGE),
        (90 * second, 91 * second, Reason.PRICE_DISCHARGE),
        (91 * second, 92 * second, Reason.PRICE_CHARGE),
    ]
    record.close()
    assert len(DecisionStore(tmp_path / FILE).between(at, at + 100 * second)) == 4


def test_nothing_is_said_of_time_in_which_nobody_decided(tmp_path: Path) -> None:
    record = DecisionRecord(DecisionStore(tmp_path / FILE))
    hour = timedelta(hours=1)
    _play(
        record,
        [
            (EVENING, Reason.FUSE, 0),
            (EVENING + timedelta(seconds=30), Reason.FUSE, 0),
            (EVENING + hour, Reason.FUSE, 0),
            (EVENING - hour, Reason.FUSE, 0),  # a clock that is set back
            (EVENING - hour + timedelta(seconds=5), Reason.FUSE, 0),
        ],
    )
    record.close()
    found = DecisionStore(tmp_path / FILE).between(EVENING - 2 * hour, EVENING + 2 * hour)
    assert [d.until - d.since for d in found] == [timedelta(seconds=5), timedelta(seconds=30)]


def test_the_newest_are_kept_whatever_the_clock_said(tmp_path: Path) -> None:
    store = DecisionStore(tmp_path / FILE, most=10)
    minute = timedelta(minutes=1)
    many = [
        Decision(EVENING + n * minute, EVENING + (n + 1) * minute, Reason.HOLD, other(f"span {n}"))
        for n in range(25)
    ]
    store.add(many)
    kept = store.between(EVENING, EVENING + timedelta(hours=1))
    assert [d.sentence.text for d in kept] == [f"span {n}" for n in range(15, 25)]


def test_a_moment_as_people_write_it() -> None:
    zone = ZoneInfo("America/Chicago")
    now = datetime.fromisoformat("2026-06-15T19:37:00+00:00")  # 14:37 there
    minute, day = timedelta(minutes=1), timedelta(days=1)
    at = datetime.fromisoformat
    assert span("14:30", now, zone)[0] == at("2026-06-15T14:30:00-05:00")
    assert span("9:05", now, zone)[0] == at("2026-06-15T09:05:00-05:00")
    assert span("18:15", now, zone)[0] == at("2026-06-14T18:15:00-05:00")  # not yet today
    assert span("2026-06-01 18:15", now, zone)[1] == at("2026-06-01T18:15:00-05:00") + minute
    first, last = span("2026-06-01", now, zone)
    assert (first, last - first) == (at("2026-06-01T00:00:00-05:00"), day)
    for wrong in ("last week", "25:00", "2026-13-01", "7 am"):
        with pytest.raises(ConfigError, match="is no time; one of 18:15"):
            span(wrong, now, zone)


def test_a_home_with_a_time_of_its_own_is_asked_in_it(tmp_path: Path) -> None:
    assert abs(home_now(tmp_path, None) - datetime.now(UTC)) < timedelta(minutes=1)
    assert home_now(tmp_path, EVENING) == EVENING, "nothing is recorded yet"
    history = History(tmp_path / "history.sqlite")
    for step in (0, 60, 120):
        history.add(replace(snapshot(), time=EVENING + timedelta(seconds=step)))
    history.close()
    assert home_now(tmp_path, EVENING - timedelta(days=3)) == EVENING + timedelta(minutes=3)
    assert home_now(tmp_path, None, rate=60.0) == EVENING + timedelta(minutes=3)
    store = DecisionStore(tmp_path / FILE)
    store.add([Decision(EVENING, EVENING + timedelta(minutes=9), Reason.HOLD, other("is held"))])
    store.close()
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'state_dir = "{tmp_path}"\n[site]\ntime_zone = "America/Chicago"\n[time]\nrate = 60\n'
        '[[device]]\nname = "inverter"\nprofile = "auto"\nhost = "127.0.0.1"\n'
    )
    for words in (["why"], ["why", "14:02"], ["why", "today"]):
        said = CliRunner().invoke(make_app("gateway.cli", ""), [*words, "--config", str(config)])
        assert said.stdout == "2026-06-15\n  14:00-14:09  is held\n", words
    asked = ["history", "--from", "14:02", "--config", str(config)]
    rows = CliRunner().invoke(make_app("gateway.cli", ""), asked).stdout.splitlines()
    assert [row[:20] for row in rows[1:]] == ["2026-06-15T19:02:00Z"]


def test_the_command_says_what_was_decided(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'state_dir = "{tmp_path}"\n[site]\ntime_zone = "America/Chicago"\n'
        '[[device]]\nname = "inverter"\nprofile = "auto"\nhost = "127.0.0.1"\n'
    )
    app = make_app("gateway.cli", "")
    asked = CliRunner().invoke(app, ["why", "2026-06-15 14:05", "--config", str(config)])
    assert isinstance(asked.exception, ConfigError)
    assert "nothing is decided yet" in str(asked.exception)
    store = DecisionStore(tmp_path / FILE)
    store.add([Decision(EVENING, EVENING + timedelta(minutes=9), Reason.HOLD, other("is held"))])
    store.close()
    said = CliRunner().invoke(app, ["why", "2026-06-15 14:05", "--config", str(config)])
    assert said.stdout == "2026-06-15\n  14:00-14:09  is held\n"
    silent = CliRunner().invoke(app, ["why", "2026-06-15 15:00", "--config", str(config)])
    assert "nothing is known of 2026-06-15 15:00" in str(silent.exception)
