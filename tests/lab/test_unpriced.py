"""A home whose configuration does not say what import costs: served as its inverter would, and nobody invents a price."""

from __future__ import annotations

from pathlib import Path

from simulators.lab import DAY, Lab, Script, Visit, clear_day, play, steady

at = DAY.at


async def test_without_an_import_price_the_home_lives_on_and_nothing_is_planned(
    tmp_path: Path,
) -> None:
    """An upgrade stops no home: house by battery and sun, the car in time by its latest start, and a line that says what lacks."""
    script = Script(
        sun_w=clear_day(6_000),
        load_w=steady(800),
        visits=(Visit(at("06:00"), at("11:30")),),
    )
    settings = {
        "site": {"time_zone": "UTC", "reserve_pct": 20},
        "control": {"period_s": 30},
        "tariff": {"import_price": None},
        "car": {"energy_wh": 7_000, "departure": "11:00"},
    }
    result = await play(
        Lab(at("00:00"), 14, script, soc_pct=60, settings=settings, past_days=3), tmp_path
    )
    assert not result.plans, "no plan by a price that nobody stated"
    dark = result.between(at("00:00"), at("05:00"))
    assert dark.wh("discharge") > 0.9 * dark.wh("load"), "the battery serves the house"
    assert dark.wh("charge") == 0, "and takes nothing from the grid"
    assert result.between(at("06:00"), at("11:00")).car_wh() > 6_900
    assert result.between(at("06:00"), at("14:00")).wh("charge") > 1_000, "the sun is stored"
    (said,) = [line for line in result.log if "tariff.import_price" in line]
    assert "nothing is planned, bought or sold until gateway.toml says it" in said
