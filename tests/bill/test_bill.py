"""The retailer's bill: to the cent against sums made another way; what is not known is in no amount."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bill.account import Prices, Published, Quarter, bill, periods
from gateway.bill.columns import Quarters
from gateway.bill.days import DailyBills
from gateway.bill.home import account, as_json, cents
from gateway.bill.otherwise import known, without_battery, without_sun, without_us
from gateway.cli.bill import By, text
from gateway.config.tariff import Tariff
from gateway.domain.flows import Flow
from gateway.domain.intervals import QUARTER, Interval, quarter, quarters
from gateway.domain.plan import BatterySpec
from gateway.domain.trade import MONEY_PER_UNIT, Metered, MeterGap, MeterQuality
from gateway.store.book import Book
from gateway.tariff import TariffRules

BERLIN = ZoneInfo("Europe/Berlin")
BATTERY = BatterySpec(10_000, 1_000, 4_000, 4_000, 0.95, 0.95)
MODULE_3 = {
    "kind": "time_of_use",
    "otherwise_per_kwh": "0.0782",
    "periods": [
        {"from": "17:00", "to": "21:00", "per_kwh": "0.1250", "months": [1, 2, 3, 10, 11, 12]},
        {"from": "00:00", "to": "05:00", "per_kwh": "0.0195", "months": [1, 2, 3, 10, 11, 12]},
    ],
}


def rules(**parts: Any) -> TariffRules:
    return TariffRules(Tariff.model_validate({"currency": "EUR", **parts}), BERLIN)


def at(month: int, day: int, hour: int = 0) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=BERLIN).astimezone(UTC)


def month(number: int) -> tuple[datetime, datetime]:
    return at(number, 1), at(number % 12 + 1, 1).replace(year=2026 + number // 12)


def used(start: datetime, end: datetime) -> list[Quarter]:
    """A home with an evening and a noon, the same each day."""
    rows = []
    for i in quarters(start, end):
        hour = i.start.astimezone(BERLIN).hour
        sun = 600 if 10 <= hour < 16 else 0
        load = 450 if 17 <= hour < 22 else 90
        rows.append(Quarter(i, max(load - sun, 0), max(sun - load, 0)))
    return rows


@pytest.mark.parametrize("number", [2, 3, 6, 10])  # with both clock changes
def test_a_month_is_what_a_person_adds_up(number: int) -> None:
    start, end = month(number)
    tariff = rules(
        import_price={"kind": "flat", "per_kwh": "0.1532"},
        export_price={"kind": "flat", "per_kwh": "0.0786"},
        grid_fee=MODULE_3,
        levies_per_kwh="0.0468",
        tax_pct="19",
        monthly_fee="5.90",
        daily_fee="0.12",
        demand_charge_per_kw="1.50",
    )
    rows = used(start, end)
    found = bill(rows, (start, end), tariff, Prices(tariff, {}))
    by_fee: dict[str, int] = {}
    for row in rows:
        hour = row.interval.start.astimezone(BERLIN).hour
        winter = number in (1, 2, 3, 10, 11, 12)
        fee = (
            "0.1250"
            if winter and 17 <= hour < 21
            else "0.0195"
            if winter and hour < 5
            else "0.0782"
        )
        by_fee[fee] = by_fee.get(fee, 0) + row.import_wh
    energy = sum(Fraction(wh, 1000) * Fraction(fee) for fee, wh in by_fee.items())
    energy += Fraction(sum(by_fee.values()), 1000) * (Fraction("0.1532") + Fraction("0.0468"))
    days = {2: 28, 3: 31, 6: 30, 10: 31}[number]
    fees = Fraction("5.90") + days * Fraction("0.12")
    demand = Fraction("1.50") * Fraction(450 * 4, 1000)
    owed = (energy + fees + demand) * Fraction("1.19")
    credit = Fraction(sum(r.export_wh for r in rows), 1000) * Fraction("0.0786")
    assert found.total_money == pytest.approx(int((owed - credit) * MONEY_PER_UNIT), abs=len(rows))
    assert cents(found.total_money) == f"{float(round(owed - credit, 2)):.2f}"


def test_days_add_up_to_months_and_months_to_years() -> None:
    tariff = rules(import_price={"kind": "flat", "per_kwh": "0.30"}, daily_fee="0.4501", monthly_fee="7.77")  # fmt: skip
    start, end = at(3, 1), at(5, 1)
    rows = used(start, end)
    whole = bill(rows, (start, end), tariff, Prices(tariff, {}))
    for by, count in (("day", 61), ("month", 2), ("year", 1)):
        parts = [
            bill(rows, span, tariff, Prices(tariff, {})) for span in periods(start, end, tariff, by)
        ]
        assert len(parts) == count
        assert sum(p.energy_money for p in parts) == whole.energy_money
        assert sum(p.total_money for p in parts) == pytest.approx(whole.total_money, abs=count)
    days = list(periods(at(3, 28), at(3, 31), tariff, "day"))
    assert [(b - a).total_seconds() / 3600 for a, b in days] == [24, 23, 24]
    assert periods(at(3, 28, 12), at(3, 29, 6), tariff, "day")[0] == (at(3, 28, 12), at(3, 29))


def test_a_demand_charge_is_owed_once_a_month() -> None:
    tariff = rules(import_price={"kind": "flat", "per_kwh": "0"}, demand_charge_per_kw="10")
    book = Book()
    for day, wh in ((1, 500), (2, 2_000), (3, 1_000), (4, 2_500)):
        book.metered[at(6, day, 12)] = Metered(quarter(at(6, day, 12)), wh, 0, 0, 0)
    found = account(book, tariff, ())
    days = [cents(found.of(at(6, d), at(6, d + 1)).total_money) for d in range(1, 5)]
    assert days == ["20.00", "60.00", "0.00", "20.00"]
    assert cents(found.of(at(6, 1), at(7, 1)).total_money) == "100.00"


def test_what_has_no_price_is_in_no_amount_and_said() -> None:
    tariff = rules(import_price={"kind": "published", "adder_per_kwh": "0.1", "factor": "1.02"}, tax_pct="19")  # fmt: skip
    rows = [Quarter(quarter(at(6, 1, h)), 1_000, 0) for h in range(3)]
    published = {rows[0].interval.start: Published(Decimal("0.05")), rows[1].interval.start: Published(Decimal("-0.20"))}  # fmt: skip
    found = bill(rows, (at(6, 1), at(6, 2)), tariff, Prices(tariff, published))
    assert found.unpriced_wh == 1_000
    owed = (Fraction("0.1") + Fraction("1.02") * Fraction("0.05")) + (Fraction("0.1") - Fraction("1.02") * Fraction("0.20"))  # fmt: skip
    assert found.energy_money == round(owed * Fraction("1.19") * MONEY_PER_UNIT)
    sold = bill(
        [Quarter(quarter(at(6, 1)), 0, 500)], (at(6, 1), at(6, 2)), tariff, Prices(tariff, {})
    )
    assert (sold.unpriced_wh, sold.feed_in_money) == (500, 0)


def test_a_price_with_tax_is_taken_as_it_is() -> None:
    tariff = rules(import_price={"kind": "published", "tax_included": True}, tax_pct="5", grid_fee={"kind": "flat", "per_kwh": "0.1"}, daily_fee="1")  # fmt: skip
    rows = [Quarter(quarter(at(6, 1)), 1_000, 0)]
    found = bill(
        rows,
        (at(6, 1), at(6, 2)),
        tariff,
        Prices(tariff, {at(6, 1): Published(Decimal("0.245385"))}),
    )
    assert found.energy_money == 24_538_500
    assert found.standing_money == 105_000_000


def book_of_month(start: datetime, end: datetime) -> Book:
    book = Book()
    for row in used(start, end):
        book.metered[row.interval.start] = Metered(row.interval, row.import_wh, row.export_wh, 0, 0)
    return book


def test_energy_that_nobody_counted_by_quarter_costs_what_it_may_be_known_to_cost() -> None:
    book = Book()
    gap = MeterGap(at(6, 1, 2), at(6, 1, 12), 2_000, 0, 0, 0)
    book.gaps = (gap,)
    book.metered[at(6, 1, 12)] = Metered(
        quarter(at(6, 1, 12)), 100, 0, 0, 0, MeterQuality.ESTIMATED
    )
    flat = account(book, rules(import_price={"kind": "flat", "per_kwh": "0.30"}), ())
    found = flat.of(at(6, 1), at(6, 2))
    assert as_json(found, "EUR")["energy"] == "0.63"
    assert (found.metered, found.estimated, found.bill.unpriced_wh) == (1, 1, 0)
    by_hour = {"kind": "time_of_use", "otherwise_per_kwh": "0.30", "periods": [{"from": "06:00", "to": "08:00", "per_kwh": "0.4"}]}  # fmt: skip
    changing = account(book, rules(import_price=by_hour), ()).of(at(6, 1), at(6, 2))
    assert changing.bill.unpriced_wh == 2_000


def flows_for(rows: list[Quarter], move: list[float]) -> list[Flow]:
    """The battery moved so much (discharge +) in each."""
    made = []
    for row, moved in zip(rows, move, strict=True):
        pv = 600.0 if row.export_wh else 0.0
        load = row.import_wh - row.export_wh + pv + moved
        gave = max(-moved, 0.0), max(moved, 0.0)
        made.append(Flow(row.interval, *gave, pv, 0.0, False, 5_000.0, load))
    return made


def test_without_battery_sun_and_us() -> None:
    start, end = at(6, 1), at(6, 2)
    rows = used(start, end)
    idle = known(Quarters(rows), flows_for(rows, [0.0] * len(rows)))
    assert list(without_battery(idle)) == rows, "it did nothing"
    assert sum(q.import_wh for q in without_sun(idle)) == sum(r.import_wh + (600 - r.export_wh if r.export_wh else 0) for r in rows)  # fmt: skip
    alone = without_us(idle, BATTERY, 11_000)
    ours, difference = alone.netted, alone.more_stored_wh[-1]
    bought, given = sum(q.import_wh for q in ours), sum(q.export_wh for q in ours)
    assert bought < sum(r.import_wh for r in rows)
    assert given < sum(r.export_wh for r in rows)
    moved = sum((r.import_wh - r.export_wh) - (q.import_wh - q.export_wh) for q, r in zip(ours, rows, strict=True))  # fmt: skip
    assert moved > 0, (
        "what was taken in at noon is given in the evening, and some of what was there"
    )
    assert -4_000 <= difference <= 5_000


def test_a_car_that_waited_for_the_night_would_have_charged_at_the_peak() -> None:
    spans = [quarter(at(6, 1, 17) + i * QUARTER) for i in range(40)]  # from 17 to 3 o'clock
    rows = [Quarter(i, 100 + (2_500 if k >= 28 else 0), 0) for k, i in enumerate(spans)]
    flows = [Flow(i, 0.0, 0.0, 0.0, 2_500.0 if k >= 28 else 0.0, True, None) for k, i in enumerate(spans)]  # fmt: skip
    ours = without_us(known(Quarters(rows), flows), None, 10_000).netted
    assert [q.import_wh for q in ours] == [2_600] * 12 + [100] * 28
    none = without_us(known(Quarters(rows), flows), None, 0.0).netted
    assert list(none) == rows, "a car of unknown power stays where it was"


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.floats(-1000, 1000), st.floats(0, 2000)), min_size=1, max_size=40),
    st.floats(0, 10_000),
)  # fmt: skip
def test_the_own_rule_neither_makes_energy_nor_goes_below_the_reserve(
    cells: list[tuple[int, int, float, float]], stored: float
) -> None:
    rows = [Quarter(quarter(at(6, 1) + i * QUARTER), c[0], c[1]) for i, c in enumerate(cells)]
    flows = [Flow(r.interval, max(-c[2], 0.0), max(c[2], 0.0), c[3], 0.0, False, stored) for r, c in zip(rows, cells, strict=True)]  # fmt: skip
    found = known(Quarters(rows), flows)
    alone = without_us(found, BATTERY, 0.0)
    ours, difference = alone.netted, alone.more_stored_wh[-1]
    net = sum(q.import_wh - q.export_wh for q in ours) - sum(found.net_wh)
    end = stored + difference
    assert -1e-6 <= end <= BATTERY.capacity_wh + 1e-6
    assert end >= min(stored, BATTERY.reserve_wh) - 1e-6
    # what went in is never less than what is stored more, what came out never more than it is less
    if end > stored:
        assert net >= end - stored - len(rows)
    else:
        assert -net <= stored - end + len(rows)
    assert all(q.import_wh == 0 or q.export_wh == 0 for q in ours)


def test_a_month_takes_little_memory() -> None:
    """It is made anew in every quarter-hour: what its rows took as objects, the process would keep."""
    start, end = at(6, 1), at(7, 1)
    book, rows = book_of_month(start, end), used(start, end)
    tariff = rules(import_price={"kind": "flat", "per_kwh": "0.30"}, export_price={"kind": "flat", "per_kwh": "0.08"})  # fmt: skip
    flows = flows_for(rows, [0.0] * len(rows))
    tracemalloc.start()
    try:
        found = account(book, tariff, flows, BATTERY, 11_000).of(start, end)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.compared == len(rows)
    assert peak < 400 * len(rows)


def test_too_little_known_is_no_comparison() -> None:
    start, end = at(6, 1), at(6, 2)
    book, tariff = book_of_month(start, end), rules(import_price={"kind": "flat", "per_kwh": "0.30"}, export_price={"kind": "flat", "per_kwh": "0.08"})  # fmt: skip
    rows = used(start, end)
    flows = flows_for(rows, [0.0] * len(rows))
    some = account(book, tariff, flows[:50], BATTERY, 11_000).of(start, end)
    assert some.without_battery is None
    assert some.saved_money is None
    found = account(book, tariff, flows, BATTERY, 11_000).of(start, end)
    assert found.without_battery == found.total_money
    assert found.without_sun is not None
    assert found.without_sun > found.total_money
    body = as_json(found, "EUR")
    assert Decimal(body["saved"]) == Decimal(body["without_gateway"]) - Decimal(body["total"])


@pytest.mark.parametrize(("unknown", "compares"), [(8, True), (24, False)])
def test_energy_without_a_price_is_no_saving(unknown: int, compares: bool) -> None:
    """Nobody knows what the feed-in of some hours brings: what they would have exported is no saving either."""
    start, end = at(6, 1), at(6, 2)
    book = book_of_month(start, end)
    rows = used(start, end)
    sunny = [r.interval.start for r in rows if r.export_wh]
    flat = {"kind": "flat", "per_kwh": "0.30"}
    followed = rules(import_price=flat, export_price={"kind": "published"})
    for i in quarters(start, end):
        book.prices[i.start] = {"export_per_kwh": "0.08"}
    whole = account(book, followed, flows_for(rows, [0.0] * len(rows)), BATTERY)
    assert whole.of(start, end).bill.unpriced_wh == 0
    for moment in sunny[:unknown]:
        del book.prices[moment]
    found = account(book, followed, flows_for(rows, [0.0] * len(rows)), BATTERY).of(start, end)
    assert found.bill.unpriced_wh == unknown * 510
    assert found.compared == len(rows) - unknown
    if compares:
        assert found.without_battery == found.total_money
        priced = sum(r.import_wh for r in rows)
        assert found.without_sun == (priced + 90 * (24 - unknown)) * 3 * MONEY_PER_UNIT // 10_000
    else:
        assert (found.saved_money, found.without_battery, found.without_sun) == (None, None, None)


def test_prices_that_are_still_to_come_do_not_hide_what_was_saved_before() -> None:
    start, noon = at(6, 1), at(6, 1, 13)
    rows = used(start, noon)
    book = Book()
    for row in rows:
        book.metered[row.interval.start] = Metered(row.interval, row.import_wh, row.export_wh, 0, 0)
        if row.interval.start < noon - timedelta(hours=2):
            book.prices[row.interval.start] = {"export_per_kwh": "0.08"}
    followed = rules(import_price={"kind": "flat", "per_kwh": "0.30"}, export_price={"kind": "published"})  # fmt: skip
    found = account(book, followed, flows_for(rows, [0.0] * len(rows)), BATTERY).of(start, noon)
    assert (found.metered, found.compared) == (52, 44)
    assert found.without_battery == found.total_money


def test_what_a_programme_pays_is_said_to_be_unknown_until_it_is_known() -> None:
    book, start = Book(), at(6, 1)
    for n in range(3):
        book.metered[start + n * QUARTER] = Metered(quarter(start + n * QUARTER), 0, 500, 0, 0)
    book.credits[start] = {"money": 25 * MONEY_PER_UNIT // 100}
    book.credits[start + QUARTER] = {"money": None}
    tariff = rules(import_price={"kind": "flat", "per_kwh": "0.30"})
    whole = account(book, tariff, ())
    found = whole.of(start, at(6, 2))
    assert cents(found.total_money) == "-0.25"
    assert as_json(found, "EUR")["programme_unknown_quarters"] == 1
    said = text(DailyBills(whole), (start, at(6, 2)), [found], "EUR", By.DAY)
    assert "1 dispatched quarter-hour " in said
    assert "no amount" in said


@pytest.mark.parametrize(
    ("by", "names"),
    [
        (By.DAY, ["2026-05-30", "2026-05-31", "2026-06-01", "all"]),
        (By.MONTH, ["2026-05-30 to 2026-05-31", "2026-06-01 to 2026-06-01", "all"]),
        (By.YEAR, ["2026-05-30 to 2026-06-01", "all"]),
    ],
)
def test_a_row_names_its_days(by: By, names: list[str]) -> None:
    assert rows_of(at(5, 30), at(6, 2), by) == names


def test_a_whole_month_or_year_is_named_so() -> None:
    assert rows_of(at(3, 1), at(5, 1), By.MONTH) == ["2026-03", "2026-04", "all"]
    assert rows_of(at(1, 1), at(1, 1) + timedelta(days=365), By.YEAR) == ["2026", "all"]


def rows_of(start: datetime, end: datetime, by: By) -> list[str]:
    """The names of the rows that are printed."""
    whole = account(Book(), rules(import_price={"kind": "flat", "per_kwh": "0.30"}), ())
    bills = [whole.of(*span) for span in periods(start, end, whole.rules, by.value)]
    lines = text(DailyBills(whole), (start, end), bills, "EUR", by).splitlines()[1:]
    return [line.strip().split("  ")[0] for line in lines if not line.startswith("Only")]


def test_a_home_without_panels_can_be_compared_too() -> None:
    start, end = at(6, 1), at(6, 2)
    book, tariff = Book(), rules(import_price={"kind": "flat", "per_kwh": "0.30"})
    flows = []
    for i in quarters(start, end):
        book.metered[i.start] = Metered(i, 200, 0, 0, 0)
        flows.append(Flow(i, 0.0, 100.0, None, None, None, 5_000.0))
    found = account(book, tariff, flows, BATTERY).of(start, end)
    assert found.without_battery == round(found.total_money * 1.5)
    assert found.without_sun == found.without_battery
    lost = [replace(f, charge_wh=None, discharge_wh=None) for f in flows[:20]]
    assert account(book, tariff, lost + flows[20:], BATTERY).of(start, end).without_battery is None


def test_with_an_exchange_both_accounts_are_one_sum() -> None:
    book, start = Book(), at(6, 1)
    interval = Interval(start, start + QUARTER)
    book.metered[start] = Metered(interval, 0, 900, 0, 0)
    tariff = rules(import_price={"kind": "flat", "per_kwh": "0.30"}, export_price={"kind": "flat", "per_kwh": "0.08"})  # fmt: skip
    book._net[start] = 1_000  # sold, and 100 Wh short: those are the retailer's
    found = account(book, tariff, ()).of(start, start + timedelta(days=1))
    assert found.bill.import_wh == 100
    assert found.bill.export_wh == 0
    assert cents(found.total_money) == "0.03"
