"""A boiler's day over real Modbus: warm when it is wanted, heated by the sun and in cheap hours, measured at the meter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.bill.home import account
from gateway.config.heat_settings import HeatSettings
from gateway.config.tariff import Tariff
from gateway.domain.trade import MONEY_PER_UNIT
from gateway.market.account import book_of
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.tariff import TariffRules
from simulators.physics.heat import Boiler
from tests.heat.homes import (
    BOILER,
    MIDNIGHT,
    NO_BATTERY,
    TARIFF,
    a_day,
    by_thermostat,
    cost,
    play,
    price,
    scenario,
)

TWICE = {**BOILER, "ready_by": ["06:30", "18:00"]}


@dataclass(frozen=True)
class Billed:
    """What the gateway's own bill says of the day; ``more_kwh`` would be in the water without it."""

    total: float
    without: float
    more_kwh: float


def billed(folder: Path) -> Billed:
    """As `energy-gateway bill` reads it, from what was measured."""
    journal = Journal(folder / "journal.sqlite", read_only=True)
    history = History(folder / "history.sqlite", read_only=True)
    end = MIDNIGHT + timedelta(hours=24)
    tariff = TariffRules(Tariff.model_validate(TARIFF), ZoneInfo("UTC"))
    heater = HeatSettings.model_validate(TWICE).heater()
    book, flows = book_of(journal.entries(), MIDNIGHT, end), history.flows(MIDNIGHT, end)
    found = account(book, tariff, flows, heaters={"boiler": heater}).of(MIDNIGHT, end)
    journal.close()
    history.close()
    assert found.without_gateway is not None
    return Billed(
        found.total_money / MONEY_PER_UNIT,
        found.without_gateway / MONEY_PER_UNIT,
        found.heat_difference_wh / 1000,
    )


async def test_the_water_is_warm_in_time_and_costs_less(tmp_path: Path) -> None:
    """Against a rod on its own thermostat, which keeps 50 to 55 °C all day."""
    world = scenario(Boiler(), house=NO_BATTERY)
    seen = await play(tmp_path, world, a_day, TWICE)
    usual = by_thermostat(world, 50.0, 55.0)
    assert seen.at(seen.boiler_c, 6.5) >= 54
    assert seen.at(seen.boiler_c, 18) >= 54
    assert min(seen.boiler_c) >= 42 - 0.5
    assert max(seen.boiler_c) <= 65
    heated = list(zip(seen.times, seen.rod_w, seen.grid_w, strict=True))
    dear = sum(rod for t, rod, grid in heated if price(t) > 0.4 and grid > 100)
    assert dear <= 0.02 * sum(rod for _, rod, _ in heated), (
        "nothing is bought for it in the dear hours"
    )
    from_sun = sum(rod for t, rod, grid in heated if t.hour >= 8 and rod and grid < 100)
    assert from_sun >= 0.95 * sum(rod for t, rod, _ in heated if t.hour >= 8)
    lacks_kwh = (usual.boiler_c[-1] - seen.boiler_c[-1]) * 300 * 1.163 / 1000
    saved = cost(usual) - cost(seen) - max(0.0, lacks_kwh) * 0.16
    print(f"{cost(usual):.2f} by its thermostat, {cost(seen):.2f} by value: saved {saved:.2f}")
    assert saved > 0.5
    told = billed(tmp_path)
    print(f"the bill says {told.without:.2f} by its thermostat, {told.total:.2f} by value")
    assert told.total == pytest.approx(cost(seen), abs=0.05)
    assert told.without == pytest.approx(cost(usual), abs=0.15), "the same day without a gateway"
    assert told.more_kwh == pytest.approx(lacks_kwh, abs=1.0)


async def test_without_a_battery_the_surplus_is_followed_watt_by_watt(tmp_path: Path) -> None:
    """No feed-in is allowed: what the rod takes would otherwise be throttled, and nothing is exported."""
    world = scenario(replace(Boiler(), start_c=44.0))
    seen = await play(
        tmp_path,
        world,
        a_day,
        {**BOILER, "target_c": 60},
        site={"export_limit_w": 0, "time_zone": "Etc/UTC"},
    )
    assert seen.at(seen.boiler_c, 18) >= 59
    exported = [-w for w in seen.grid_w if w < -150]
    assert len(exported) <= 3, "for a moment, when it stops"


async def test_the_fuse_is_kept_and_the_water_is_warm_all_the_same(tmp_path: Path) -> None:
    limit_w = 2_500
    world = scenario(replace(Boiler(), start_c=40.0))
    seen = await play(
        tmp_path, world, a_day, TWICE, site={"import_limit_w": limit_w, "time_zone": "Etc/UTC"}
    )
    over = [w for w in seen.grid_w if w > limit_w + 60]
    assert len(over) <= 2, over
    assert seen.at(seen.boiler_c, 18) >= 54
