"""The gateway's adapter against the running exchange: one tender's whole life."""

from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from gateway.clock import SimClock
from gateway.domain.intervals import quarter
from gateway.domain.trade import Metered, Run, Side, Tender
from gateway.errors import MarketError
from gateway.market.exchanges import ExchangeAccess
from gateway.market.exchanges.cts import connect
from simulators.exchange import ExchangeHandle
from tests import loops
from tests.exchange.conftest import START, T, Wire, play


def sell(tender_id: str = "t1", quantity: int = 1_000, price: int = 2_000) -> Tender:
    return Tender(tender_id, quarter(T), Side.SELL, quantity, price, T)


def test_a_tender_from_offer_to_settlement(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        home = connect(ExchangeAccess(wire.url, "home", clock))
        try:
            rules = await home.rules()
            assert (rules.lot_wh, rules.gate_closure_lead) == (10, timedelta(minutes=5))
            assert rules.max_quantity_wh == 6_250
            assert await home.server_time() == clock.now()
            (answer,) = await home.create_tenders([sell()])
            assert answer.accepted
            (again,) = await home.create_tenders([sell()])
            assert again == answer
            found = await home.find_tender("t1")
            assert found is not None
            assert found.market_order_id == answer.market_order_id
            assert await home.find_tender("t2") is None
            assert await home.transactions(0) == []
            await clock.sleep_until(START + timedelta(minutes=5, seconds=1))
            (fill,) = await home.transactions(0)
            # alone with the retailer the home gets its export price, 90 % of day-ahead
            assert (fill.net_wh, fill.price_ticks, fill.tender_id) == (1_000, 2_700, "t1")
            assert await home.transactions(fill.sequence) == []
            await clock.sleep_until(T + timedelta(minutes=16))
            await home.deliver(Metered(quarter(T), 0, 950, 0, 950))
            await home.deliver(Metered(quarter(T), 0, 950, 0, 950))
            assert await home.settlements(T, T + timedelta(minutes=15)) == []
            await clock.sleep_until(T + timedelta(minutes=31))
            (row,) = await home.settlements(T, T + timedelta(minutes=15))
            assert (row.run, row.energy_money, row.imbalance_money) == (
                Run.PRELIM,
                2_700_000,
                -50 * 4_000,
            )
            assert row.total_money == handle.ledger()["home"] == -handle.ledger()["lse"]
            (price,) = await home.prices(T, T + timedelta(minutes=15))
            assert (price.import_ticks, price.export_ticks) == (7_500, 2_700)
            assert (price.day_ahead_ticks, price.imbalance_ticks) == (3_000, 4_000)
        finally:
            await home.close()

    play(tmp_path, story)


def test_refusals_are_answers_and_cancel_gives_the_rest_back(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        home = connect(ExchangeAccess(wire.url, "home", clock))
        try:
            (refused,) = await home.create_tenders([sell("odd", quantity=1_001)])
            assert (refused.accepted, refused.code) == (False, 422)
            assert "multiple of 10 Wh" in refused.reason
            await home.create_tenders([sell("dear", price=7_000)])
            canceled = await home.cancel("dear")
            assert (canceled.success, canceled.remaining_wh) == (True, 1_000)
            assert (await home.cancel("dear")) == canceled
            assert (await home.cancel("never")).code == 404
        finally:
            await home.close()

    play(tmp_path, story)


def test_an_exchange_that_is_away_is_a_market_error(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        home = connect(ExchangeAccess("http://127.0.0.1:9", "home", clock))
        try:
            with pytest.raises(MarketError, match=r"127\.0\.0\.1:9"):
                await home.rules()
        finally:
            await home.close()

    play(tmp_path, story)


def test_many_fills_come_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        home = connect(ExchangeAccess(wire.url, "home", clock))
        try:
            await home.create_tenders([sell(f"t{n}", 100 + 10 * n) for n in range(5)])
            await clock.sleep(301)
            fills = await home.transactions(0)
            assert sorted(f.tender_id for f in fills) == [f"t{n}" for n in range(5)]
            assert await home.transactions(fills[2].sequence) == fills[3:]
        finally:
            await home.close()

    monkeypatch.setattr("simulators.exchange.questions.PAGE", 2)
    play(tmp_path, story)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "null",
        '{"transactions": {}}',
        '{"transactions": [], "more": true}',
        '{"transactions": [{}], "more": false}',
        '{"transactions": [null], "more": false}',
        '{"more": false}',
        "<html>",
        "\ud800",
    ],
)
def test_nonsense_is_a_market_error(answer: str) -> None:
    async def story() -> None:
        async def reply(_request: web.Request) -> web.Response:
            body = answer.encode("utf-8", "surrogatepass")
            return web.Response(body=body, content_type="application/json")

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", reply)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        home = connect(ExchangeAccess(url, "home", SimClock(START)))
        span = T, T + timedelta(minutes=15)
        asks = (
            lambda: home.transactions(0),
            home.rules,
            home.server_time,
            lambda: home.prices(*span),
            lambda: home.settlements(*span),
            lambda: home.find_tender("t"),
            lambda: home.cancel("t"),
            lambda: home.create_tenders([sell()]),
        )
        try:
            for ask in asks:
                with pytest.raises(MarketError):
                    await ask()
        finally:
            await home.close()
            await runner.cleanup()

    loops.run(story())
