"""A new home: the inverter works alone until the plan's own record earns; then the plan steers, for good."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.agent import first_days
from gateway.agent.first_days import (
    LEAST_QUARTERS,
    WATCHED_QUARTERS,
    QuarterPrices,
    Record,
    counted,
)
from gateway.domain.intervals import quarter
from gateway.domain.plan import BatterySpec, ValueCurve
from simulators.lab import DAY, Lab, Result, Script, clear_day, every_day, play
from simulators.lab.feed import Prices
from tests.lab.test_origin import night_and_peak

at = DAY.at
SPEC = BatterySpec(10_000, 2_000, 5_000, 5_000)


async def lived(folder: Path, first: str, days: float = 1.0, **more: object) -> Result:
    lab = Lab(
        at("00:00"), 24 * days,
        Script(sun_w=clear_day(4_000), load_w=every_day(400, [(18, 21, 900)])),
        soc_pct=50,
        settings={"planner": {"first_days": first, "horizon_h": 24}, "control": {"period_s": 60}},
        prices=Prices(night_and_peak),
    )  # fmt: skip
    return await play(replace(lab, **more), folder)  # type: ignore[arg-type]


async def test_a_new_home_does_what_its_inverter_does_alone(tmp_path: Path) -> None:
    shadow = await lived(tmp_path / "shadow", "shadow")
    alone = await lived(tmp_path / "alone", "shadow", agent=False)
    assert all(s.setpoints.battery_w is None for s in shadow.samples)
    assert shadow.cost == pytest.approx(alone.cost, abs=0.01)
    assert any("first days" in note for note in shadow.notes)
    live = await lived(tmp_path / "live", "live")
    assert any(s.setpoints.battery_w for s in live.samples)


async def test_a_record_that_earns_lets_the_plan_steer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_days, "LEAST_QUARTERS", 24)
    result = await lived(tmp_path, "shadow")
    assert any("it steers from now on" in line for line in result.log)
    assert any(s.setpoints.battery_w for s in result.samples)
    again = await lived(tmp_path, "shadow", start=at("00:00") + timedelta(days=1), hours=2.0)
    assert not any("compared with the inverter alone" in line for line in again.log), "for good"


def quarters(values: float, prices: list[tuple[float, float]], net_wh: float) -> Record:
    record = Record(5_000, 5_000)
    for bought, sold in prices:
        curve = ValueCurve(quarter(at("00:00")), (0.0, 10_000.0), (values, values))
        record = counted(record, net_wh, QuarterPrices(bought, sold, curve), 0.25, SPEC)
    return record


def test_a_plan_that_values_wrongly_does_not_earn() -> None:
    """It buys at 300 what it thinks is worth 900, and the evening pays 320."""
    wrong = quarters(900.0, [(300.0, 50.0)] * 8, 100)
    assert wrong.planned < wrong.alone
    assert wrong.gain(100.0) < 0
    right = quarters(280.0, [(50.0, 20.0)] * 4, 100)
    assert right.gain(280.0) > 0, "cheap energy is stored for what it saves later"


def test_a_plan_that_falls_behind_in_its_first_weeks_steers_no_longer() -> None:
    """Three good days, then days on which it buys at 300 what nobody needs."""
    record = replace(quarters(280.0, [(50.0, 20.0)] * 4, 100), quarters=LEAST_QUARTERS)
    live = record.judged(280.0, 6_000)
    assert live.live
    assert live.watched
    assert (live.planned, live.alone, live.quarters) == (0.0, 0.0, 0), (
        "from where it began to steer"
    )
    assert live.judged(280.0, 6_000) == live
    level = ValueCurve(quarter(at("00:00")), (0.0, 10_000.0), (900.0, 900.0))
    for _ in range(12):
        live = counted(live, 100, QuarterPrices(300.0, 50.0, level), 0.25, SPEC)
    back = live.judged(100.0, 6_000)
    assert not back.live
    assert back.planned_wh == back.alone_wh == 6_000, "from what is really stored"
    assert back.quarters == 0, "a new record"


def test_a_plan_that_is_not_behind_is_watched_for_four_weeks_only() -> None:
    live = Record(
        5_000, 5_000, planned=1.0, alone=1.01, quarters=WATCHED_QUARTERS, live=True, watched=True
    )
    over = live.judged(0.0, 6_000)
    assert over.live
    assert not over.watched
    assert replace(live, planned=0.9, usual=0.2).judged(0.0, 6_000).live is False
    assert replace(over, planned=-5.0).judged(0.0, 6_000).live, "for good"


async def test_who_falls_behind_is_told_and_the_inverter_works_alone_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan begins to steer after six hours; whatever it earns then is not enough by this rule."""
    monkeypatch.setattr(first_days, "LEAST_QUARTERS", 24)
    monkeypatch.setattr(first_days, "_MOST_BEHIND", -1_000.0)
    result = await lived(tmp_path, "shadow")
    assert any("first weeks: over" in line and "works alone again" in line for line in result.log)
