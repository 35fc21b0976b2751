"""The port to an exchange: a small protocol; one adapter a file, found by entry point.

The entry-point group is ``home_energy_gateway.exchange``; an adapter is a callable
``(ExchangeAccess) -> Exchange``.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from gateway.clock import Clock
from gateway.config.tls import client_tls
from gateway.domain.intervals import Interval
from gateway.domain.trade import (
    CancelAnswer,
    MarketRules,
    Metered,
    Receipt,
    Settlement,
    Tender,
    TenderAnswer,
    Transaction,
)


@dataclass(frozen=True, slots=True)
class ExchangeAccess:
    """What an adapter needs to reach its exchange. Secrets come from files, never from options."""

    url: str
    party_id: str
    clock: Clock
    credential_file: Path | None = None  # JSON: client_secret and the private JWK that signs
    ca_file: Path | None = None
    cert_file: Path | None = None  # our certificate, where the exchange asks for one
    key_file: Path | None = None

    def tls(self) -> ssl.SSLContext:
        """How the exchange is checked, and who we are."""
        return client_tls("market", self.ca_file, self.cert_file, self.key_file)


@dataclass(frozen=True, slots=True)
class PublishedPrices:
    """Prices that the market publishes for an interval, in ticks; None = not yet known.

    ``import_ticks`` / ``export_ticks`` are the retailer's posted prices (backstop), ``day_ahead``
    the reference, ``imbalance`` the zone's real-time settlement price (known after delivery).
    """

    interval: Interval
    import_ticks: int | None
    export_ticks: int | None
    day_ahead_ticks: int | None
    imbalance_ticks: int | None


class Exchange(Protocol):
    """Async port. Every method raises MarketError when the exchange is out of reach.

    A refused tender is an answer, not an error. `create_tenders` is idempotent by tender_id: the
    same tender sent again gets its first answer.
    """

    @property
    def tells_time(self) -> bool:
        """Whether `server_time` is a clock of its own, which may say that ours is right."""

    async def rules(self) -> MarketRules:
        """Reference data: scales, lots, gates."""

    async def server_time(self) -> datetime:
        """The exchange's clock now, to judge our own offset."""

    async def prices(self, start: datetime, end: datetime) -> Sequence[PublishedPrices]:
        """Published prices of the quarter-hours in the half-open span."""

    async def create_tenders(self, tenders: Sequence[Tender]) -> Sequence[TenderAnswer]:
        """One answer a tender, in order."""

    async def cancel(self, tender_id: str) -> CancelAnswer:
        """Take the rest of a tender back."""

    async def find_tender(self, tender_id: str) -> TenderAnswer | None:
        """What the exchange knows of our tender; None = it never arrived."""

    async def open_tenders(self) -> Sequence[str]:
        """The ids of our tenders that may still be filled, as the exchange knows them."""

    async def signed_tender(self, tender_id: str) -> Tender | None:
        """The tender as we signed it, if the exchange can show our own signature; else None."""

    async def transactions(self, after: int) -> Sequence[Transaction]:
        """Our fills with a sequence greater than ``after``, in order."""

    async def deliver(self, metered: Metered) -> None:
        """Report what the meter counted; idempotent by interval and content."""

    async def settlements(self, start: datetime, end: datetime) -> Sequence[Settlement]:
        """Our settlements of intervals that start in the half-open span."""

    async def attest(self, sequence: int, head: str) -> Receipt | None:
        """Have the head of our account countersigned; None where the exchange gives no receipts."""

    async def close(self) -> None:
        """Let go of the connection."""
