"""The agent's bills of today and of this month: made when a quarter-hour is counted, from journal and history."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.agent.billing import BATTERY, Billing, stored_battery
from gateway.agent.state import GatewayState, HomeRules, StateKeeper
from gateway.agent.status import market_state
from gateway.agent.user_settings import configured
from gateway.bill.home import Bills, cents
from gateway.config.settings import Settings
from gateway.domain.flows import Flow
from gateway.domain.intervals import QUARTER, quarter
from gateway.domain.plan import BatterySpec
from gateway.domain.trade import Metered
from gateway.store.codec import metered_body
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore
from tests.bill.test_bill import at


@dataclass
class Bench:
    keeper: StateKeeper
    journal: Journal
    history: History
    billing: Billing
    counted_wh: int = 0

    def count(self, start: datetime) -> None:
        """One quarter of 400 Wh bought, in which the battery gave 100."""
        self.counted_wh += 400
        row = Metered(quarter(start), 400, 0, self.counted_wh, 0)
        self.journal.append("metered", metered_body(row), row.interval.end)
        flow = Flow(row.interval, 0.0, 100.0, 0.0, None, None, 5_000.0, 500.0)
        self.history.add_flow(flow)

    def bills(self, now: datetime) -> Bills:
        self.billing.update(now)
        found = self.keeper.state.bills
        assert found is not None
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    settings = Settings.model_validate(
        {
            "site": {"time_zone": "Europe/Berlin"},
            "device": [{"name": "inverter", "host": "127.0.0.1"}],
            "tariff": {"currency": "EUR", "import_price": {"kind": "flat", "per_kwh": "0.30"}},
        }
    )
    keeper = StateKeeper(GatewayState(HomeRules.of(settings), configured(settings)))
    journal, history = Journal(tmp_path / "journal.sqlite"), History(tmp_path / "history.sqlite")
    store = SettingsStore(tmp_path / "settings.sqlite")
    return Bench(keeper, journal, history, Billing(keeper, journal, history, store))


def test_the_bills_follow_the_meter(bench: Bench) -> None:
    bench.billing.update(at(6, 2))
    assert bench.keeper.state.bills is None, "nothing is counted yet"
    start = at(6, 1, 23)
    for i in range(8):  # an hour of the first of June, and one of the second
        bench.count(start + i * QUARTER)
    now = start + 8 * QUARTER + timedelta(seconds=5)
    found = bench.bills(now)
    assert cents(found.today.total_money) == "0.48"
    assert cents(found.month.total_money) == "0.96"
    assert cents(found.month.without_battery) == "1.20"
    assert bench.bills(now) is found, "nothing was counted since"
    bench.count(start + 8 * QUARTER)
    later = bench.bills(now + QUARTER)
    assert cents(later.today.total_money) == "0.60"
    assert cents(later.month.total_money) == "1.08"
    bench.count(start + 9 * QUARTER)
    assert cents(bench.bills(now + timedelta(hours=1)).month.total_money) == "1.20"
    shown = market_state(bench.keeper.state, bench.journal, now)
    assert (shown.bill_today, shown.bill_month) == ("0.72", "1.20")
    assert shown.month_without_battery == "1.50"
    assert bench.bills(at(6, 3) + QUARTER).today.total_money == 0


def test_what_the_daemon_knew_of_the_battery_is_there_for_the_command(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "settings.sqlite")
    assert stored_battery(store) is None
    store.setting(BATTERY, "no json")
    assert stored_battery(store) is None
    spec = BatterySpec(10_000, 1_000, 5_000, 5_000).by_power(((300.0, 0.8), (2_000.0, 0.95)), ())

    store.setting(BATTERY, json.dumps(asdict(spec)))
    assert stored_battery(store) == spec
