"""The bill of the year: days that are over are kept, and add up to what the whole journal says, whatever happened meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.agent.billing import Billing, car_power_w
from gateway.agent.state import GatewayState, HomeRules, StateKeeper
from gateway.agent.status import market_state
from gateway.agent.user_settings import configured
from gateway.bill.account import periods
from gateway.bill.home import Bills, HomeBill, account
from gateway.checkup.here import billed_anew
from gateway.cli.bill import account_of
from gateway.config.settings import Settings
from gateway.domain.flows import Flow
from gateway.domain.intervals import quarter, quarters
from gateway.domain.plan import BatterySpec
from gateway.domain.trade import MONEY_PER_UNIT, Metered, Run, Settlement
from gateway.market.account import book_of
from gateway.store.backup import backup, restore
from gateway.store.codec import metered_body, settlement_body
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore
from gateway.tariff import TariffRules

BERLIN = ZoneInfo("Europe/Berlin")
BATTERY = BatterySpec(10_000, 1_000, 4_000, 4_000, 0.95, 0.95)
NOON, HOUR = timedelta(hours=12), timedelta(hours=1)


def at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=BERLIN).astimezone(UTC)


def cents(money: float) -> int:
    return round(money * MONEY_PER_UNIT)


class Home:
    """A home that is metered day by day; a start is a new agent on the same files."""

    def __init__(
        self, folder: Path, per_kwh: str = "0.30", zone: str = "Europe/Berlin", **tariff: Any
    ) -> None:
        self.settings = Settings.model_validate(
            {
                "site": {"time_zone": zone},
                "state_dir": str(folder),
                "device": [{"name": "inverter", "host": "127.0.0.1"}],
                "tariff": {
                    "currency": "EUR",
                    "import_price": {"kind": "flat", "per_kwh": per_kwh},
                    "export_price": {"kind": "flat", "per_kwh": "0.08"},
                    "daily_fee": "0.40",
                    **tariff,
                },
            }
        )
        self.files = ExitStack()
        rules = HomeRules.of(self.settings)
        self.keeper = StateKeeper(GatewayState(rules, configured(self.settings)))
        self.journal = Journal(folder / "journal.sqlite")
        self.history = History(folder / "history.sqlite")
        self.store = SettingsStore(folder / "settings.sqlite")
        for file in (self.journal, self.history, self.store):
            self.files.callback(file.close)
        self.billing = Billing(self.keeper, self.journal, self.history, self.store)
        self.billing._remember(BATTERY)

    def live(self, start: datetime, end: datetime) -> Bills:
        """What was metered in the span, a day at a time, with a report now and then; at its end as many as an hour's look back takes."""
        for n, (first, last) in enumerate(periods(start, end, self.rules, "day")):
            rows = []
            for i in quarters(first, last):
                bought, given = used(i.start)
                rows.append(("metered", metered_body(Metered(i, bought, given, 0, 0))))
                self.history._flows.append(flow(i.start, bought, given))
            self.journal.append_all(rows, last)
            self.history.flush()
            for _ in range(45 if last == end else n % 4 == 0):
                self.billing.update(last)
        return self.bills

    @property
    def rules(self) -> TariffRules:
        return self.keeper.state.rules.tariff

    @property
    def bills(self) -> Bills:
        found = self.keeper.state.bills
        assert found is not None
        return found

    def at_once(self, start: datetime, end: datetime) -> HomeBill:
        """The same by the whole journal, as one account."""
        book = book_of(self.journal.entries(), start, end)
        flows = self.history.flows(start, end)
        found = account(book, self.rules, flows, BATTERY, car_power_w(self.settings))
        return found.of(start, end)

    def settle(self, start: datetime, money: int, name: str, now: datetime) -> None:
        row = Settlement(name, quarter(start), Run.PRELIM, 0, 0, 0, money, 0, 0, 0)
        self.journal.append("settlement", settlement_body(row), now)


def used(start: datetime) -> tuple[int, int]:
    """An evening that buys and a noon that gives, a little more each day."""
    here = start.astimezone(BERLIN)
    day = here.timetuple().tm_yday % 17
    return (300 + 7 * day if 17 <= here.hour < 23 else 40, 210 - day if 10 <= here.hour < 15 else 0)


def flow(start: datetime, bought: int, given: int) -> Flow:
    """The sun gave what was given, the battery some of the evening."""
    evening = 120.0 if bought > 200 else 0.0
    charge = 140.0 if given else 0.0
    return Flow(
        quarter(start), charge, evening, given + 160.0, None, None, 5_000.0,
        bought - given + evening - charge + (given + 160.0) * 0.97,
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    with home.files:
        yield home


def test_days_that_are_over_are_the_year(home: Home) -> None:
    """From the middle of a year, over a clock change, forty days of account and the turn of the year."""
    began, old_year, new_year, end = (
        at(2025, 10, 11, 14),
        at(2025, 12, 31),
        at(2026, 1, 1),
        at(2026, 1, 13),
    )
    old = home.live(began, old_year).year
    whole = home.at_once(began, old_year)
    assert old.total_money == pytest.approx(whole.total_money, abs=200), "as many roundings as days"
    assert old.bill.start == began
    assert old.bill.import_wh == whole.bill.import_wh
    assert old.without_battery == pytest.approx(whole.without_battery, abs=cents(0.01))
    assert old.saved_money == pytest.approx(whole.saved_money, rel=0.02, abs=cents(0.05))
    found = home.live(old_year, end)
    of_year = home.at_once(new_year, end)
    assert found.year.total_money == pytest.approx(of_year.total_money, abs=100)
    assert found.month.total_money == found.year.total_money, "it is January"
    told = market_state(home.keeper.state, home.journal, end)
    assert (told.bill_year, told.year_since) == (told.bill_month, "2026-01-01")


def test_the_command_says_the_same(home: Home, tmp_path: Path) -> None:
    began, end = at(2026, 2, 20), at(2026, 5, 3)
    year = home.live(began, end).year
    found = account_of(home.settings, tmp_path, None, None)
    assert found is not None
    bills, first, last = found
    said = bills.of(first, last)
    assert (first, last) == (began, end)
    assert said.total_money == year.total_money
    assert said.saved_money == year.saved_money


def test_a_journal_of_before_is_counted_once(home: Home, tmp_path: Path) -> None:
    began, end = at(2026, 1, 9), at(2026, 4, 4)
    year = home.live(began, end).year
    home.files.close()
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as db, db:
        db.execute("DROP TABLE billed_day")  # as a gateway of before left it
        db.execute("DROP TABLE billed_tariff")
        db.execute("PRAGMA user_version = 5")
    later = Home(tmp_path)
    with later.files:
        later.billing.update(end)
        assert later.bills.year.bill.start > began, "the account in memory knows no more"
        asyncio.run(later.billing.count_older())
        later.billing.update(end)
        found = later.bills.year
        assert found.bill.start == began
        assert found.total_money == year.total_money
        assert found.without_battery == year.without_battery
    again = Home(tmp_path)
    with again.files:
        again.billing.update(end)
        assert again.bills.year.total_money == found.total_money, "kept"


def test_a_correction_of_a_month_that_is_over_moves_the_year(home: Home) -> None:
    before = home.live(at(2026, 3, 1), at(2026, 4, 2))
    start = at(2026, 3, 3, 18)
    home.settle(start, cents(1.5), "s1", at(2026, 4, 2))
    first = home.live(at(2026, 4, 2), at(2026, 4, 4)).year
    home.settle(start, cents(-0.25), "s2", at(2026, 4, 4))
    after = home.live(at(2026, 4, 4), at(2026, 4, 5))
    whole = home.at_once(at(2026, 3, 1), at(2026, 4, 5))
    assert first.market_money == cents(1.5)
    assert after.year.market_money == cents(1.25)
    assert after.year.total_money == pytest.approx(whole.total_money, abs=100)
    assert before.month.market_money == after.month.market_money == 0, "it was in March"
    long_ago = home.live(at(2026, 4, 5), at(2026, 5, 20))
    assert long_ago.year.market_money == cents(1.25), "kept when the account has forgotten it"


def test_what_was_over_keeps_its_tariff(home: Home, tmp_path: Path) -> None:
    changed, end = at(2026, 3, 20), at(2026, 4, 6)
    old = home.live(at(2026, 3, 1), changed).year
    home.files.close()
    dearer = Home(tmp_path, per_kwh="0.42", demand_charge_per_kw="3")
    with dearer.files:
        found = dearer.live(changed, end).year
        alone = dearer.at_once(changed, end)
        both = old.total_money + alone.total_money
        assert found.total_money - found.bill.demand_money == pytest.approx(
            both - alone.bill.demand_money, abs=100
        )
        # of two months: what the rest of March added to its peak so far, and April's
        assert cents(2) < -found.bill.demand_money + alone.bill.demand_money < cents(8)


def by_hand(start: datetime, end: datetime, per_kwh: str) -> Decimal:
    """What is to pay for the span, of the counters alone."""
    pay = Decimal(0)
    for first, last in pairwise(
        start + timedelta(hours=n) for n in range((end - start) // HOUR + 1)
    ):
        for i in quarters(first, last):
            bought, given = used(i.start)
            pay += (bought * Decimal(per_kwh) - given * Decimal("0.08")) / 1000
        pay += Decimal("0.40") if first.astimezone(BERLIN).hour == 0 else 0
    return pay


def to_the_cent(money: float) -> Decimal:
    return (Decimal(money) / MONEY_PER_UNIT).quantize(Decimal("0.01"))


@pytest.mark.parametrize("since", [(2026, 2, 1), (2026, 3, 30)])
def test_a_mistyped_price_is_mended_from_the_day_that_is_stated(
    home: Home, tmp_path: Path, since: tuple[int, int, int]
) -> None:
    """Longer ago than the account in memory goes back, and in it; over a clock change. What was before stays."""
    began, end = at(2026, 1, 9), at(2026, 4, 4)
    home.files.close()
    mistyped = Home(tmp_path, per_kwh="3.0")
    with mistyped.files:
        wrong = mistyped.live(began, end).year
    assert to_the_cent(wrong.total_money) == by_hand(began, end, "3.0").quantize(Decimal("0.01"))
    wanted = by_hand(began, at(*since), "3.0") + by_hand(at(*since), end, "0.30")
    mended = Home(tmp_path, since=date(*since))
    with mended.files:
        before = account_of(mended.settings, tmp_path, None, None)
        assert before is not None
        told = before[0].of(*before[1:]).total_money
        assert to_the_cent(told) == wanted.quantize(Decimal("0.01")), "the command is right at once"
        mended.billing.update(end)
        asyncio.run(mended.billing.count_older())
        mended.billing.update(end)
        assert to_the_cent(mended.bills.year.total_money) == wanted.quantize(Decimal("0.01"))
        later = mended.live(end, end + timedelta(days=2)).year
        wanted += by_hand(end, end + timedelta(days=2), "0.30")
        assert to_the_cent(later.total_money) == wanted.quantize(Decimal("0.01")), "it lasts"
    again = Home(tmp_path, since=date(*since))
    with again.files:
        asyncio.run(again.billing.count_older())
        again.billing.update(end + timedelta(days=2))
        assert again.bills.year.total_money == later.total_money, "nothing is left to mend"


def test_days_whose_journal_is_lost_stay_as_they_were_billed(home: Home, tmp_path: Path) -> None:
    year = home.live(at(2026, 3, 1), at(2026, 4, 2)).year
    home.files.close()
    (tmp_path / "journal.sqlite").rename(tmp_path / "elsewhere.sqlite")
    later = Home(tmp_path, per_kwh="0.42", since=date(2026, 3, 1))
    with later.files:
        asyncio.run(later.billing.count_older())
        found = later.live(at(2026, 4, 2), at(2026, 4, 4)).year
        alone = later.at_once(at(2026, 4, 2), at(2026, 4, 4)).total_money
        assert found.total_money == pytest.approx(year.total_money + alone, abs=10)


@pytest.mark.parametrize(
    ("since", "good", "words"),
    [
        (date(2026, 3, 20), True, "2026-03-20; billed anew at the next start: 12 days"),
        (date(2026, 4, 3), False, "2026-04-03 is still to come"),
        (date(2025, 3, 20), False, "before the first day that was billed, 2026-03-01"),
    ],
)
def test_check_says_what_it_means(
    home: Home, tmp_path: Path, since: date, good: bool, words: str
) -> None:
    home.live(at(2026, 3, 1), at(2026, 4, 1))
    home.files.close()
    later = Home(tmp_path, per_kwh="0.42", since=since)
    with later.files:
        text = f"[tariff]\nsince = {since}\n"
        [found] = billed_anew(tmp_path / "g.toml", text, later.settings, date(2026, 4, 2))
        assert found.good == good
        assert words in found.says
        assert good or "g.toml:2: tariff.since" in found.says


def test_a_backup_brings_the_year_along(home: Home, tmp_path: Path) -> None:
    began, saved, lost = at(2026, 1, 2), at(2026, 3, 10), at(2026, 3, 14)
    home.live(began, saved)
    backup(tmp_path, tmp_path / "b.tar", saved)
    home.live(saved, lost)
    home.files.close()
    restore(tmp_path / "b.tar", tmp_path)
    later = Home(tmp_path)
    with later.files:
        found = later.live(lost, at(2026, 3, 16)).year
        known = (
            later.at_once(began, saved).total_money
            + later.at_once(lost, at(2026, 3, 16)).total_money
        )
        four_days = 4 * cents(0.40)  # of which nothing is known but the standing charge
        assert found.total_money == pytest.approx(known + four_days, abs=100)
        assert found.bill.start == began


def test_a_lost_journal_takes_nothing_from_the_days_that_were_over(
    home: Home, tmp_path: Path
) -> None:
    year = home.live(at(2026, 3, 1), at(2026, 4, 2)).year
    home.files.close()
    (tmp_path / "journal.sqlite").rename(tmp_path / "elsewhere.sqlite")
    later = Home(tmp_path)
    with later.files:
        found = later.live(at(2026, 4, 2), at(2026, 4, 4)).year
        assert found.total_money == pytest.approx(
            year.total_money + later.at_once(at(2026, 4, 2), at(2026, 4, 4)).total_money, abs=10
        )


def test_another_time_zone_counts_no_hour_twice(home: Home, tmp_path: Path) -> None:
    home.live(at(2026, 3, 1), at(2026, 3, 9))
    home.files.close()
    moved = Home(tmp_path, zone="America/Chicago")
    with moved.files:
        found = moved.live(at(2026, 3, 9), at(2026, 3, 14)).year
        assert found.bill.import_wh == moved.at_once(at(2026, 3, 1), at(2026, 3, 14)).bill.import_wh


@pytest.mark.parametrize("days", [1, 45])
def test_the_year_of_a_demand_charge_is_the_months(tmp_path: Path, days: int) -> None:
    home = Home(tmp_path, demand_charge_per_kw="2.50")
    with home.files:
        began = at(2026, 1, 25, 9)
        end = began + timedelta(days=days)
        found = home.live(began, end).year
        whole = home.at_once(began, end)
        assert found.bill.demand_money == pytest.approx(whole.bill.demand_money, abs=10)
        assert found.without_battery == pytest.approx(whole.without_battery, abs=cents(0.01))
