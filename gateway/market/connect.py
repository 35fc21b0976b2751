"""Find the configured exchange's adapter by entry point and put a trader before it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from gateway.clock import Clock
from gateway.config.agent_settings import Market
from gateway.config.secrets import secret_file
from gateway.domain.price import Price
from gateway.errors import ConfigError
from gateway.market.bidding import BidPolicy
from gateway.market.exchanges import Exchange, ExchangeAccess
from gateway.market.trader import Trader, TraderSettings
from gateway.store.journal import Journal

GROUP = "home_energy_gateway.exchange"


def open_market(settings: Market, journal: Journal, clock: Clock) -> tuple[Exchange, Trader]:
    """The exchange and the trader of ``[market]``; ConfigError names the adapters that there are."""
    exchange = open_exchange(settings, clock)
    floor = Price.of_kwh(settings.price_floor_per_kwh)
    policy = BidPolicy(floor_ticks=floor.ticks, allow_buy=settings.buy)
    return exchange, Trader(exchange, journal, clock, TraderSettings(settings.party_id, policy))


def open_exchange(settings: Market, clock: Clock) -> Exchange:
    """The exchange of ``[market]`` alone; nothing is sent before the first question."""
    access = ExchangeAccess(
        url=settings.url,
        party_id=settings.party_id,
        clock=clock,
        credential_file=secret_file("exchange", settings.credential_file),
        ca_file=settings.ca_file,
        cert_file=settings.cert_file,
        key_file=settings.key_file,
    )
    return adapter(settings.exchange)(access)


def adapter(name: str) -> Callable[[ExchangeAccess], Exchange]:
    """The adapter that is installed under ``name``."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none is installed"
        raise ConfigError(f"market.exchange = {name!r} is unknown; use one of: {known}")
    loaded: Callable[[ExchangeAccess], Exchange] = found[name].load()
    return loaded
