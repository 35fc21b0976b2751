"""The documents of CTS-JSON/1 as the gateway reads and writes them (docs/exchange.md).

Every reader is strict: what is not exactly what was promised raises, and `understood` makes one
MarketError of it. Nothing is guessed, nothing is rounded.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from gateway.domain.intervals import QUARTER, Interval, iso, parse_utc
from gateway.domain.trade import MarketRules, Run, Settlement, Side, Tender, Transaction
from gateway.errors import MarketError
from gateway.market.exchanges import PublishedPrices

Json = dict[str, Any]


class understood:  # noqa: N801 - reads as a word: with understood("prices"): ...
    """Turns everything that a nonsense answer can cause into one MarketError that names it."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        nonsense = (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError)
        if isinstance(error, nonsense):
            raise MarketError(f"the exchange sent nonsense as {self._what}: {error!r}") from error


def text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no text")
    return value


def whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is no truth value")
    return value


def _or_none(value: object) -> int | None:
    return None if value is None else whole(value)


def _span(value: object) -> timedelta:
    """An ISO 8601 duration of hours, minutes and seconds."""
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", text(value))
    if found is None or value == "PT":
        raise ValueError(f"{value!r} is no duration")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def interval_out(interval: Interval) -> Json:
    return {"dtStart": iso(interval.start), "duration": "PT15M"}


def _interval(value: Any) -> Interval:
    start = parse_utc(text(value["dtStart"]))
    if _span(value["duration"]) != QUARTER:
        raise ValueError("an interval of another length")
    return Interval(start, start + QUARTER)


def tender_out(tender: Tender) -> Json:
    """EiTenderType."""
    return {
        "tenderId": tender.tender_id,
        "side": tender.side.value,
        "resourceDesignator": "ENERGY",
        "expirationTime": iso(tender.expires),
        "allOrNone": False,
        "tenderDetail": {
            "interval": interval_out(tender.interval),
            "price": tender.price_ticks,
            "quantity": tender.quantity_wh,
        },
    }


def rules_in(market: Any, segment: Any) -> MarketRules:
    return MarketRules(
        market_id=text(market["marketId"]),
        segment_id=text(segment["segmentId"]),
        currency=text(market["currency"]),
        mechanism=text(segment["marketMechanism"]),
        tick_per_mwh=Decimal(whole(market["tickSize"])).scaleb(-whole(market["priceScale"])),
        lot_wh=whole(segment["roundLot"]),
        min_quantity_wh=whole(segment["minTenderQuantity"]),
        max_quantity_wh=whole(segment["maxTenderQuantity"]),
        floor_ticks=whole(segment["priceFloor"]),
        cap_ticks=whole(segment["priceCap"]),
        first_call_lead=_span(segment["firstCallLead"]),
        gate_closure_lead=_span(segment["gateClosureLead"]),
        cancel_closure_lead=_span(segment["cancelClosureLead"]),
        call_period=_span(segment["callPeriod"]),
        guard=_span(segment["guard"]),
    )


def prices_in(row: Any) -> PublishedPrices:
    return PublishedPrices(
        interval=_interval(row["interval"]),
        import_ticks=_or_none(row["price"]),
        export_ticks=_or_none(row["exportPrice"]),
        day_ahead_ticks=_or_none(row["dayAheadPrice"]),
        imbalance_ticks=_or_none(row["imbalancePrice"]),
    )


def transaction_in(row: Any) -> Transaction:
    tender = row["tender"]
    detail = tender["tenderDetail"]
    quantity = whole(detail["quantity"])
    if quantity <= 0:
        raise ValueError(f"a fill of {quantity} Wh")
    return Transaction(
        transaction_id=text(row["marketTransactionId"]),
        sequence=whole(row["seq"]),
        tender_id=text(tender["tenderId"]),
        interval=_interval(detail["interval"]),
        side=Side(text(tender["side"])),
        quantity_wh=quantity,
        price_ticks=whole(detail["price"]),
    )


def settlement_in(row: Any) -> Settlement:
    return Settlement(
        settlement_id=text(row["settlementId"]),
        interval=_interval(row["interval"]),
        run=Run(text(row["run"])),
        position_wh=whole(row["position"]),
        metered_wh=whole(row["metered"]),
        imbalance_price_ticks=whole(row["imbalancePrice"]),
        energy_money=whole(row["energyMoney"]),
        imbalance_money=whole(row["imbalanceMoney"]),
        uncontracted_money=whole(row["uncontractedMoney"]),
        fee_money=whole(row["feeMoney"]),
        reverses=None if row["reverses"] is None else text(row["reverses"]),
    )
