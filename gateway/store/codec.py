"""The bodies of journal entries: domain values to JSON objects of text and integers, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from gateway.domain.intervals import Interval, iso, parse_utc
from gateway.domain.trade import (
    Dispute,
    Metered,
    MeterGap,
    MeterQuality,
    Receipt,
    Run,
    Settlement,
    Side,
    Tender,
    TenderAnswer,
    Transaction,
)


def _span(interval: Interval) -> dict[str, str]:
    return {"start": iso(interval.start), "end": iso(interval.end)}


def _interval(body: Mapping[str, Any]) -> Interval:
    return _span_of(body["start"], body["end"])


@lru_cache(maxsize=256)
def _span_of(start: str, end: str) -> Interval:
    """One object for all rows of an interval: the book holds some thousand intervals for weeks."""
    return Interval(_moment(start), _moment(end))


@lru_cache(maxsize=256)
def _moment(text: str) -> datetime:
    return parse_utc(text)


def start_of(body: Mapping[str, Any]) -> datetime:
    """When the interval of a row begins; the same object for all of its rows."""
    return _moment(body["start"])


def tender_body(t: Tender) -> dict[str, Any]:
    return {
        **_span(t.interval),
        "tender_id": t.tender_id,
        "side": t.side.value,
        "quantity_wh": t.quantity_wh,
        "price_ticks": t.price_ticks,
        "expires": iso(t.expires),
    }


def tender_of(body: Mapping[str, Any]) -> Tender:
    return Tender(
        body["tender_id"],
        _interval(body),
        Side(body["side"]),
        int(body["quantity_wh"]),
        int(body["price_ticks"]),
        parse_utc(body["expires"]),
    )


def answer_body(answer: TenderAnswer) -> dict[str, Any]:
    return {
        "tender_id": answer.tender_id,
        "accepted": answer.accepted,
        "market_order_id": answer.market_order_id,
        "code": answer.code,
        "reason": answer.reason,
    }


def transaction_body(t: Transaction) -> dict[str, Any]:
    return {
        **_span(t.interval),
        "transaction_id": t.transaction_id,
        "sequence": t.sequence,
        "tender_id": t.tender_id,
        "side": t.side.value,
        "quantity_wh": t.quantity_wh,
        "price_ticks": t.price_ticks,
        "money_e8": t.money,
    }


def transaction_of(body: Mapping[str, Any]) -> Transaction:
    return Transaction(
        body["transaction_id"],
        int(body["sequence"]),
        body["tender_id"],
        _interval(body),
        Side(body["side"]),
        int(body["quantity_wh"]),
        int(body["price_ticks"]),
    )


def metered_body(m: Metered) -> dict[str, Any]:
    return {
        **_span(m.interval),
        "import_wh": m.import_wh,
        "export_wh": m.export_wh,
        "import_register_wh": m.import_register_wh,
        "export_register_wh": m.export_register_wh,
        "quality": m.quality.value,
    }


def metered_of(body: Mapping[str, Any]) -> Metered:
    return Metered(
        _interval(body),
        int(body["import_wh"]),
        int(body["export_wh"]),
        int(body["import_register_wh"]),
        int(body["export_register_wh"]),
        MeterQuality(body["quality"]),
    )


def gap_body(gap: MeterGap) -> dict[str, Any]:
    """Without a ``start``: it is of no interval."""
    return {
        "since": iso(gap.since),
        "until": iso(gap.until),
        "import_wh": gap.import_wh,
        "export_wh": gap.export_wh,
        "import_register_wh": gap.import_register_wh,
        "export_register_wh": gap.export_register_wh,
    }


def gap_of(body: Mapping[str, Any]) -> MeterGap:
    return MeterGap(
        parse_utc(body["since"]),
        parse_utc(body["until"]),
        int(body["import_wh"]),
        int(body["export_wh"]),
        int(body["import_register_wh"]),
        int(body["export_register_wh"]),
    )


def receipt_body(receipt: Receipt) -> dict[str, Any]:
    return {
        "sequence": receipt.sequence,
        "hash": receipt.hash,
        "signed": receipt.signed,
        "countersigned": receipt.countersigned,
        "exchange_key": dict(receipt.exchange_key),
    }


def origin_body(interval: Interval, night_wh: int) -> dict[str, Any]:
    """What of the stored energy is of the flat-rate night when ``interval`` has ended."""
    return {**_span(interval), "night_wh": night_wh}


def settlement_body(s: Settlement) -> dict[str, Any]:
    return {
        **_span(s.interval),
        "settlement_id": s.settlement_id,
        "run": s.run.value,
        "position_wh": s.position_wh,
        "metered_wh": s.metered_wh,
        "imbalance_price_ticks": s.imbalance_price_ticks,
        "energy_money_e8": s.energy_money,
        "imbalance_money_e8": s.imbalance_money,
        "uncontracted_money_e8": s.uncontracted_money,
        "fee_money_e8": s.fee_money,
        "reverses": s.reverses,
        "estimated": s.estimated,
    }


def settlement_of(body: Mapping[str, Any]) -> Settlement:
    return Settlement(
        body["settlement_id"],
        _interval(body),
        Run(body["run"]),
        int(body["position_wh"]),
        int(body["metered_wh"]),
        int(body["imbalance_price_ticks"]),
        int(body["energy_money_e8"]),
        int(body["imbalance_money_e8"]),
        int(body["uncontracted_money_e8"]),
        int(body["fee_money_e8"]),
        body["reverses"],
        bool(body.get("estimated", False)),  # rows of 0.1 do not say
    )


def dispute_body(dispute: Dispute, claim: Mapping[str, Any]) -> dict[str, Any]:
    """``claim`` is the body of what the exchange said: the evidence."""
    return {
        **_span(dispute.interval),
        "what": dispute.what,
        "id": dispute.id,
        "reason": dispute.reason,
        "money_e8": dispute.money,
        "claim_sha256": dispute.claim_sha256,
        "claim": claim,
    }


def dispute_of(body: Mapping[str, Any], time: datetime) -> Dispute:
    """``time`` is the row's own."""
    return Dispute(
        body["what"],
        body["id"],
        _interval(body),
        body["reason"],
        int(body["money_e8"]),
        time,
        body["claim_sha256"],
    )
