"""The offer and the newest tenders, fills and deliveries, as the page shows them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from gateway.dashboard.view import HomeView
from gateway.domain.intervals import iso
from gateway.domain.plan import OfferCurve
from gateway.domain.price import Price, kwh_price
from gateway.domain.trade import Settlement, money_text
from gateway.store.book import TenderState

T = TypeVar("T")

_ROWS = 40  # of each table; the whole account is on the command line


def trade_tables(view: HomeView) -> dict[str, Any]:
    """Each table with its newest rows first."""
    return {
        "offer": _offer(view.offer),
        "tenders": _newest(
            view.tenders, lambda s: _tender(s, view.time), lambda s: s.tender.interval.start
        ),
        "fills": _newest(
            view.transactions,
            lambda t: {
                "start": iso(t.interval.start),
                "side": t.side.value,
                "quantity_wh": t.quantity_wh,
                "price_per_kwh": Price(t.price_ticks).per_kwh,
                "money": money_text(t.money),
            },
            lambda t: t.interval.start,
        ),
        "deliveries": _newest(_deliveries(view), lambda row: row, lambda row: row["start"]),
    }


def _offer(offer: OfferCurve | None) -> dict[str, Any] | None:
    if offer is None:
        return None
    steps = [{"price_per_kwh": kwh_price(s.price_per_mwh), "net_wh": s.net_wh} for s in offer.steps]
    return {"start": iso(offer.interval.start), "end": iso(offer.interval.end), "steps": steps}


def _tender(state: TenderState, now: datetime) -> dict[str, Any]:
    tender = state.tender
    return {
        "start": iso(tender.interval.start),
        "side": tender.side.value,
        "quantity_wh": tender.quantity_wh,
        "price_per_kwh": Price(tender.price_ticks).per_kwh,
        "filled_wh": state.filled_wh,
        "state": _fate(state, now),
    }


def _fate(state: TenderState, now: datetime) -> str:
    if not state.answered:
        return "sent"
    if not state.accepted:
        return "refused"
    if state.filled_wh >= state.tender.quantity_wh:
        return "filled"
    if state.closed:
        return "closed"
    if state.filled_wh:
        return "partly filled"
    return "open" if now < state.tender.expires else "not filled"


def _deliveries(view: HomeView) -> list[dict[str, Any]]:
    """What was sold, what the meter counted, and what it was worth, for each interval."""
    settled: dict[datetime, list[Settlement]] = {}
    for row in view.settlements:
        settled.setdefault(row.interval.start, []).append(row)
    sold: dict[datetime, int] = {}
    for fill in view.transactions:
        sold[fill.interval.start] = sold.get(fill.interval.start, 0) + fill.net_wh
    rows = []
    for metered in view.metered:
        start = metered.interval.start
        money = [s.total_money for s in settled.get(start, ())]
        rows.append(
            {
                "start": iso(start),
                "sold_wh": sold.get(start, 0),
                "metered_wh": metered.net_wh,
                "quality": metered.quality.value,
                "money": money_text(sum(money)) if money else None,
            }
        )
    return rows


def _newest(
    items: Iterable[T], show: Callable[[T], dict[str, Any]], when: Callable[[T], Any]
) -> list[dict[str, Any]]:
    ordered = sorted(items, key=when, reverse=True)
    return [show(item) for item in ordered[:_ROWS]]
