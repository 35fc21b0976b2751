"""What the journal knows steers the home: the quarter's clearing price, and the month's peak."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.agent.clearing import Clearing, month_peak_w
from gateway.agent.compose import Agent
from gateway.agent.posted import PostedPrices
from gateway.agent.state import GatewayState, HomeRules, StateKeeper
from gateway.agent.user_settings import configured
from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.domain.intervals import Interval, quarter, quarter_of
from gateway.domain.price import Price
from gateway.domain.trade import Metered, Side, Transaction
from gateway.market.exchanges import PublishedPrices
from gateway.store.codec import metered_body, transaction_body
from gateway.store.journal import Journal
from tests import loops
from tests.core.over_physics import OverPhysics
from tests.core.test_car_weeks import START, Home

CHICAGO = ZoneInfo("America/Chicago")
NOW = quarter(START)


def settings_of(folder: Path, tariff: dict[str, Any]) -> Settings:
    return Settings.model_validate(
        {
            "device": [{"name": "x", "host": "x"}],
            "state_dir": folder,
            "site": {"time_zone": "America/Chicago"},
            "battery": {"capacity_wh": 13_500, "max_charge_w": 5_000, "max_discharge_w": 5_000},
            "tariff": tariff,
            "planner": {"horizon_h": 12, "first_days": "live"},
            "control": {"period_s": 30},
            "dashboard": {"enabled": False},
        }
    )


def fill(number: int, interval: Interval, price_per_mwh: float) -> dict[str, Any]:
    price = Price.of_mwh(price_per_mwh).ticks
    return transaction_body(Transaction(f"t{number}", number, "x", interval, Side.SELL, 10, price))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite")


def test_the_last_call_told_most(tmp_path: Path, journal: Journal) -> None:
    settings = settings_of(tmp_path, {})
    keeper = StateKeeper(GatewayState(HomeRules.of(settings), configured(settings)))
    clearing = Clearing(journal, keeper)
    assert clearing.price(NOW) is None
    keeper.writer("prices")(
        PostedPrices([PublishedPrices(NOW, None, None, None, Price.of_mwh(33.0).ticks)])
    )
    assert clearing.price(NOW) == 33.0
    for number, price in enumerate((50.0, 70.0, 60.0), start=1):
        journal.append("transaction", fill(number, NOW, price), START)
    journal.append("transaction", fill(4, NOW.next(), 999.0), START)
    assert clearing.price(NOW) == 60.0
    assert clearing.price(NOW.next()) == 999.0
    assert clearing.price(NOW.next().next()) is None


def test_the_peak_is_of_the_local_month_and_outlives_a_restart(
    tmp_path: Path, journal: Journal
) -> None:
    last_of_may = datetime(2026, 6, 1, 4, 45, tzinfo=UTC)  # 23:45 in Chicago
    total = 0
    for start, import_wh in (
        (last_of_may - timedelta(hours=3), 900),
        (last_of_may, 1_500),
        (last_of_may + timedelta(minutes=15), 700),
        (last_of_may + timedelta(minutes=30), 400),
    ):
        total += import_wh
        metered = Metered(quarter(start), import_wh, 0, total, 0)
        journal.append("metered", metered_body(metered), start)
    journal.close()
    again = Journal(tmp_path / "journal.sqlite")
    assert month_peak_w(again, CHICAGO, last_of_may) == 6_000
    assert month_peak_w(again, CHICAGO, last_of_may + timedelta(minutes=15)) == 2_800
    assert month_peak_w(again, CHICAGO, datetime(2026, 7, 1, 6, tzinfo=UTC)) == 0
    again.close()


def home_for(
    hours: float,
    settings: Settings,
    rows: Sequence[tuple[str, dict[str, Any]]] = (),
    after: timedelta = timedelta(0),
) -> tuple[Home, Agent]:
    """The real loops over the simulators' physics for some hours from local midnight (or ``after``)."""
    clock = SimClock(START + after)
    home = Home(clock, settings, seed=3)
    gateway = OverPhysics(home, settings, clock)
    gateway.agent.journal.append_all(rows, START)

    async def play() -> None:
        async with asyncio.TaskGroup() as group:
            running = gateway.spawn(group)
            end = clock.spawn(group, clock.sleep(hours * 3600), "end")
            end.add_done_callback(lambda _: [loop.cancel() for loop in running])

    loops.run(play())
    return home, gateway.agent


CHEAP_NIGHT = {
    "import_price": {
        "kind": "time_of_use",
        "otherwise_per_kwh": "0.50",
        "periods": [{"from": "00:00", "to": "02:00", "per_kwh": "0.01"}],
    },
    "export_price": {"kind": "flat", "per_kwh": "0"},
}


def peak_w(journal: Journal) -> float:
    return max(m.import_wh * 4 for m in journal.book.metered.values() if m.interval.start >= START)


@pytest.mark.parametrize(("charge", "held"), [("0", False), ("10", True)])
def test_a_demand_charge_keeps_charging_below_the_months_peak(
    tmp_path: Path, charge: str, held: bool
) -> None:
    """Two cheap hours tempt to charge with all power; under a demand charge only up to the peak."""
    tariff = CHEAP_NIGHT | {"demand_charge_per_kw": charge}
    so_far_w = 2_400  # 600 Wh in a quarter-hour an hour ago: 23:00 of the 1st
    metered_wh, before = so_far_w // 4, quarter(START - timedelta(hours=1))
    row = metered_body(Metered(before, metered_wh, 0, metered_wh, 0))
    _, agent = home_for(2, settings_of(tmp_path, tariff), [("metered", row)])
    assert (peak_w(agent.journal) <= so_far_w * 1.02) == held
    assert peak_w(agent.journal) > 1_500


def test_a_high_clearing_price_discharges_at_once(tmp_path: Path) -> None:
    """The tariff follows the market; what the auction told counts before anything is published."""
    tariff = {
        "import_price": {"kind": "wholesale"},
        "export_price": {"kind": "wholesale"},
        "accept": ["import_unpublished", "export_unpublished"],
    }
    quiet, _ = home_for(0.2, settings_of(tmp_path / "quiet", tariff))
    assert abs(quiet.state.powers.battery) < 1_000
    sold = ("transaction", fill(1, quarter_of(START), 2_000.0))
    # Begun inside the quarter, nobody knows what has been delivered: the price decides.
    settings = settings_of(tmp_path / "spiky", tariff)
    spiky, agent = home_for(0.1, settings, [sold], after=timedelta(minutes=5))
    assert agent.keeper.state.cleared == (quarter_of(START), 2_000.0)
    assert spiky.state.powers.battery > 4_000
