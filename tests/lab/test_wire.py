"""A scenario over real Modbus, MQTT and HTTP comes to what the fast kind says."""

from __future__ import annotations

from datetime import datetime
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
