"""The trader against a real exchange that fails in every way: the account stays one and true."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER, iso, quarter
from gateway.domain.plan import OfferCurve
from gateway.domain.trade import Metered, Side
from gateway.errors import MarketError
from gateway.market.trader import Trader, TraderSettings
from gateway.store.book import Book
from gateway.store.journal import Journal
from tests import loops
from tests.market.stub_client import StubExchange
from tests.market.stub_exchange import Stub
from tests.market.values import MINUTE, RULES, T0, curve

SECOND = timedelta(seconds=1)
OFFER = [curve((30, 500), (60, 900))]
START = T0 - 60 * MINUTE - 60 * SECOND


@dataclass
class Scene:
    """A home, its exchange, and the faults that the exchange is told to have."""

    stub: Stub
    exchange: StubExchange
    journal: Journal
    clock: SimClock
    trader: Trader

    def fail(self, route: str, *kinds: str) -> None:
        self.stub.faults[route] = list(kinds)

    def at_exchange(self) -> list[tuple[str, str]]:
        rows = self.stub.db.execute("SELECT tender_id, state FROM tender ORDER BY tender_id")
        return [tuple(row) for row in rows.fetchall()]

    def kinds(self) -> list[str]:
        return [e.kind for e in self.journal.entries()]


Story = Callable[[Scene], Awaitable[None]]


def open_sell_wh(book: Book) -> int:
    """Energy that open or unanswered sell tenders of the first interval may still commit."""
    states = book.tenders_of(quarter(T0))
    return sum(s.open_wh for s in states if s.tender.side is Side.SELL)


def play(tmp_path: Path, story: Story, start: timedelta = timedelta(0)) -> None:
    async def main() -> None:
        stub = Stub(tmp_path / "exchange.db", seed=1)
        runner = web.AppRunner(stub.app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        clock = SimClock(START + start)
        exchange = StubExchange(runner.addresses[0][1], clock)
        journal = Journal(tmp_path / "journal.db")
        trader = Trader(exchange, journal, clock, TraderSettings("home"))

        async def told() -> None:
            await trader.start()
            await story(Scene(stub, exchange, journal, clock, trader))

        try:
            async with asyncio.TaskGroup() as group:
                clock.spawn(group, told(), "story")
        finally:
            journal.verify()
            journal.close()
            await exchange.close()
            await runner.cleanup()

    loops.run(main())


def test_a_tender_is_stored_sent_answered_and_stored_again(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        assert await s.trader.bid(OFFER) == 2
        assert s.kinds() == ["tender", "tender", "answer", "answer"]
        assert open_sell_wh(s.journal.book) == 900
        assert await s.trader.bid(OFFER) == 0, "the same plan sends nothing"

    play(tmp_path, story)


@pytest.mark.parametrize("fault", ["500-before", "500-after", "cut-after", "nonsense"])
def test_a_lost_answer_is_one_bid(tmp_path: Path, fault: str) -> None:
    async def story(s: Scene) -> None:
        s.fail("tenders", fault)
        with pytest.raises(MarketError):
            await s.trader.bid(OFFER)
        assert len(s.journal.book.unanswered()) == 2
        assert open_sell_wh(s.journal.book) == 900, "it counts as committed"
        assert await s.trader.bid(OFFER) == 0, "nothing new is needed"
        assert s.journal.book.unanswered() == []
        assert [state for _, state in s.at_exchange()] == ["open", "open"]
        assert s.kinds().count("answer") == 2

    play(tmp_path, story)


@pytest.mark.parametrize("fault", ["500-before", "500-after", "cut-after", "nonsense"])
def test_a_lost_cancel_is_repeated(tmp_path: Path, fault: str) -> None:
    async def story(s: Scene) -> None:
        await s.trader.bid(OFFER)
        s.fail("cancel", fault)
        with pytest.raises(MarketError):
            await s.trader.bid([OfferCurve(quarter(T0), ())])
        assert open_sell_wh(s.journal.book) == 900, "nothing is free before the answer"
        await s.trader.bid([OfferCurve(quarter(T0), ())])
        assert open_sell_wh(s.journal.book) == 0
        assert [state for _, state in s.at_exchange()] == ["cancelled", "cancelled"]

    play(tmp_path, story)


def test_a_doubled_answer_is_one_row(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        s.fail("tenders", "double")
        await s.trader.bid(OFFER)
        assert s.kinds() == ["tender", "tender", "answer", "answer"]

    play(tmp_path, story)


def test_a_fill_that_is_faster_than_the_cancel_counts(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        await s.trader.bid([curve((60, 500))])
        ((tender_id, _),) = s.at_exchange()
        s.stub.fill(tender_id, "2026-06-01T12:00:00Z", 200, 6000, 300)
        await s.trader.bid([curve((90, 800))])
        book = s.journal.book
        assert book.position_wh(quarter(T0)) == 200
        assert book.position_wh(quarter(T0)) + open_sell_wh(book) == 800

    play(tmp_path, story)


def test_what_never_arrived_is_closed_after_its_gate(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        s.fail("tenders", "500-before")
        with pytest.raises(MarketError):
            await s.trader.bid(OFFER)
        await s.clock.sleep_until(T0 - 5 * MINUTE - 5 * SECOND)
        await s.trader.start()
        assert len(s.journal.book.unanswered()) == 2, "inside the guard nothing is sent or decided"
        await s.clock.sleep_until(T0 - 4 * MINUTE)
        await s.trader.start()
        assert s.journal.book.unanswered() == []
        assert open_sell_wh(s.journal.book) == 0
        assert s.at_exchange() == []

    play(tmp_path, story)


def test_nothing_is_sent_inside_the_guard(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        await s.clock.sleep_until(T0 - 5 * MINUTE - 14 * SECOND)
        assert await s.trader.bid(OFFER) == 0
        await s.trader.bid([curve((30, 500), start=T0 + QUARTER)])
        assert len(s.at_exchange()) == 1, "the next interval is open"

    play(tmp_path, story)


def test_after_cancels_have_closed_open_tenders_stay_and_count(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        await s.clock.sleep_until(T0 - 6 * MINUTE)
        await s.trader.bid([curve((4999, 500))])
        await s.clock.sleep_until(T0 - 5 * MINUTE - 20 * SECOND)
        assert await s.trader.bid([curve((4000, 600))]) == 1
        assert "cancel" not in s.kinds()
        assert open_sell_wh(s.journal.book) == 600

    play(tmp_path, story)


@pytest.mark.parametrize("skew", [-90, -1.1, 1.1, 90])
def test_a_clock_that_is_off_suspends_bidding_once_and_it_resumes(
    tmp_path: Path, skew: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(s: Scene) -> None:
        s.stub.skew = timedelta(seconds=skew)
        for _ in range(3):
            assert await s.trader.bid(OFFER) == 0
        assert s.trader.suspended
        assert s.at_exchange() == []
        await s.trader.catch_up()
        await s.trader.report(Metered(quarter(T0 - 90 * MINUTE), 0, 10, 0, 10))
        s.stub.skew = timedelta(seconds=0.9)
        assert await s.trader.bid(OFFER) == 2
        assert not s.trader.suspended
        assert s.kinds().count("note") == 2

    with caplog.at_level(logging.WARNING):
        play(tmp_path, story)
    assert [("suspended" in r.message, "right again" in r.message) for r in caplog.records] == [
        (True, False),
        (False, True),
    ]


def test_an_unanswered_tender_is_not_sent_again_by_a_wrong_clock(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        s.fail("tenders", "500-before")
        with pytest.raises(MarketError):
            await s.trader.bid(OFFER)
        s.stub.skew = timedelta(seconds=5)
        await s.trader.bid(OFFER)
        assert s.at_exchange() == []
        s.stub.skew = timedelta(0)
        await s.trader.bid(OFFER)
        assert len(s.at_exchange()) == 2

    play(tmp_path, story)


def test_fills_and_settlements_are_stored_once(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        await s.trader.bid([curve((20, 500), (21, 900))])
        await s.clock.sleep_until(T0)
        await s.trader.catch_up()
        await s.trader.catch_up()
        position = s.journal.book.position_wh(quarter(T0))
        assert position > 0
        await s.clock.sleep_until(T0 + QUARTER)
        metered = Metered(quarter(T0), 0, 700, 0, 700)
        for fault in ("500-before", "500-after"):
            s.fail("deliver", fault)
            s.fail("time", fault)
            with pytest.raises(MarketError):
                await s.trader.report(metered)
            assert s.journal.book.undelivered() == [metered]
        await s.trader.report(metered)
        assert s.journal.book.undelivered() == []
        assert s.kinds().count("metered") == s.kinds().count("delivered") == 1
        await s.clock.sleep_until(T0 + 46 * MINUTE)
        assert len(await s.trader.settle()) == 1
        assert await s.trader.settle() == []
        (settled,) = s.journal.book.settlements.values()
        assert settled.position_wh == position
        assert settled.metered_wh == 700
        assert s.kinds().count("settlement") == 1

    play(tmp_path, story)


def test_a_shortfall_is_announced(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        await s.trader.bid([curve((4999, 500))])
        await s.clock.sleep(11 * 60)
        await s.trader.bid([curve((4999, 500), start=T0 + QUARTER)])
        (first, _), (second, _) = s.at_exchange()
        s.stub.fill(first, "2026-06-01T12:00:00Z", 500, 499_900, 0)
        s.stub.fill(second, "2026-06-01T12:15:00Z", 500, 499_900, 0)
        assert await s.trader.catch_up() == 2
        await s.clock.sleep_until(T0 + 2 * QUARTER)
        await s.trader.report(Metered(quarter(T0), 0, 399, 0, 399))
        await s.trader.report(Metered(quarter(T0 + QUARTER), 0, 400, 0, 799))
        notes = [
            e.body["text"] for e in s.journal.entries(kind="note") if "position" in e.body["text"]
        ]
        assert notes == ["position 500 Wh, metered 399 Wh: beyond the free deviation"]

    play(tmp_path, story)


def test_a_day_of_shortfalls_is_a_line_when_it_begins_and_one_when_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The account has a note of each; a made-up home's log had 42 lines of them in a day."""

    async def story(s: Scene) -> None:
        lacking_wh = (300, 300, 0, 300, 0, 0, 0, 0, 0)
        for number in range(len(lacking_wh)):
            start = T0 + number * QUARTER
            await s.clock.sleep_until(start - 20 * MINUTE)
            await s.trader.bid([curve((4999, 500), start=start)])
            (tender,) = [t for t, state in s.at_exchange() if state == "open"]
            s.stub.fill(tender, iso(start), 500, 499_900, 0)
            await s.trader.catch_up()
        await s.clock.sleep_until(T0 + len(lacking_wh) * QUARTER)
        for number, lacks_wh in enumerate(lacking_wh):
            interval, counted = quarter(T0 + number * QUARTER), 500 * (number + 1)
            await s.trader.report(Metered(interval, 0, 500 - lacks_wh, 0, counted))
        notes = [e for e in s.journal.entries(kind="note") if "position" in e.body["text"]]
        assert len(notes) == 3

    with caplog.at_level(logging.INFO):
        play(tmp_path, story)
    said = [r.getMessage() for r in caplog.records if "free deviation" in r.getMessage()]
    assert said == [
        "2026-06-01T12:00:00Z: position 500 Wh, metered 200 Wh: beyond the free deviation",
        "2026-06-01T13:45:00Z: within the free deviation again, after 3 beyond it",
    ]


def test_a_refused_report_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        first, second = (Metered(quarter(T0 + i * QUARTER), 0, 10, 0, 10) for i in range(2))
        await s.clock.sleep_until(T0 + 3 * QUARTER)
        s.fail("deliver", "500-after")  # this one alone fails, the exchange is there
        await s.trader.report(first)
        await s.trader.report(second)
        assert s.journal.book.undelivered() == [first]
        s.fail("deliver", "500-after")
        await s.trader.report()
        assert s.stub.faults["deliver"] == ["500-after"], "it is not repeated at once"
        await s.clock.sleep(600)
        await s.trader.report()
        assert s.kinds().count("note") == 1, "it is noted once"
        await s.clock.sleep(600)
        await s.trader.report()
        assert s.journal.book.undelivered() == []

    play(tmp_path, story)


def test_an_exchange_that_takes_nothing_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A party that was shut out: each call is tried, the log does not fill."""

    async def story(s: Scene) -> None:
        s.stub.takes_tenders = False
        assert await s.trader.bid(OFFER) == 2
        await s.trader.bid([curve((40, 600))])
        assert _refusals(caplog) == 1
        assert s.kinds().count("answer") == 3, "the account has every answer"
        s.stub.takes_tenders = True
        await s.trader.bid([curve((50, 700))])
        s.stub.takes_tenders = False
        await s.trader.bid([curve((50, 900))])
        assert _refusals(caplog) == 2, "it took one meanwhile: this is news"

    play(tmp_path, story)


def _refusals(caplog: pytest.LogCaptureFixture) -> int:
    return sum("is refused" in record.getMessage() for record in caplog.records)


def test_tender_ids_are_unique_over_lives_and_the_same_in_a_second_run(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    async def story(s: Scene) -> None:
        await s.trader.bid(OFFER)
        again = Trader(s.exchange, s.journal, s.clock, TraderSettings("home"))
        await s.clock.sleep(60)
        await again.start()
        await again.bid([curve((30, 2000))])
        seen.append([e.body["tender_id"] for e in s.journal.entries(kind="tender")])

    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        play(tmp_path / run, story)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == len(seen[0]) == 3
    assert [text.rpartition("-")[2] for text in seen[0]] == ["1", "2", "3"]


def test_a_fill_of_an_unknown_tender_is_evidence_and_moves_nothing(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        s.stub.fill("never-ours", "2026-06-01T12:00:00Z", 50, 4000, 0)
        for _ in range(2):
            assert await s.trader.catch_up() == 0
        assert s.journal.book.position_wh(quarter(T0)) == 0
        assert s.kinds() == ["disputed"]
        (row,) = s.journal.entries()
        assert row.body["claim"]["tender_id"] == "never-ours"

    play(tmp_path, story)


def test_far_intervals_wait_for_their_calls(tmp_path: Path) -> None:
    async def story(s: Scene) -> None:
        await s.trader.bid([curve((30, 500), start=T0 + QUARTER)])
        assert s.at_exchange() == []
        assert RULES.first_call_lead == timedelta(hours=1)

    play(tmp_path, story)
