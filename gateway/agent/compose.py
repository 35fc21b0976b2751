"""Build the agent from its settings, and run its loops. It steers nothing: it asks the guard by orders."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.agent.billing import Billing
from gateway.agent.car_soc import CarSocInput
from gateway.agent.clearing import Clearing
from gateway.agent.command_handler import CommandHandler
from gateway.agent.errands import Errands
from gateway.agent.feeds import Feeds
from gateway.agent.health import HomeHealth
from gateway.agent.local_socket import LocalSocket
from gateway.agent.metering_loop import MeteringLoop
from gateway.agent.night import NightOrigin
from gateway.agent.notify import notifier
from gateway.agent.ordering import make_order
from gateway.agent.page_source import PageSource
from gateway.agent.programme import programme_of
from gateway.agent.programme_account import Past as ProgrammePast
from gateway.agent.reporting import Reporting
from gateway.agent.state import GatewayState, HomeRules, StateKeeper
from gateway.agent.steering import HomeSteering
from gateway.agent.stores import open_stores
from gateway.agent.told import told
from gateway.agent.trade_parts import TradeParts
from gateway.agent.user_settings import SettingsKeeper, restored, stored_settings
from gateway.agent.why import DecisionRecord
from gateway.clock import Clock, pause
from gateway.config.secrets import complaints
from gateway.config.settings import Settings
from gateway.dashboard.server import Dashboard
from gateway.domain.order import Order
from gateway.errors import ConfigError, JournalBroken, StorageError
from gateway.ipc.messages import GuardReport
from gateway.metering.energy import QuarterFlow
from gateway.publishing.metrics import Metrics
from gateway.publishing.mqtt import Publisher
from gateway.store.audit import AuditLog
from gateway.store.events import EventLog
from gateway.supervise import Availability

log = logging.getLogger(__name__)

FLUSH_S = 2.0  # real seconds for the broker to take the last messages
PACKED_S, PACKING_S = 3600.0, 60.0  # between two looks for old rows, and two segments of them
PAGE_AGAIN_S = 5.0  # real seconds between two tries to listen where the port is taken
REOPEN_S = 300.0  # between two tries to open an account on a disk that could not be written


class Agent:
    """The parts of the agent, and how they live and end together.

    ``hear`` takes each report of the guard; ``send`` hands it orders.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        send: Callable[[Order], object],
        config: Path | None = None,
    ) -> None:
        """Opens the files; nothing runs yet. ``config`` is the file that the settings are of. Raises ConfigError."""
        self._stack = AsyncExitStack()
        self.settings, self.clock, self._send = settings, clock, send
        for line in complaints(settings):
            log.warning("%s", line)
        stores = self._stores = open_stores(settings.state_dir, self._stack)
        self.journal, self.history = journal, history = stores.journal, stores.history
        decisions = DecisionRecord(stores.decisions)
        self._stack.callback(decisions.close)
        user = restored(settings, stored_settings(stores.settings))
        self.keeper = keeper = StateKeeper(GatewayState(HomeRules.of(settings), user))
        self._clearing = Clearing(journal, keeper)
        origin = NightOrigin(
            journal, keeper.state.rules.tariff, settings.battery.grid_energy == "home"
        )
        self.user = SettingsKeeper(keeper, stores.settings)
        self._metering = MeteringLoop(keeper, journal, self._clearing, origin, self.user, clock)
        audit = AuditLog(settings.state_dir, clock)
        steering = HomeSteering(keeper, self.user, journal, clock, self.order)
        self.commands = handler = CommandHandler(steering, stores.seen, clock, audit)
        self.publisher = self._broker(handler)
        self.feeds = Feeds(
            settings, stores.settings, clock, keeper.writer("feeds"), self.publisher.listen
        )
        self.programme = programme_of(
            keeper, ProgrammePast(stores.settings, journal, history.flows), clock, self.order
        )
        trade = TradeParts.of(
            settings,
            stores,
            keeper,
            (self._metering, origin),
            clock,
            (self.order, self.publisher.listen),
        )
        self._trade, self.trading, self.exchange = trade, trade.loop, trade.exchange
        self._billing = Billing(keeper, journal, history, stores.settings)
        self._notifier = notifier(settings.notify, keeper, journal, clock, stores.settings)
        self._health = HomeHealth(keeper, self.publisher, EventLog(settings.state_dir), clock)
        views = history, decisions
        source = PageSource(keeper, journal, views, self._health, (handler, Errands(config)), clock)
        self._local = LocalSocket(settings.state_dir, lambda: told(source.latest()))
        metrics = Metrics()
        self.page = (
            Dashboard(settings.dashboard, source, metrics.render, audit=audit)
            if settings.dashboard.enabled
            else None
        )
        self._reporting = Reporting(keeper, journal, views, self.publisher, metrics, clock)

    def _broker(self, handler: CommandHandler) -> Publisher:
        """What is told over MQTT, and what is heard there of the car."""
        settings = self.settings
        publisher = Publisher(
            settings.mqtt,
            settings.site.name,
            self.journal,
            [d.name for d in settings.device],
            handler,
            settings.state_dir / "mqtt_topics.json",
        )
        if settings.car.soc_topic:
            soc = CarSocInput(self.keeper, self.keeper.writer("car_soc"), self.clock)
            publisher.listen(settings.car.soc_topic, soc.hear)
        return publisher

    def hear(self, report: GuardReport) -> None:
        """One report of the guard; returns at once."""
        self._metering.hear(report, self._reporting, self.order, self._keep_quarter)
        self._health.hear(report)
        self._billing.update(report.snapshot.time)

    def _keep_quarter(self, done: QuarterFlow) -> None:
        """The past: what the forecast learns from, and what the bill compares with."""
        self.history.add_quarter(done.observed)
        cleared = self._clearing.price(done.observed.interval)
        self._trade.first_days.quarter(self.keeper.state, done.observed, cleared)
        self.history.add_flow(done.flow(self.keeper.state.stored_wh()))

    def order(self) -> None:
        """Tell the guard what holds now."""
        book = self.journal.book
        state = self.keeper.state
        self._send(make_order(state, self.clock.now(), book.commitment, self._clearing.price))

    async def run(self, ready: Callable[[], object] = lambda: None) -> None:
        """Until cancelled. However it ends, the outbox is flushed and the files are closed."""
        async with asyncio.TaskGroup() as outer:
            outer.create_task(self.publisher.run(), name="mqtt")
            await self._local.start()
            page = Availability("the page")
            open_now = await self._open_page(page)
            try:
                async with asyncio.TaskGroup() as loops:
                    if not open_now:
                        loops.create_task(self._retry_page(page), name="page")
                    self._trade.spawn(loops, self.clock)
                    self.feeds.spawn(loops)
                    if self.programme is not None:
                        self.clock.spawn(loops, self.programme.run(), "programme")
                    if self._notifier is not None:
                        self.clock.spawn(loops, self._notifier.run(), "notifications")
                    self.clock.spawn(loops, self._compact(), "journal upkeep")
                    loops.create_task(self._billing.count_older(), name="bills of before")
                    if self._stores.passes:
                        loops.create_task(self._reopen(), name="reopen files")
                    ready()
                    log.info("%s", self.describe())
            finally:
                await self.close()

    async def _open_page(self, availability: Availability) -> bool:
        """Whether it is open, or there is none. A home without its page is still traded for: a port that is
        taken is said, not fatal."""
        if self.page is None:
            return True
        try:
            await self.page.start()
        except ConfigError as error:
            availability.lost(error)
            return False
        availability.back()
        return True

    async def _retry_page(self, availability: Availability) -> None:
        """Its port may be free again: whoever had it may have been the gateway before."""
        while not await self._open_page(availability):
            await pause(PAGE_AGAIN_S)

    async def _compact(self) -> None:
        """Pack old rows of the account, a little at a time: no tick waits for more than some milliseconds."""
        while True:
            await self.clock.sleep(PACKED_S)
            try:
                while not self._metering.watch.doubt and self.journal.compact(self.clock.now()):
                    await self.clock.sleep(PACKING_S)
            except StorageError as error:
                log.info("old rows are not packed now: %s", error)
            except JournalBroken as error:
                log.error("%s; old rows are not packed any more", error)
                return

    async def _reopen(self) -> None:
        """The disk could not be written: end now and then, for the guard starts us again at once."""
        await self.clock.sleep(REOPEN_S)
        raise SystemExit(0)

    def describe(self) -> str:
        """One line for the log: what runs."""
        devices = ", ".join(f"{d.name} ({d.profile})" for d in self.settings.device)
        market = self.settings.market
        trade = f"exchange {market.exchange} at {market.url}" if market else "no exchange"
        return f"gateway {self.settings.site.name!r} runs: {devices}; {trade}"

    async def close(self) -> None:
        """Everything is closed, and nothing of it holds up the rest."""
        async with AsyncExitStack() as rest:  # run from the last to the first
            rest.push_async_callback(self._stack.aclose)
            rest.push_async_callback(self.feeds.close)
            if self.programme is not None:
                rest.push_async_callback(self.programme.close)
            rest.push_async_callback(self._local.stop)
            if self.exchange is not None:
                rest.push_async_callback(self.exchange.close)
            rest.push_async_callback(self.publisher.close, FLUSH_S)
            if self.page is not None:
                rest.push_async_callback(self.page.stop)
