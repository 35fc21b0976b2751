"""A battery that may feed the car gives it what the import limit does not carry, and keeps the limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.lab import DAY, Battery, House, Lab, Said, Script, Visit, play, steady

pytestmark = pytest.mark.story

at = DAY.at
HOUSE = House(battery=Battery(capacity_wh=5_000))
CHEAP_NIGHT = {
    "kind": "time_of_use",
    "otherwise_per_kwh": "0.30",
    "periods": [{"from": "01:00", "to": "05:00", "per_kwh": "0.10"}],
}


@pytest.mark.parametrize("allowed", [False, True])
async def test_the_battery_helps_a_car_that_the_fuse_leaves_short(
    allowed: bool, tmp_path: Path
) -> None:
    """12 kWh in two and a half cheap hours behind 5 kW: 11 go in beside the house, and that is said. With what the battery
    keeps for the dear day all go in, and no more is drawn from the grid than is allowed."""
    script = Script(load_w=steady(600), visits=(Visit(at("01:30"), at("04:00")),))
    settings = {
        "site": {"import_limit_w": 5_000},
        "car": {"energy_wh": 12_000, "departure": "04:00"},
        "control": {"period_s": 20},
        "tariff": {
            "import_price": CHEAP_NIGHT,
            "export_price": {"kind": "flat", "per_kwh": "0.08"},
        },
    }
    said = Said(at("01:05"), "car_from_battery", allowed)
    lab = Lab(
        at("01:00"), 3.2, script, HOUSE, settings=settings, soc_pct=90, commands=(said,), past_days=3
    )  # fmt: skip
    result = await play(lab, tmp_path)
    assert (result.car_wh() >= 11_900) is allowed
    short = any("cannot be ready" in n for n in result.between(at("01:40"), at("01:55")).notes)
    assert short is not allowed
    assert result.starts() == 1
    assert result.import_excess(5_000)[1] <= 40
