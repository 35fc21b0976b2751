"""A cloudy day with prices by the hour: a third fewer changes of the battery's mode at the same money."""

from __future__ import annotations

from pathlib import Path

from benchmarks.calm import Calm, cloudy, counted
from simulators.lab import play


async def of(folder: Path, switch_cost: float | None) -> Calm:
    return counted(await play(cloudy(switch_cost, dynamic=True, period_s=30.0), folder))


async def test_a_third_fewer_changes_at_the_same_money(tmp_path: Path) -> None:
    nervous = await of(tmp_path / "free", 0.0)
    calm = await of(tmp_path / "priced", None)
    assert calm.modes <= nervous.modes * 2 / 3, (calm, nervous)
    assert calm.money <= nervous.money + 0.005 * abs(nervous.money), (calm, nervous)
