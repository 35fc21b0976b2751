"""Even importing is paid for: the home's own sun is shut down while that lasts, where the device can."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from gateway.control.decide import decide
from gateway.domain.control import GridLimits, Setpoints
from gateway.domain.order import Order
from simulators.lab import DAY, Equipment, Lab, Result, Script, clear_day, play, steady
from simulators.lab.feed import Prices
from tests.control.homes import battery, inputs, order, snapshot

at = DAY.at


def noon_below_0(start: datetime) -> tuple[float, float]:
    return (-0.05, -0.12) if 12 <= DAY.hour(start) < 14 else (0.30, 0.08)


async def day(folder: Path, equipment: Equipment) -> Result:
    lab = Lab(
        at("10:00"), 5,
        Script(sun_w=clear_day(6_000), load_w=steady(1_000)),
        equipment=equipment,
        soc_pct=95,
        settings={"control": {"period_s": 30}},
        prices=Prices(noon_below_0),
    )  # fmt: skip
    return await play(lab, folder)


async def test_the_sun_is_shut_down_and_that_earns(tmp_path: Path) -> None:
    """1 kW of load for two hours at -5 ct: 10 ct are earned, where the sun would earn nothing."""
    off = await day(tmp_path / "off", Equipment())
    below_0 = off.between(at("12:02"), at("13:59"))
    assert below_0.wh("grid_import") > 0.95 * below_0.wh("load"), "the sun feeds no house"
    assert below_0.wh("grid_export") == 0
    assert below_0.wh("pv") <= below_0.wh("charge") + 60, (
        "only the battery behind the same inverter"
    )
    assert off.between(at("14:02"), at("15:00")).wh("pv") > 3_000, "and it comes back"
    on = await day(
        tmp_path / "on", Equipment(obeys=lambda s: replace(s, pv_limits_w={}, export_limit_w=0))
    )
    paid = off.between(at("12:00"), at("14:00")).cost
    assert paid == pytest.approx(-0.10, abs=0.01)
    assert paid < on.between(at("12:00"), at("14:00")).cost - 0.05


def setpoints(asked: Order, **more: object) -> Setpoints:
    seen = snapshot(-2_000, 4_000, (battery(soc_pct=100.0),))
    return decide(replace(inputs(seen, asked), **more)).setpoints  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "asked", "limits", "off"),
    [
        ("import is paid for", order(import_price=-50, export_price=-80), GridLimits(), True),
        ("surplus earns all the same", order(import_price=-50, export_price=20), GridLimits(), False),
        ("import costs", order(import_price=1, export_price=-80), GridLimits(), False),
        ("it is sold", order(import_price=-50, export_price=-80, position_wh=500), GridLimits(), False),
        ("the operator limits import", order(import_price=-50, export_price=-80), GridLimits(4_200), False),
        ("nobody published it", order(import_price=-50, export_price=-80, import_assumed=True), GridLimits(), False),
    ],
)  # fmt: skip
def test_only_where_every_kwh_of_it_costs(
    case: str, asked: Order, limits: GridLimits, off: bool
) -> None:
    assert (setpoints(asked, operator=limits).pv_limits_w == {"roof": 0}) is off, case
