"""The car's wish: what is still missing, by when, and the power that its value asks for now."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.agent.car import (
    Contactor,
    car_need,
    car_power_w,
    is_urgent,
    next_at,
    whole_amperes,
)
from gateway.agent.user_settings import configured
from gateway.config.settings import Settings
from gateway.control import ChargerSpec
from gateway.domain.intervals import quarter
from gateway.domain.plan import CarNeed, Plan, ValueCurve
from gateway.domain.readings import Snapshot
from gateway.planner.dispatch import DispatchInputs

CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 6, 1, 3, 5, tzinfo=UTC)  # 22:05 the evening before, in Chicago
SETTINGS = Settings.model_validate(
    {"device": [{"name": "x", "host": "x"}], "state_dir": Path("s"), "car": {"energy_wh": 9_000}}
)


def home(plugged: bool | None, session_wh: float | None = 2_000) -> Snapshot:
    return Snapshot(NOW, {}, 0, 0, 50, 0, 0, 0, plugged, session_wh, 0, 0)


def need(session_wh: float | None = 2_000) -> CarNeed:
    wanted = car_need(SETTINGS.car, configured(SETTINGS), home(True, session_wh), CHICAGO)
    assert wanted is not None
    return wanted


def test_what_is_missing_until_the_next_morning() -> None:
    assert need().energy_wh == 7_000
    assert need().departure == datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("snapshot", [home(False), home(None), home(True, 9_000)])
def test_no_need(snapshot: Snapshot) -> None:
    assert car_need(SETTINGS.car, configured(SETTINGS), snapshot, CHICAGO) is None


def test_an_uncounted_session_is_asked_for_the_whole_wish() -> None:
    assert need(None).energy_wh == 9_000


def test_the_next_morning_across_the_change_to_summer_time() -> None:
    before = datetime(2027, 3, 14, 7, tzinfo=UTC)  # 01:00; at 02:00 the clocks go forward
    assert next_at(before, time(7), CHICAGO) == datetime(2027, 3, 14, 12, tzinfo=UTC)


def plan(*values: float) -> Plan:
    """Made when 7,000 Wh were wanted."""
    curve = ValueCurve(
        quarter(datetime(2026, 6, 1, 3, tzinfo=UTC)), (0.0, 3_500.0, 7_000.0), values
    )
    return Plan(NOW, "x", (), car_values=(curve,))


def at(price: float, net_w: float = 400, limit_w: float | None = None) -> DispatchInputs:
    return DispatchInputs(price, 20.0, net_w, import_limit_w=limit_w)


def test_the_car_charges_while_another_wh_in_it_is_worth_the_price() -> None:
    values = plan(200.0, 100.0, 0.0)
    assert car_power_w(values, need(), at(150), NOW) == 11_040
    assert car_power_w(values, need(3_000), at(150), NOW) == 11_040  # 1,000 Wh since: worth 171
    assert car_power_w(values, need(5_000), at(150), NOW) == 0  # 3,000 Wh since: worth 114
    assert car_power_w(values, need(5_000), at(150, net_w=-6_000), NOW) == 6_000  # surplus: 20
    assert car_power_w(values, need(5_000), at(150, net_w=-900), NOW) == 0  # too little for 6 A


def test_the_fuse_leaves_what_it_leaves() -> None:
    values = plan(200.0, 200.0, 200.0)
    assert car_power_w(values, need(), at(150, net_w=3_000, limit_w=8_000), NOW) == 5_000
    assert car_power_w(values, need(), at(150, net_w=4_500, limit_w=8_000), NOW) == 0
    assert whole_amperes(5_000, ChargerSpec(3, 230)) == 7 * 690


def test_without_a_plan_it_waits_while_there_is_time() -> None:
    assert not is_urgent(need(), NOW)
    assert car_power_w(None, need(), at(150), NOW) == 0
    late = datetime(2026, 6, 1, 11, tzinfo=UTC)  # an hour before departure
    assert is_urgent(need(), late)
    assert car_power_w(None, need(), at(150), late) == 11_040
    assert car_power_w(plan(200, 200, 200), need(), None, NOW) == 11_040, "price unknown: charge"


def test_the_contactor_rests_between_two_changes_of_price() -> None:
    contactor, wanted = Contactor(120.0), need()
    assert contactor.calm(11_040, wanted, urgent=False, at=0) == 11_040
    assert contactor.calm(0, wanted, urgent=False, at=60) == wanted.min_power_w
    assert contactor.calm(0, wanted, urgent=False, at=120) == 0
    assert contactor.calm(11_040, wanted, urgent=False, at=130) == 0
    assert contactor.calm(11_040, wanted, urgent=True, at=131) == 11_040
    assert contactor.calm(0, None, urgent=False, at=132) == 0, "it has its energy"
    assert contactor.calm(None, None, urgent=False, at=133) is None


def test_a_raised_current_is_expected_to_come() -> None:
    contactor, wanted = Contactor(0.0), need()
    contactor.calm(4_140, wanted, urgent=False, at=0)
    assert contactor.rises(5)
    contactor.calm(4_140, wanted, urgent=False, at=40)
    assert not contactor.rises(40)
