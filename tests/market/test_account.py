"""The account adds up to the last digit, and says what it does not know."""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gateway.bill.account import published_of
from gateway.bill.fees import demand_money, fees_money
from gateway.config.tariff import FlatNight, FlatPrice, PublishedPrice, Tariff, WholesalePrice
from gateway.domain.intervals import QUARTER, Interval, quarter
from gateway.domain.trade import Metered, Run, Settlement, Side, Transaction
from gateway.market.account import RetailPrices, Statement, book_of, statement
from gateway.market.reconcile import differences
from gateway.market.retail import retail_prices
from gateway.market.settlement import expected
from gateway.market.statement_formats import as_csv, as_json, as_text
from gateway.store.book import Entry
from gateway.store.codec import metered_body, settlement_body, transaction_body
from gateway.store.journal import Journal
from tests.market.values import T0
from tests.store.history import one_interval

END = T0 + timedelta(hours=24)
CHICAGO = ZoneInfo("America/Chicago")


def at(_: Interval) -> RetailPrices:
    return RetailPrices(14_000, 2_000)


def entries(*rows: tuple[str, dict[str, object]]) -> list[Entry]:
    return [Entry(i, T0, kind, body) for i, (kind, body) in enumerate(rows, 1)]


def traded(
    start: datetime, sold: int, net: int, number: int = 1
) -> list[tuple[str, dict[str, object]]]:
    """One interval: a fill (if any), the meter, the settlement that follows from them."""
    interval = quarter(start)
    fills = (
        [Transaction(f"x{number}", number, "t", interval, Side.SELL, sold, 4_100)] if sold else []
    )
    due = expected(fills, net, 5_000, 2_000, 1_000)
    settled = Settlement(
        f"s{number}",
        interval,
        Run.PRELIM,
        due.position_wh,
        net,
        5_000,
        due.energy_money,
        due.imbalance_money,
        due.uncontracted_money,
        due.fee_money,
    )
    metered = Metered(interval, max(-net, 0), max(net, 0), 0, 0)
    rows = [("transaction", transaction_body(t)) for t in fills]
    return [*rows, ("metered", metered_body(metered)), ("settlement", settlement_body(settled))]


def test_a_day_by_hand() -> None:
    rows = traded(T0, 1000, 900, 1) + traded(T0 + QUARTER, 0, -400, 2)
    rows += traded(T0 + 2 * QUARTER, 0, 300, 3) + traded(T0 + 3 * QUARTER, 500, -100, 4)
    s = statement(book_of(entries(*rows), T0, END), T0, END, at)
    assert s.energy_wh() == {
        "import": 500,
        "export": 1200,
        "sold": 1500,
        "bought": 0,
        "delivered": 900,
        "short": 600,  # 100 and 500
        "uncontracted": 300,
        "retail_import": 500,
    }
    market = 1000 * 4100 - 100 * 5000  # 100 Wh short, within the deadband
    market += 300 * 2000
    market += 500 * 4100 - 500 * 5000 - 400 * 1000  # 500 Wh short, 100 of them free
    assert s.market_money == market
    assert s.retail_money == -500 * 14_000
    assert s.net_money == market - 500 * 14_000
    assert s.without_trading_money == -500 * 14_000 + 1200 * 2000
    assert s.money()["market"] == "0.0335"
    assert s.unsettled == 0


def test_a_correction_is_a_reversal_and_a_new_row() -> None:
    interval = quarter(T0)
    wrong = Settlement("a", interval, Run.PRELIM, 500, 500, 40, 1000, 0, 0, 0)
    back = Settlement("b", interval, Run.FINAL, -500, -500, 40, -1000, 0, 0, 0, reverses="a")
    right = Settlement("c", interval, Run.FINAL, 500, 450, 40, 1000, -2000, 0, 0)
    rows = [("settlement", settlement_body(x)) for x in (wrong, back, right)]
    s = statement(book_of(entries(*rows), T0, END), T0, END, at)
    assert s.market_money == -1000
    assert [p["reverses"] for p in as_json(s)["rows"][0]["settlements"]] == [None, "a", None]
    assert as_csv(s).splitlines()[1].split(",")[11] == "1"


def test_what_is_not_known_is_not_zero() -> None:
    def only_later(interval: Interval) -> RetailPrices:
        known = interval.start > T0
        return RetailPrices(14_000 if known else None, None)

    rows = traded(T0, 0, -400, 1) + traded(T0 + QUARTER, 0, -400, 2)
    s = statement(book_of(entries(*rows), T0, END), T0, END, only_later)
    assert s.retail_money is None
    assert s.net_money is None
    assert s.money()["retail"] is None
    assert s.rows[1].retail_money == -400 * 14_000
    assert "unknown" in as_text(s, CHICAGO)
    idle = statement(book_of(entries(*traded(T0, 0, 0)), T0, END), T0, END, only_later)
    assert idle.retail_money == 0, "nothing costs nothing, whatever its price"


def test_an_interval_without_settlement_is_said() -> None:
    rows = traded(T0, 500, 500)[:-1]
    s = statement(book_of(entries(*rows), T0, END), T0, END, at)
    assert s.unsettled == 1
    assert "1 intervals wait for their settlement" in as_text(s, CHICAGO)


intervals = st.lists(
    st.tuples(st.integers(0, 200), st.integers(-3000, 3000)), min_size=1, max_size=20
)


@given(intervals, st.integers(1, 20))
def test_parts_add_up_and_the_span_is_half_open(raw: list[tuple[int, int]], cut: int) -> None:
    rows = [
        row
        for i, (lots, net) in enumerate(raw)
        for row in traded(T0 + i * QUARTER, lots * 10, net, i + 1)
    ]
    middle = T0 + cut * QUARTER

    def of(start: datetime, end: datetime) -> Statement:
        return statement(book_of(entries(*rows), start, end), start, end, at)

    whole, parts = of(T0, END), [of(T0, middle), of(middle, END)]
    assert sum(p.market_money for p in parts) == whole.market_money
    assert len(parts[0].rows) + len(parts[1].rows) == len(whole.rows)
    for name, value in whole.energy_wh().items():
        assert sum(p.energy_wh()[name] for p in parts) == value
    money = whole.money()
    names = ("market_energy", "market_imbalance", "market_uncontracted", "market_fee")
    assert sum(Decimal(money[n] or "") for n in names) == Decimal(money["market"] or "")
    assert Decimal(money["net"] or "") * 10**8 == whole.net_money
    table = list(csv.DictReader(io.StringIO(as_csv(whole))))
    assert sum(Decimal(line["market"]) for line in table) == Decimal(money["market"] or "")
    assert json.loads(json.dumps(as_json(whole)))["energy_wh"] == whole.energy_wh()


def test_the_book_of_the_journal_and_of_its_entries_agree(tmp_path: Path) -> None:
    journal, rng = Journal(tmp_path / "j.db", checkpoint_every=50), random.Random(2)
    first = datetime(2026, 6, 1, tzinfo=UTC)
    for number in range(96):
        journal.append_all(one_interval(number, rng), first + number * QUARTER)
    end = first + timedelta(days=1)
    live = statement(journal.book, first, end, at)
    again = statement(book_of(journal.entries(), first, end), first, end, at)
    assert live == again
    assert as_json(live)["tenders"] == 4 * 96


def test_the_tariff_in_ticks() -> None:
    body = {"import_ticks": 15_001, "export_ticks": -250, "imbalance_ticks": 3_333}
    published = {T0: published_of(body)}
    flat = Tariff(import_price=FlatPrice(kind="flat", per_kwh=Decimal("0.14")))
    assert retail_prices(flat, CHICAGO, published)(quarter(T0)) == RetailPrices(14_000, -250)
    follows = Tariff(import_price=PublishedPrice(kind="published"))
    assert retail_prices(follows, CHICAGO, published)(quarter(T0)).import_ticks == 15_001
    wholesale = Tariff(
        import_price=WholesalePrice(kind="wholesale", adder_per_kwh=Decimal("0.05")),
        tax_pct=Decimal(10),
    )
    assert retail_prices(wholesale, CHICAGO, published)(quarter(T0)).import_ticks == 9_166
    nothing = retail_prices(wholesale, CHICAGO, {})(quarter(T0))
    assert nothing == RetailPrices(None, None)


def test_monthly_fees_fall_into_their_months() -> None:
    tariff = Tariff(flat_night=FlatNight(), monthly_fee=Decimal(1), tax_pct=Decimal(10))
    fee = 31 * 110_000_000

    def month(year: int, number: int) -> datetime:
        return datetime(year, number, 1, tzinfo=CHICAGO).astimezone(UTC)

    assert fees_money(tariff, CHICAGO, month(2026, 6), month(2026, 7)) == -fee // 10 * 10
    assert fees_money(tariff, CHICAGO, month(2026, 3), month(2027, 3)) == -12 * fee
    june = fees_money(tariff, CHICAGO, month(2026, 6), month(2026, 6) + timedelta(days=15))
    assert june == -fee // 2
    assert fees_money(Tariff(), CHICAGO, month(2026, 6), month(2026, 7)) == 0


def test_the_demand_charge_is_on_the_peak_of_each_month() -> None:
    tariff = Tariff(demand_charge_per_kw=Decimal(5), tax_pct=Decimal(10))
    july = datetime(2026, 7, 1, 4, 45, tzinfo=UTC)  # the last quarter of June in Chicago
    imports = [(T0, 500), (T0 + QUARTER, 1000), (july, 750), (july + QUARTER, 250)]
    metered = [Metered(quarter(at), wh, 0, 0, 0) for at, wh in imports]
    assert demand_money(tariff, CHICAGO, metered) == -(4 + 1) * 550_000_000
    assert demand_money(Tariff(), CHICAGO, metered) == 0
    assert demand_money(tariff, CHICAGO, []) == 0


def test_every_difference_to_the_exchange_is_said() -> None:
    rows = traded(T0, 500, 450, 1) + traded(T0 + QUARTER, 500, 500, 2)
    book = book_of(entries(*rows), T0, END)
    fills, settled = list(book.transactions.values()), list(book.settlements.values())
    assert differences(book, fills, settled, T0, END) == []
    (missing,) = differences(book, fills[:1], settled, T0, END)
    assert missing.startswith("fill x2 is only in our account: 2026-06-01T12:15:00Z SELL 500 Wh")
    less = Settlement("s1", quarter(T0), Run.PRELIM, 500, 450, 5_000, 1, 0, 0, 0)
    extra = Settlement("s9", quarter(T0), Run.FINAL, 500, 450, 5_000, 0, 0, 0, 0)
    found = differences(book, fills, [less, settled[1], extra], T0, END)
    assert [line.split(":")[0] for line in found[:2]] == [
        "settlement s1 differs",
        "settlement s9 is only in the exchange's account",
    ]
    assert found[2].startswith("the market owes us")
    assert differences(book, fills[:1], settled[:1], T0, T0 + QUARTER) == [], "only the span counts"
