"""What every exchange adapter must keep, whatever stands behind it. New adapters join by being there."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER, quarter
from gateway.domain.plan import OfferCurve, OfferStep
from gateway.domain.trade import MarketRules, Metered, MeterQuality, Side, Tender
from gateway.errors import MarketError
from gateway.market import exchanges
from gateway.market.account import RetailPrices, statement
from gateway.market.bidding import BidPolicy
from gateway.market.exchanges import Exchange, ExchangeAccess
from gateway.market.schedule import BidTiming, next_wake
from gateway.market.trader import Trader, TraderSettings
from gateway.store.journal import Journal
from tests import loops
from tests.market.values import T0
from tests.market.worlds import WORLDS, World

ADAPTERS = sorted(
    module.name
    for module in iter_modules(exchanges.__path__)
    if hasattr(import_module(f"{exchanges.__name__}.{module.name}"), "connect")
)
ROOT = Path(__file__).parents[2]
FIRST = quarter(T0 + QUARTER)  # the interval in which these stories trade


@dataclass
class Place:
    """One adapter in front of its world."""

    exchange: Exchange
    world: World
    clock: SimClock
    path: Path
    rules: MarketRules

    def tender(self, name: str, quantity: int = 500, price: int = -100) -> Tender:
        closing = FIRST.start - self.rules.gate_closure_lead
        return Tender(name, FIRST, Side.SELL, quantity, price, closing)

    async def after_the_gate(self) -> None:
        gate = FIRST.start - self.rules.gate_closure_lead
        await self.clock.sleep_until(gate + timedelta(seconds=10))

    def connect(self) -> Exchange:
        """Another life of the adapter."""
        module = import_module(type(self.exchange).__module__.rpartition(".")[0])
        return module.connect(ExchangeAccess(self.world.url, "home", self.clock))  # type: ignore[no-any-return]


Story = Callable[[Place], Awaitable[None]]


@pytest.fixture(params=ADAPTERS)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Story], None]:
    name: str = request.param
    assert name in WORLDS, f"tests/market/worlds.py needs a world for the adapter {name!r}"
    module = import_module(f"{exchanges.__name__}.{name}")

    async def main(story: Story) -> None:
        clock = SimClock(T0 + timedelta(seconds=20))

        async def told() -> None:
            world = await WORLDS[name](clock, group, tmp_path)
            exchange = module.connect(ExchangeAccess(world.url, "home", clock))
            try:
                rules = await exchange.rules()
                await story(Place(exchange, world, clock, tmp_path, rules))
            finally:
                await exchange.close()
                await world.close()

        async with asyncio.TaskGroup() as group:
            clock.spawn(group, told(), "story")

    return lambda story: loops.run(main(story))


Play = Callable[[Story], None]


def test_it_is_installed_as_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["home_energy_gateway.exchange"]
    assert {f"gateway.market.exchanges.{name}:connect" for name in ADAPTERS} == set(points.values())
    assert set(points) == {name.replace("_", "-") for name in ADAPTERS}


def test_rules_make_sense(play: Play) -> None:
    async def story(p: Place) -> None:
        r = p.rules
        assert r.lot_wh > 0
        assert 0 < r.min_quantity_wh <= r.max_quantity_wh
        assert r.floor_ticks < r.cap_ticks
        assert r.first_call_lead >= r.gate_closure_lead >= timedelta(0)
        assert r.cancel_closure_lead >= r.gate_closure_lead
        assert r.call_period > timedelta(0)
        assert r.guard >= timedelta(0)
        assert len(r.currency) == 3
        assert r.mechanism
        assert await p.exchange.rules() == r

    play(story)


def test_the_clock_is_told_and_prices_are_on_the_grid(play: Play) -> None:
    async def story(p: Place) -> None:
        offset = (await p.exchange.server_time() - p.clock.now()).total_seconds()
        assert abs(offset) < 0.01
        rows = await p.exchange.prices(T0, T0 + 4 * QUARTER)
        assert [row.interval for row in rows] == [quarter(T0 + i * QUARTER) for i in range(4)]
        assert all(isinstance(row.export_ticks, int) for row in rows)
        assert list(await p.exchange.prices(T0, T0 + QUARTER)) == list(rows[:1])

    play(story)


def test_a_tender_sent_twice_is_one_tender(play: Play) -> None:
    async def story(p: Place) -> None:
        assert await p.exchange.find_tender("a") is None
        tenders = [p.tender("a"), p.tender("b", 600)]
        first = await p.exchange.create_tenders(tenders)
        assert [a.tender_id for a in first] == ["a", "b"]
        assert all(a.accepted and a.market_order_id for a in first)
        again = await p.exchange.create_tenders(tenders)
        assert list(again) == list(first)
        found = await p.exchange.find_tender("b")
        assert found is not None
        assert found.market_order_id == first[1].market_order_id
        await p.after_the_gate()
        assert sum(t.quantity_wh for t in await p.exchange.transactions(0)) == 1100

    play(story)


def test_fills_rise_and_can_be_continued(play: Play) -> None:
    async def story(p: Place) -> None:
        assert list(await p.exchange.transactions(0)) == []
        await p.exchange.create_tenders([p.tender(name) for name in "abc"])
        await p.after_the_gate()
        fills = list(await p.exchange.transactions(0))
        numbers = [f.sequence for f in fills]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > 0
        assert {f.tender_id for f in fills} == {"a", "b", "c"}
        assert len({f.transaction_id for f in fills}) == len(fills)
        for f in fills:
            assert (f.interval, f.side) == (FIRST, Side.SELL)
            assert f.price_ticks >= -100, "never worse than the limit"
        assert list(await p.exchange.transactions(numbers[0])) == fills[1:]
        assert list(await p.exchange.transactions(numbers[-1])) == []

    play(story)


def test_a_price_that_nobody_pays_is_no_fill(play: Play) -> None:
    async def story(p: Place) -> None:
        (answer,) = await p.exchange.create_tenders([p.tender("a", price=499_900)])
        assert answer.accepted
        await p.after_the_gate()
        assert list(await p.exchange.transactions(0)) == []

    play(story)


def test_what_is_taken_back_is_not_filled(play: Play) -> None:
    async def story(p: Place) -> None:
        await p.exchange.create_tenders([p.tender("a", price=499_900)])
        answer = await p.exchange.cancel("a")
        assert (answer.tender_id, answer.success, answer.remaining_wh) == ("a", True, 500)
        await p.exchange.cancel("a")  # harmless, whatever it answers
        await p.after_the_gate()
        assert list(await p.exchange.transactions(0)) == []

    play(story)


def test_too_late_is_an_answer(play: Play) -> None:
    async def story(p: Place) -> None:
        await p.clock.sleep_until(FIRST.start)
        (answer,) = await p.exchange.create_tenders([p.tender("a")])
        assert not answer.accepted
        assert answer.code >= 400
        assert answer.reason

    play(story)


@pytest.mark.parametrize("net", [700, 500, 0, -300])
def test_delivery_and_settlement_are_once(play: Play, net: int) -> None:
    async def story(p: Place) -> None:
        await p.exchange.create_tenders([p.tender("a")])
        await p.clock.sleep_until(FIRST.end + timedelta(seconds=5))
        metered = Metered(FIRST, max(-net, 0), max(net, 0), 10, 20, MeterQuality.MEASURED)
        for _ in range(2):
            await p.exchange.deliver(metered)
        await p.clock.sleep_until(FIRST.end + p.world.settled_after)
        found = list(await p.exchange.settlements(FIRST.start, FIRST.end))
        assert list(await p.exchange.settlements(FIRST.start, FIRST.end)) == found
        (row,) = found
        assert (row.interval, row.metered_wh, row.position_wh) == (FIRST, net, 500)
        fills = await p.exchange.transactions(0)
        assert row.energy_money == sum(t.money for t in fills)
        assert row.imbalance_money == (max(net, 0) - 500) * row.imbalance_price_ticks
        assert row.fee_money <= 0
        assert list(await p.exchange.settlements(FIRST.end, FIRST.end + QUARTER)) == []

    play(story)


def test_a_lost_exchange_is_a_market_error(play: Play) -> None:
    async def story(p: Place) -> None:
        await p.world.close()
        fresh = p.connect()
        questions: list[Callable[[], Awaitable[object]]] = [
            fresh.rules,
            lambda: fresh.prices(T0, T0 + QUARTER),
            lambda: fresh.create_tenders([p.tender("a")]),
        ]
        for question in questions:
            with pytest.raises(MarketError):
                await question()
        await fresh.close()

    play(story)


@pytest.mark.parametrize("restarts", [False, True], ids=["one life", "killed at every step"])
def test_a_trader_trades_on_it(play: Play, restarts: bool) -> None:
    """The same trader, the same curve; with restarts everything but the journal is forgotten."""

    async def story(p: Place) -> None:
        journal, exchange = Journal(p.path / "home.db"), p.exchange
        settings = TraderSettings("home", BidPolicy(floor_ticks=-1000))
        trader = Trader(exchange, journal, p.clock, settings)
        await trader.start()
        curve = OfferCurve(
            FIRST, (OfferStep(-10.0, 400), OfferStep(0.0, 900), OfferStep(4000.0, 2000))
        )
        end = FIRST.end + timedelta(minutes=40)
        while p.clock.now() < end:
            await p.clock.sleep_until(next_wake(p.rules, p.clock.now(), BidTiming()))
            if restarts:
                journal.close()
                journal, exchange = Journal(p.path / "home.db"), p.connect()
                trader = Trader(exchange, journal, p.clock, settings)
                await trader.start()
            await trader.bid([curve])
            await trader.catch_up()
            if p.clock.now() >= FIRST.end:
                await trader.report(Metered(FIRST, 0, 850, 0, 850))
                await trader.settle()
            if restarts:
                await exchange.close()
        assert journal.book.unanswered() == []
        account = statement(
            journal.book, FIRST.start, FIRST.end, lambda _: RetailPrices(14_000, 2_700)
        )
        (row,) = account.rows
        assert account.unsettled == 0
        assert row.delivered_wh == 850
        price = row.settlements[0].imbalance_price_ticks
        assert row.position_wh == 900
        assert row.market_money == sum(t.money for t in row.fills) - 50 * price
        assert journal.book.prices[FIRST.start]["export_ticks"] == 2_700
        assert [e.body["text"] for e in journal.entries(kind="note")] == []
        journal.close()

    play(story)
