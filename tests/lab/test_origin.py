"""Where energy comes from and where it may go: bought energy stays at home, the battery feeds no car unasked."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from simulators.lab import DAY, Lab, Result, Said, Script, Visit, clear_day, every_day, play, steady
from simulators.lab.feed import Prices

at = DAY.at


def night_and_peak(start: datetime) -> tuple[float, float]:
    """5 ct in the small hours, 40 ct in the evening; surplus earns 35 ct then."""
    hour = DAY.hour(start)
    if hour < 5:
        return 0.05, 0.02
    return (0.40, 0.35) if 18 <= hour < 21 else (0.25, 0.03)


async def traded(folder: Path, grid_energy: str, sun_w: float = 0.0) -> Result:
    lab = Lab(
        at("00:00"), 24,
        Script(sun_w=clear_day(sun_w), load_w=steady(300)),
        soc_pct=20,
        settings={"battery": {"grid_energy": grid_energy}, "control": {"period_s": 30}},
        prices=Prices(night_and_peak),
        past_days=3,
    )  # fmt: skip
    return await play(lab, folder)


async def test_what_was_bought_is_not_sold_where_the_user_says_so(tmp_path: Path) -> None:
    """8 kWh at 5 ct, sold for 35 ct: a good trade that some grid agreements forbid."""
    free = await traded(tmp_path / "any", "any")
    assert free.wh("grid_export") > 3_000
    kept = await traded(tmp_path / "home", "home")
    assert kept.wh("grid_export") < 20
    assert kept.wh("charge") > 3_000, "cheap energy is still bought, for the house"


async def test_the_sun_that_was_stored_may_be_sold(tmp_path: Path) -> None:
    kept = await traded(tmp_path, "home", 6_000.0)
    evening = kept.between(at("18:00"), at("21:00"))
    assert evening.wh("grid_export") > 1_000
    assert kept.wh("grid_export") <= kept.wh("pv")


@pytest.mark.parametrize("allowed", [False, True])
async def test_the_battery_does_not_feed_the_car_unless_it_is_allowed(
    tmp_path: Path, allowed: bool
) -> None:
    """A car that must charge in the evening, and a full battery; in a flat tariff 5.4 kWh went over."""
    settings: dict[str, Any] = {
        "car": {"energy_wh": 6_000, "departure": "22:00"},
        "control": {"period_s": 30},
        "tariff": {"import_price": {"kind": "flat", "per_kwh": "0.30"}},
    }
    lab = Lab(
        at("17:00"), 5,
        Script(
            load_w=every_day(400, [(17, 22, 200)]), visits=(Visit(at("19:30"), at("22:00")),)
        ),
        soc_pct=90,
        settings=settings,
        commands=(Said(at("17:05"), "car_from_battery", allowed),),
        past_days=3,
    )  # fmt: skip
    result = await play(lab, tmp_path)
    assert result.car_wh() == pytest.approx(6_000, abs=150)
    beyond_wh = result.wh("discharge") - 1.1 * result.wh("load")
    assert (beyond_wh > 2_000) is allowed
    assert beyond_wh < 250 or allowed
