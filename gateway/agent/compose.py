"""Build the gateway from its settings, run it, and leave the home neutral when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.agent.command_handler import CommandHandler, SeenCommands
from gateway.agent.controlling import ControlLoop
from gateway.agent.page_source import PageSource
from gateway.agent.reporting import Reporting
from gateway.agent.state import Present
from gateway.agent.steering import ServiceSteering
from gateway.agent.trading import TradingLoop
from gateway.agent.user_settings import PREFIX, restored
from gateway.clock import Clock
from gateway.config.settings import Settings
from gateway.dashboard.server import Dashboard
from gateway.devices.build import build_devices
from gateway.errors import ConfigError
from gateway.forecasts.provided import ProviderForecast
from gateway.forecasts.pv_services import pv_provider
from gateway.market.connect import open_market
from gateway.market.exchanges import Exchange
from gateway.market.trader import Trader
from gateway.planner import strategy
from gateway.publishing.metrics import Metrics
from gateway.publishing.mqtt import Publisher
from gateway.site.site import Site
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.sun import is_dark
from gateway.supervise import Backoff, supervise

log = logging.getLogger(__name__)

ASK_AGAIN_S = (
    60.0  # a lost exchange: what was sold there meanwhile is to be delivered in its quarter
)
FLUSH_S = 2.0  # real seconds for the broker to take the last messages


@dataclass
class Gateway:
    """The running gateway: its parts, and how they live and end together."""

    settings: Settings
    clock: Clock
    journal: Journal
    history: History
    seen: SeenCommands
    site: Site
    present: Present
    publisher: Publisher
    control: ControlLoop
    trading: TradingLoop
    exchange: Exchange | None
    page: Dashboard | None = None

    async def run(self, ready: Callable[[], object] = lambda: None) -> None:
        """Until cancelled. However it ends, the devices are released and the outbox is flushed."""
        async with asyncio.TaskGroup() as outer:
            outer.create_task(self.publisher.run(), name="mqtt")
            await self._open_page()
            try:
                async with asyncio.TaskGroup() as loops:
                    self.site.start(loops)
                    self.clock.spawn(loops, self.control.run(), "control")
                    patience = Backoff(longest_s=ASK_AGAIN_S)
                    trading = supervise("exchange", self.trading.run, self.clock, patience)
                    self.clock.spawn(loops, trading, "trading")
                    if self.trading.pv_provider is not None:
                        self.clock.spawn(loops, self.trading.pv_provider.run(), "pv forecast")
                    ready()
                    log.info("%s", self.describe())
            finally:
                await self._end()

    async def _open_page(self) -> None:
        """A home without its page is still steered: a port that is taken is said, not fatal."""
        if self.page is None:
            return
        try:
            await self.page.start()
        except ConfigError as error:
            log.error("no page: %s", error)

    def describe(self) -> str:
        """One line for the log: what runs."""
        devices = ", ".join(f"{d.name} ({d.profile})" for d in self.settings.device)
        market = self.settings.market
        trade = f"exchange {market.exchange} at {market.url}" if market else "no exchange"
        return f"gateway {self.settings.site.name!r} runs: {devices}; {trade}"

    async def _end(self) -> None:
        """The devices first; then everything else, and nothing of it holds up the rest."""
        reports = await self.site.release_all()
        if reports and all(report.neutral for report in reports):
            log.info("all devices are neutral")
        async with AsyncExitStack() as rest:  # run from the last to the first
            for close in (self.journal.close, self.seen.close, self.history.close):
                rest.callback(close)
            if self.exchange is not None:
                rest.push_async_callback(self.exchange.close)
            rest.push_async_callback(self.site.close)
            rest.push_async_callback(self.publisher.close, FLUSH_S)
            if self.page is not None:
                rest.push_async_callback(self.page.stop)


async def compose(settings: Settings, clock: Clock) -> Gateway:
    """The gateway of ``settings`` on ``clock``; nothing runs yet. Raises ConfigError, StorageError."""
    journal = Journal(settings.state_dir / "journal.sqlite")
    history = History(settings.state_dir / "history.sqlite")
    metrics = Metrics()
    devices = build_devices([d.plain() for d in settings.device], journal, clock, memory=journal)
    place = settings.site.place
    site = Site(
        devices,
        clock,
        settings.control.period_s,
        metrics.polled,
        lambda now: is_dark(place, now),
        settings.for_guard().roles(),
    )
    present = Present(settings, restored(settings, journal.settings(PREFIX)))
    seen = SeenCommands(settings.state_dir / "commands.sqlite")
    handler = CommandHandler(ServiceSteering(present, journal, clock), seen, clock)
    names = [d.name for d in settings.device]
    memory = settings.state_dir / "mqtt_topics.json"
    publisher = Publisher(settings.mqtt, settings.site.name, journal, names, handler, memory)
    market: tuple[Exchange, Trader] | None = None
    if settings.market is not None:
        market = open_market(settings.market, journal, clock)
    chosen = strategy(settings.planner.strategy)
    trading = TradingLoop(present, chosen, clock, history.quarters, journal, market)
    provider = pv_provider(settings)
    if provider is not None:
        trading.pv_provider = ProviderForecast(provider, journal, clock)
    page = None
    if settings.dashboard.enabled:
        source = PageSource(present, journal, history, publisher, handler, clock)
        page = Dashboard(settings.dashboard, source, metrics.render)
    report = Reporting(present, journal, history, publisher, metrics, clock)
    return Gateway(
        settings,
        clock,
        journal,
        history,
        seen,
        site,
        present,
        publisher,
        ControlLoop(site, journal, present, clock, report.tick, history.add_quarter),
        trading,
        market[0] if market else None,
        page,
    )
