"""A cloudy day with prices by the hour: a third fewer changes of the battery's mode at the same money."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from benchmarks.calm import Calm, cloudy, counted
from simulators.lab import (
    DAY,
    Battery,
    Equipment,
    House,
    Lab,
    Script,
    Visit,
    clear_day,
    every_day,
    play,
    steady,
)
from simulators.lab.feed import Prices

at = DAY.at


async def of(folder: Path, switch_cost: float | None) -> Calm:
    return counted(await play(cloudy(switch_cost, dynamic=True, period_s=30.0), folder))


async def test_a_third_fewer_changes_at_the_same_money(tmp_path: Path) -> None:
    nervous = await of(tmp_path / "free", 0.0)
    calm = await of(tmp_path / "priced", None)
    assert calm.modes <= nervous.modes * 2 / 3, (calm, nervous)
    assert calm.money <= nervous.money + 0.005 * abs(nervous.money), (calm, nervous)


async def test_night_energy_below_what_feeding_in_earns_turns_no_battery_with_each_tick(
    tmp_path: Path,
) -> None:
    """Bought at 8 ct and sold at 30 ct it was charged and discharged at 5 kW, 160 times an hour."""
    lab = Lab(
        at("00:00"), 3, Script(load_w=every_day(400, [(1, 1.1, 7_000), (2, 2.1, 7_000)])),
        House(battery=Battery(10_000, 8_000, 8_000)), soc_pct=20,
        settings={
            "site": {"import_limit_w": 7_000},
            "control": {"period_s": 20},
            "tariff": {
                "import_price": {
                    "kind": "time_of_use",
                    "otherwise_per_kwh": "0.34",
                    "periods": [{"from": "00:00", "to": "06:00", "per_kwh": "0.08"}],
                },
                "export_price": {"kind": "flat", "per_kwh": "0.30"},
            },
        },
    )  # fmt: skip
    result = await play(lab, tmp_path)
    assert result.reversals() <= 30
    assert result.wh("grid_export") > 3_000, "it still trades"


def below_0_till_half_past_nine(start: datetime) -> tuple[float, float]:
    return (0.05, -0.02) if DAY.hour(start) < 9.5 else (0.30, 0.08)


async def test_a_car_has_the_sun_that_a_price_holds_back(tmp_path: Path) -> None:
    """It was told to take 9 kW of sun while the inverters were told to give the house's 150 W: the import limit
    stopped it 20 s later, and the sun, let go for it, was fed in below 0; and so on for twenty minutes."""
    script = Script(
        sun_w=clear_day(6_000),
        ac_sun_w=clear_day(1_500),
        load_w=steady(150),
        visits=(Visit(at("08:55"), at("16:00"), stored_wh=30_000),),
    )
    lab = Lab(
        at("08:50"), 1, script,
        House(battery=Battery(2_500, 2_500, 2_500), ac_coupled=True), Equipment(roof=True), soc_pct=99,
        settings={
            "site": {"import_limit_w": 4_000},
            "car": {"energy_wh": 5_000, "more_per_kwh": 0.15},
            "control": {"period_s": 20},
        },
        prices=Prices(below_0_till_half_past_nine),
    )  # fmt: skip
    result = await play(lab, tmp_path)
    assert result.starts() <= 2
    assert result.import_excess(4_000)[1] <= 20
    assert result.between(at("08:56"), at("09:29")).wh("grid_export") < 100
    assert result.car_wh() > 2_500
