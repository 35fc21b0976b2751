"""The simulated energy exchange: book, clearing, settlement, server.

`start_exchange` puts all of it into the running event loop; the wire is described in
docs/exchange.md.
"""

from simulators.exchange.parties import Party
from simulators.exchange.start import DEFAULT_PARTIES, ExchangeHandle, last_held, start_exchange
from simulators.exchange.terms import PriceSource, Terms

__all__ = [
    "DEFAULT_PARTIES",
    "ExchangeHandle",
    "Party",
    "PriceSource",
    "Terms",
    "last_held",
    "start_exchange",
]
