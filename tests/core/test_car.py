"""The car's wish: what is still missing, by when, and the power that the plan means now."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.config import Settings
from gateway.domain.intervals import quarter
from gateway.domain.plan import Plan, PlannedInterval
from gateway.domain.readings import Snapshot
from gateway.service.car import car_need, car_power_w, next_at
from gateway.service.wishes import configured

CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 6, 1, 3, 5, tzinfo=UTC)  # 22:05 the evening before, in Chicago
SETTINGS = Settings.model_validate(
    {"device": [{"name": "x", "host": "x"}], "state_dir": Path("s"), "car": {"energy_wh": 9_000}}
)


def home(plugged: bool | None, session_wh: float | None = 2_000) -> Snapshot:
    return Snapshot(NOW, {}, 0, 0, 50, 0, 0, 0, plugged, session_wh, 0, 0)


def test_what_is_missing_until_the_next_morning() -> None:
    need = car_need(SETTINGS.car, configured(SETTINGS), home(True), CHICAGO)
    assert need is not None
    assert need.energy_wh == 7_000
    assert need.departure == datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("snapshot", [home(False), home(None), home(True, 9_000)])
def test_no_need(snapshot: Snapshot) -> None:
    assert car_need(SETTINGS.car, configured(SETTINGS), snapshot, CHICAGO) is None


def test_a_car_that_has_its_energy_is_paused_not_released() -> None:
    assert car_power_w(None, None, home(True, 9_000), NOW) == 0
    assert car_power_w(None, None, home(False), NOW) is None


def test_an_uncounted_session_is_asked_for_the_whole_wish() -> None:
    need = car_need(SETTINGS.car, configured(SETTINGS), home(True, None), CHICAGO)
    assert need is not None
    assert need.energy_wh == 9_000


def test_the_next_morning_across_the_change_to_summer_time() -> None:
    before = datetime(2027, 3, 14, 7, tzinfo=UTC)  # 01:00; at 02:00 the clocks go forward
    assert next_at(before, time(7), CHICAGO) == datetime(2027, 3, 14, 12, tzinfo=UTC)


def plan(made: datetime, car_wh: float) -> Plan:
    step = PlannedInterval(
        quarter(datetime(2026, 6, 1, 3, tzinfo=UTC)), 0, 0, 0, car_wh, 0, 0, 0, 0, 0
    )
    return Plan(made, "x", (), course=(step,))


def test_a_plan_made_inside_the_quarter_means_its_rest() -> None:
    need = car_need(SETTINGS.car, configured(SETTINGS), home(True), CHICAGO)
    early = plan(NOW - timedelta(minutes=5), 1_000)
    late = plan(NOW, 1_000)
    assert car_power_w(early, need, home(True), NOW) == pytest.approx(4_000)
    assert car_power_w(late, need, home(True), NOW) == pytest.approx(6_000)
    assert car_power_w(None, need, home(True), NOW) == 11_040, "without a plan: full power"
