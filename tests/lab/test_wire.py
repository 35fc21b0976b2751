"""A scenario over real Modbus, MQTT and HTTP comes to what the fast kind says."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from simulators.lab import DAY, Lab, Script, Visit, clear_day, play, steady
from simulators.lab.feed import Prices
from simulators.lab.wire import play_on_wire

at = DAY.at


def posted(time: datetime) -> tuple[float, float]:
    """Dear from five to nine in the evening."""
    return (0.40 if 17 <= time.hour < 21 else 0.20), 0.08


def lab() -> Lab:
    script = Script(
        sun_w=clear_day(4_000),
        load_w=steady(600),
        visits=(Visit(at("16:00"), at("23:30")),),
    )
    return Lab(
        at("15:00"), 8.5, script, prices=Prices(posted), past_days=2,
        settings={"car": {"energy_wh": 12_000, "departure": "23:30"}},
    )  # fmt: skip


async def test_both_kinds_agree(tmp_path: Path) -> None:
    fast = await play(lab(), tmp_path / "fast")
    wired = await play_on_wire(lab(), tmp_path / "wire")
    for result in (fast, wired):
        assert result.car_wh() == pytest.approx(12_000, abs=150)
        dear = result.between(at("17:00"), at("21:00"))
        assert dear.wh("grid_import") < 200, "battery and car keep out of the dear hours"
    assert wired.cost == pytest.approx(fast.cost, abs=0.1)


async def test_a_restart_at_the_peak_lets_no_waiting_car_charge(tmp_path: Path) -> None:
    """A charger that lets go by itself after a minute keeps its car waiting over a restart of some seconds."""
    peak = at("18:00")
    script = Script(load_w=steady(400), visits=(Visit(at("17:00"), at("23:30")),))
    waiting = Lab(
        at("17:30"), 1, script, prices=Prices(posted), past_days=2,
        off=[(peak, peak + timedelta(seconds=20))],
        settings={"car": {"energy_wh": 8_000, "departure": "23:30"}, "control": {"period_s": 2}},
    )  # fmt: skip
    result = await play_on_wire(waiting, tmp_path)
    assert result.between(at("17:31"), at("18:30")).car_wh() < 10
    assert any("lets its car wait on" in line for line in result.log)
