"""`verify` in the sun and under clouds: nothing sound is failed, and nothing wrong is proved."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.control import Control
from gateway.verify.judge import Seen
from gateway.verify.sky import of_the_sun, without_rise
from gateway.verify.walk import NotNow, Step
from simulators.physics.script import Script
from tests.devices.test_simulated_families import INVERTERS
from tests.devices.verify_homes import BATTERY, NOON, Trial, no_pauses, outcome, tried

BEGINS_S = 60  # of the home, before verify looks at it
FULL_PCT = 100.0  # so that what the panels give is fed in


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those between two requests pass by the real clock."""
    no_pauses(monkeypatch)


def sunny(clouded_after_s: float = 1e9, clouded_w: float = 0.0) -> Script:
    """6 kW of sun until a cloud comes and stays."""
    cloud = NOON + timedelta(seconds=BEGINS_S) + timedelta(seconds=clouded_after_s)

    def sun_w(time: datetime) -> float:
        return 6000.0 if time < cloud else clouded_w

    return Script(sun_w=sun_w, load_w=lambda _: 500.0)


def ignores(trial: Trial) -> None:
    trial.home.command = lambda **_: None  # type: ignore[method-assign]


def in_another_unit(trial: Trial) -> None:
    """A tenth of what was told."""
    real = trial.home.command

    def command(**asked: float | None) -> None:
        limits = ("pv_limit_w", "export_limit_w")
        real(**{k: v / 10 if k in limits and v is not None else v for k, v in asked.items()})

    trial.home.command = command  # type: ignore[method-assign]


async def judged(trial: Trial, control: Control) -> str:
    """What came of it: its problem, "obeys" or "not now"."""
    try:
        result = await outcome(trial, control)
    except NotNow as error:
        return f"not now: {error}"
    return result.problem or "obeys"


@pytest.mark.parametrize("family", INVERTERS)
def test_no_sound_battery_is_failed_for_the_sun(family: str, tmp_path: Path) -> None:
    async def work(trial: Trial) -> None:
        said = await judged(trial, BATTERY)
        assert said == "obeys" or "in the evening, without sun" in said

    tried(family, tmp_path, work, start=NOON, script=sunny())


@pytest.mark.parametrize("family", ["goodwe", "growatt", "victron"])
def test_the_sun_proves_nothing_of_a_battery_that_ignores(family: str, tmp_path: Path) -> None:
    async def work(trial: Trial) -> None:
        ignores(trial)
        assert await judged(trial, BATTERY) != "obeys"

    tried(family, tmp_path, work, start=NOON, script=sunny())


LIMITED = [("fronius", Control.PV_LIMIT), ("goodwe", Control.EXPORT_LIMIT)]
CLOUDS = {"over all of it": (-1.0, 2400.0), "at once": (5.0, 1200.0), "later": (9.0, 1500.0)}


@pytest.mark.parametrize(("family", "control"), LIMITED)
def test_a_limit_that_is_kept_in_steady_sun_is_proved(
    family: str, control: Control, tmp_path: Path
) -> None:
    async def work(trial: Trial) -> None:
        assert await judged(trial, control) == "obeys"

    tried(family, tmp_path, work, FULL_PCT, start=NOON, script=sunny())


@pytest.mark.parametrize(("family", "control"), LIMITED)
@pytest.mark.parametrize("cloud", ["at once", "later"])
def test_a_cloud_fails_no_sound_inverter(
    family: str, control: Control, cloud: str, tmp_path: Path
) -> None:
    async def work(trial: Trial) -> None:
        assert "a cloud has come" in await judged(trial, control)

    tried(family, tmp_path, work, FULL_PCT, start=NOON, script=sunny(*CLOUDS[cloud]))


@pytest.mark.parametrize(("family", "control"), LIMITED)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_proves_no_inverter_that_ignores(
    family: str, control: Control, cloud: str, tmp_path: Path
) -> None:
    async def work(trial: Trial) -> None:
        ignores(trial)
        assert await judged(trial, control) != "obeys"

    tried(family, tmp_path, work, FULL_PCT, start=NOON, script=sunny(*CLOUDS[cloud]))


@pytest.mark.parametrize(("family", "control"), LIMITED)
def test_a_limit_in_another_unit_is_failed_in_steady_sun(
    family: str, control: Control, tmp_path: Path
) -> None:
    """Let go it gives all again: that was no cloud."""

    async def work(trial: Trial) -> None:
        in_another_unit(trial)
        assert "told to half of it" in await judged(trial, control)

    tried(family, tmp_path, work, FULL_PCT, start=NOON, script=sunny())


CHARGE, DISCHARGE = Step("charge", -1000, -1500, -500), Step("discharge", 1000, 500, 1500)


@given(power_w=st.floats(-20_000, 20_000), sun=st.floats(0, 20_000))
def test_the_sun_explains_no_battery_that_goes_the_other_way(power_w: float, sun: float) -> None:
    if power_w > -500:
        assert not of_the_sun(BATTERY, CHARGE, power_w, sun), "too little is never the sun's doing"
    if power_w < -200:
        assert not of_the_sun(BATTERY, DISCHARGE, power_w, sun)
    if power_w < -1500 - sun - 200:
        assert not of_the_sun(BATTERY, CHARGE, power_w, sun), "more than there is of it"
    assert not of_the_sun(Control.CHARGE_CURRENT, CHARGE, power_w, sun)
    assert not of_the_sun(BATTERY, CHARGE, power_w, 0.0), "by night nothing is"


@given(st.floats(100, 9000), st.floats(0.3, 1.1))
def test_an_output_that_does_not_follow_its_limit_proves_nothing(
    power_w: float, part: float
) -> None:
    def walked(*powers: float) -> list[Seen]:
        return [Seen(Step("", p, 0, 0), p, None, 6) for p in powers]

    under = walked(power_w, part * power_w, power_w)
    assert without_rise(Control.PV_LIMIT, under)
    assert not without_rise(Control.PV_LIMIT, walked(power_w, 1.5 * power_w, power_w))
    assert not without_rise(BATTERY, under)
