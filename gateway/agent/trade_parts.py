"""What plans and trades: the exchange, the forecasts' own sources, the plan's loop, its first days and its trials."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from gateway.agent.first_days import FirstDays
from gateway.agent.home_planner import HomePlanner, Past
from gateway.agent.metering_loop import MeteringLoop
from gateway.agent.night import NightOrigin
from gateway.agent.prices import PostedMemory
from gateway.agent.state import StateKeeper
from gateway.agent.stores import Stores
from gateway.agent.trading import TradingLoop
from gateway.agent.trial import ForecastTrial, question_of
from gateway.clock import Clock
from gateway.config.plausible import Doubt, doubts
from gateway.config.settings import Settings
from gateway.domain.sentences import Sentence, sentence
from gateway.forecasts.provided import ProviderForecast, forecast_of
from gateway.forecasts.temperature import OutsideTemperature, outside_temperature
from gateway.market.connect import open_market
from gateway.market.exchanges import Exchange
from gateway.market.trader import Trader
from gateway.planner import strategy
from gateway.supervise import Backoff, supervise

log = logging.getLogger(__name__)

ASK_AGAIN_S = 60.0  # a lost exchange: what was sold there meanwhile is delivered in its quarter

Listen = Callable[[str, Callable[[bytes], None]], None]  # has a topic heard


@dataclass(frozen=True, slots=True)
class TradeParts:
    """They are built together, run together and know nothing of the page or the broker."""

    exchange: Exchange | None
    provider: ProviderForecast | None
    outside: OutsideTemperature | None
    first_days: FirstDays
    loop: TradingLoop
    trial: ForecastTrial | None

    @classmethod
    def of(
        cls,
        settings: Settings,
        stores: Stores,
        keeper: StateKeeper,
        metering: tuple[MeteringLoop, NightOrigin],
        clock: Clock,
        tell: tuple[Callable[[], None], Listen],
    ) -> TradeParts:
        """``tell``: what tells the guard after a plan, and what has a topic heard. Raises ConfigError."""
        (metered, origin), (order, listen) = metering, tell
        market = _market(settings, stores, keeper, clock)
        provider = forecast_of(settings, stores.settings, clock, listen)
        outside = outside_temperature(settings, clock)
        history = stores.history
        past = Past(
            history.quarters,
            stores.journal,
            metered.clearing,
            origin,
            metered.watch,
            PostedMemory(stores.settings),
            provider,
            outside,
        )
        first_days = FirstDays(
            stores.settings,
            keeper.writer("shadow"),
            shadow=settings.planner.first_days == "shadow",
            begun=history.begun,
            lived=history.lived_before,
        )
        planner = HomePlanner(
            keeper,
            strategy(settings.planner.strategy),
            clock,
            past,
            lambda: market[1].known_rules if market else None,
        )
        loop = TradingLoop(keeper, planner, clock, past, market, order)
        asked = partial(question_of, keeper, (stores.journal.path, history.path))
        trial = ForecastTrial(settings, stores.settings, clock, asked, planner.use)
        return cls(
            market[0] if market else None,
            provider,
            outside,
            first_days,
            loop,
            trial if settings.planner.trials else None,
        )

    def spawn(self, loops: asyncio.TaskGroup, clock: Clock) -> None:
        """They live as long as ``loops``."""
        patience = Backoff(longest_s=ASK_AGAIN_S)
        clock.spawn(loops, supervise("exchange", self.loop.run, clock, patience), "trading")
        if self.provider is not None:
            clock.spawn(loops, self.provider.run(), "pv forecast")
        if self.outside is not None:
            clock.spawn(loops, self.outside.run(), "temperature")
        if self.trial is not None:
            clock.spawn(loops, self.trial.run(), "forecast trial")


def _market(
    settings: Settings, stores: Stores, keeper: StateKeeper, clock: Clock
) -> tuple[Exchange, Trader] | None:
    """Nothing is traded by a tariff that cannot be right, nor on a damaged account."""
    doubted = doubts(settings)
    for doubt in doubted:
        log.error("%s", _asks(doubt))
    keeper.writer("alarms")(tuple(_asks(doubt) for doubt in doubted))
    if settings.market is None or stores.alarm or doubted:
        return None
    return open_market(settings.market, stores.journal, clock)


def _asks(doubt: Doubt) -> Sentence:
    why = replace(doubt.says, who=".".join(doubt.key))
    return sentence("tariff_doubted", why=why, name=doubt.name) if doubt.acceptable else why
