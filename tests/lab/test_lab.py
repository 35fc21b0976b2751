"""The laboratory itself: what a scenario says happens, and what it came to adds up."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from simulators.lab import (
    DAY,
    Battery,
    Car,
    Equipment,
    House,
    Lab,
    Said,
    Script,
    SensorFault,
    Visit,
    clear_day,
    play,
    steady,
    steps,
)

at = DAY.at


async def test_a_day_adds_up(tmp_path: Path) -> None:
    """Two chargers, sun on two inverters, a battery: no Wh appears or vanishes."""
    script = Script(
        sun_w=clear_day(5_000),
        ac_sun_w=clear_day(3_000),
        load_w=steady(700),
        visits=(
            Visit(at("07:00"), at("12:00"), stored_wh=20_000),
            Visit(at("09:00"), at("17:00"), charger=1, car=Car(phases=1)),
        ),
        chargers=2,
    )
    lab = Lab(
        at("06:00"), 13, script, House(ac_coupled=True), Equipment(roof=True),
        settings={"car": {"energy_wh": 6_000, "departure": "11:30"}, "control": {"period_s": 30}},
    )  # fmt: skip
    result = await play(lab, tmp_path)
    used = sum(map(result.wh, ("load", "ev", "boxes", "losses", "grid_export")))
    given = sum(map(result.wh, ("pv", "ac_pv", "grid_import")))
    stored = result.samples[-1].soc_pct - result.samples[0].soc_pct
    assert used + 13_500 * stored / 100 == pytest.approx(given, abs=1)
    assert result.car_wh(0) == pytest.approx(6_000, abs=300)
    assert result.car_wh(1) == result.wh("boxes") > 3_000


async def test_sensors_err_as_written(tmp_path: Path) -> None:
    """A meter that stands still while the sun changes raises an alarm; the truth goes on."""
    script = Script(
        sun_w=steps((at("10:00"), 6_000), (at("11:05"), 2_000), (at("11:10"), 7_000)),
        load_w=steady(500),
        sensors=(SensorFault("grid", "stuck", at("11:00"), at("11:30")),),
    )
    lab = Lab(at("10:00"), 1.5, script, House(battery=Battery(1_000, 0, 0)), agent=False)
    result = await play(lab, tmp_path)
    assert any("stands still" in alarm or "meter" in alarm for alarm in result.alarms)
    assert len({round(s.powers.grid) for s in result.between(at("11:01"), at("11:29")).samples}) > 2


async def test_a_car_that_refuses_draws_nothing(tmp_path: Path) -> None:
    refuses = ((at("10:20"), at("10:40")),)
    script = Script(visits=(Visit(at("10:00"), at("12:00"), refuses=refuses),))
    lab = Lab(at("10:00"), 1, script, commands=(Said(at("10:05"), "charge_now", True),))
    result = await play(lab, tmp_path)
    assert result.answers["charge_now-0"].status == "ok"  # type: ignore[attr-defined]
    assert result.between(at("10:21"), at("10:40")).car_wh() == 0
    assert result.starts() == 2


async def test_a_home_that_is_not_steered_for_a_while(tmp_path: Path) -> None:
    """From the stop to the next start the car charges as its charger likes."""
    script = Script(visits=(Visit(at("10:00"), at("18:00")),), load_w=steady(300))
    off = (at("11:00"), at("12:00"))
    result = await play(Lab(at("10:00"), 3, script, off=[off]), tmp_path)
    unsteered = result.between(off[0], off[1] + timedelta(minutes=1)).car_wh()
    assert unsteered > 8_000
    assert result.car_wh() == pytest.approx(unsteered, abs=5)
