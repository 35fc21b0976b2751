"""The documents of CTS-JSON/1 as the gateway reads and writes them (docs/exchange.md).

Every reader is strict and bounded, see `gateway.market.exchanges.bounded`.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from gateway.domain.intervals import Interval, iso
from gateway.domain.trade import MarketRules, Run, Settlement, Side, Tender, Transaction
from gateway.market.exchanges import PublishedPrices
from gateway.market.exchanges.bounded import (
    MOST_TICKS,
    Json,
    flag,
    moment,
    price_ticks,
    quarter_hour,
    span,
    text,
    whole,
)

_MOST_WH = 10**9  # a gigawatt-hour in a quarter-hour: no home
_SHORTEST_PERIOD = timedelta(seconds=30)


def _ticks_or_none(value: object) -> int | None:
    return None if value is None else price_ticks(value)


def interval_out(interval: Interval) -> Json:
    return {"dtStart": iso(interval.start), "duration": "PT15M"}


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


def tender_in(tender: Any) -> Tender:
    """The inverse of `tender_out`."""
    detail = tender["tenderDetail"]
    return Tender(
        tender_id=text(tender["tenderId"]),
        interval=quarter_hour(detail["interval"]),
        side=Side(text(tender["side"])),
        quantity_wh=whole(detail["quantity"], 1, _MOST_WH),
        price_ticks=price_ticks(detail["price"]),
        expires=moment(tender["expirationTime"]),
    )


def rules_in(market: Any, segment: Any) -> MarketRules:
    rules = MarketRules(
        market_id=text(market["marketId"]),
        segment_id=text(segment["segmentId"]),
        currency=text(market["currency"]),
        mechanism=text(segment["marketMechanism"]),
        tick_per_mwh=Decimal(whole(market["tickSize"], 1, MOST_TICKS)).scaleb(
            -whole(market["priceScale"], 0, 4)
        ),
        lot_wh=whole(segment["roundLot"], 1, _MOST_WH),
        min_quantity_wh=whole(segment["minTenderQuantity"], 0, _MOST_WH),
        max_quantity_wh=whole(segment["maxTenderQuantity"], 0, _MOST_WH),
        floor_ticks=price_ticks(segment["priceFloor"]),
        cap_ticks=price_ticks(segment["priceCap"]),
        deviation_fee_ticks=whole(segment["deviationFee"], 0, MOST_TICKS),
        first_call_lead=span(segment["firstCallLead"]),
        gate_closure_lead=span(segment["gateClosureLead"]),
        cancel_closure_lead=span(segment["cancelClosureLead"]),
        call_period=span(segment["callPeriod"]),
        guard=span(segment["guard"]),
    )
    if not rules.floor_ticks < rules.cap_ticks:
        raise ValueError("the price floor is not below the cap")
    if not rules.guard <= rules.gate_closure_lead <= rules.cancel_closure_lead:
        raise ValueError("guard, gate closure and cancel closure are out of order")
    if not rules.gate_closure_lead <= rules.first_call_lead:
        raise ValueError("the first call is after the gate closure")
    if rules.call_period < _SHORTEST_PERIOD:
        raise ValueError("calls follow each other too fast")
    return rules


def prices_in(row: Any) -> PublishedPrices:
    return PublishedPrices(
        interval=quarter_hour(row["interval"]),
        import_ticks=_ticks_or_none(row["price"]),
        export_ticks=_ticks_or_none(row["exportPrice"]),
        day_ahead_ticks=_ticks_or_none(row["dayAheadPrice"]),
        imbalance_ticks=_ticks_or_none(row["imbalancePrice"]),
    )


def transaction_in(row: Any) -> Transaction:
    tender = row["tender"]
    detail = tender["tenderDetail"]
    return Transaction(
        transaction_id=text(row["marketTransactionId"]),
        sequence=whole(row["seq"], 1),
        tender_id=text(tender["tenderId"]),
        interval=quarter_hour(detail["interval"]),
        side=Side(text(tender["side"])),
        quantity_wh=whole(detail["quantity"], 1, _MOST_WH),
        price_ticks=price_ticks(detail["price"]),
    )


def settlement_in(row: Any) -> Settlement:
    return Settlement(
        settlement_id=text(row["settlementId"]),
        interval=quarter_hour(row["interval"]),
        run=Run(text(row["run"])),
        position_wh=whole(row["position"], -_MOST_WH, _MOST_WH),
        metered_wh=whole(row["metered"], -_MOST_WH, _MOST_WH),
        imbalance_price_ticks=price_ticks(row["imbalancePrice"]),
        energy_money=whole(row["energyMoney"]),
        imbalance_money=whole(row["imbalanceMoney"]),
        uncontracted_money=whole(row["uncontractedMoney"]),
        fee_money=whole(row["feeMoney"]),
        reverses=None if row["reverses"] is None else text(row["reverses"]),
        estimated=flag(row["estimated"]),
    )
