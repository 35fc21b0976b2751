"""The words of the market: tender, transaction, metered quantity, settlement. All integers.

Prices are ticks of the market (0.01 currency units per MWh), quantities Wh, money 1e-8 currency
units: price_ticks x quantity_wh is money without rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from gateway.domain.intervals import Interval

MONEY_PER_UNIT = 10**8


class Side(StrEnum):
    """Which way the energy goes, seen from the home."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for what the home gives (SELL), -1 for what it takes (BUY)."""
        return 1 if self is Side.SELL else -1


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What a market publishes about itself; scales, lots and gates come only from here.

    ``*_lead`` are counted back from the delivery interval's start. Quantities Wh, prices ticks.
    """

    market_id: str
    segment_id: str
    currency: str
    mechanism: str  # MarketMechanismType of CTS: MMT_AUCTION, CTS_RTP, ...
    tick_per_mwh: Decimal
    lot_wh: int
    min_quantity_wh: int
    max_quantity_wh: int
    floor_ticks: int
    cap_ticks: int
    first_call_lead: timedelta
    gate_closure_lead: timedelta
    cancel_closure_lead: timedelta
    call_period: timedelta
    guard: timedelta  # nothing is sent this close before a closure
    deviation_fee_ticks: int = 0  # of a deviation beyond the deadband


@dataclass(frozen=True, slots=True)
class Tender:
    """An offer to trade up to ``quantity_wh`` at ``price_ticks`` or better, in one interval."""

    tender_id: str
    interval: Interval
    side: Side
    quantity_wh: int
    price_ticks: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class TenderAnswer:
    """The exchange's answer. ``code`` is the HTTP-like response code, ``reason`` a sentence."""

    tender_id: str
    accepted: bool
    market_order_id: str | None
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """The exchange's answer to a cancel; ``remaining_wh`` is what was taken back."""

    tender_id: str
    success: bool
    remaining_wh: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """One fill. ``sequence`` orders a party's fills and is the cursor for catching up."""

    transaction_id: str
    sequence: int
    tender_id: str
    interval: Interval
    side: Side
    quantity_wh: int
    price_ticks: int

    @property
    def net_wh(self) -> int:
        return self.side.sign * self.quantity_wh

    @property
    def money(self) -> int:
        """Money to the home (1e-8): + for what it sold."""
        return self.net_wh * self.price_ticks


class MeterQuality(StrEnum):
    """Whether the counters were read at both ends or had to be bridged."""

    MEASURED = "measured"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True)
class Metered:
    """What the meter counted in one interval, from its cumulative counters (both Wh, >= 0)."""

    interval: Interval
    import_wh: int
    export_wh: int
    import_register_wh: int
    export_register_wh: int
    quality: MeterQuality = MeterQuality.MEASURED

    @property
    def net_wh(self) -> int:
        """Net quantity, export +."""
        return self.export_wh - self.import_wh


@dataclass(frozen=True, slots=True)
class MeterGap:
    """Energy that the counters prove between two moments, and that belongs to no single interval.

    The gateway did not run, or its clock was set. ``since`` is later than ``until`` where the clock was
    set back. Energy and registers (at ``until``) in Wh.
    """

    since: datetime
    until: datetime
    import_wh: int
    export_wh: int
    import_register_wh: int
    export_register_wh: int


class Run(StrEnum):
    """The settlement run that made a row."""

    PRELIM = "PRELIM"
    FINAL = "FINAL"
    TRUEUP = "TRUEUP"


@dataclass(frozen=True, slots=True)
class Settlement:
    """The money of one interval, as 1e-8 units to the home; ``position_wh`` and ``metered_wh`` sell +."""

    settlement_id: str
    interval: Interval
    run: Run
    position_wh: int
    metered_wh: int
    imbalance_price_ticks: int
    energy_money: int  # fills x price
    imbalance_money: int  # (metered - position) x imbalance price
    uncontracted_money: int  # surplus without a position x published export price
    fee_money: int  # deviation fee, <= 0
    reverses: str | None = None
    estimated: bool = field(default=False, compare=False)  # a meter reading was missing

    @property
    def total_money(self) -> int:
        return self.energy_money + self.imbalance_money + self.uncontracted_money + self.fee_money


@dataclass(frozen=True, slots=True)
class Receipt:
    """A head of the account, signed by us and countersigned by the exchange (compact JWS each)."""

    sequence: int
    hash: str
    signed: str
    countersigned: str
    exchange_key: Mapping[str, str]  # the public JWK


@dataclass(frozen=True, slots=True)
class Dispute:
    """What the exchange said and we do not believe; it moves nothing. ``what``: fill or settlement."""

    what: str
    id: str
    interval: Interval
    reason: str
    money: int  # that it would have moved, 1e-8 units to the home
    time: datetime  # when we saw it
    claim_sha256: str  # of what was said: another word under the same id is judged afresh


def money_text(money: int) -> str:
    """Exact decimal text of an amount in 1e-8 units, at least two decimals: ``-12.34``."""
    sign = "-" if money < 0 else ""
    whole, fraction = divmod(abs(money), MONEY_PER_UNIT)
    digits = f"{fraction:08d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{digits}"
