"""The trading side of the present as other software sees it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.agent.state import GatewayState
from gateway.bill.home import Bills
from gateway.domain.intervals import Interval, quarter_of
from gateway.domain.price import Quote, kwh_price
from gateway.domain.trade import money_text
from gateway.publishing.topics import MarketState
from gateway.store.journal import Journal


def market_state(state: GatewayState, journal: Journal, now: datetime) -> MarketState:
    """Positions, prices, the account and the bill at ``now``."""
    bills = state.bills
    interval, plan, book = quarter_of(now), state.plan, journal.book
    stored_wh = state.stored_wh()
    curve = state.value(now)
    value = curve.at(stored_wh) if curve is not None and stored_wh is not None else None
    bought, sold = state.quotes(interval)
    following = interval.next()
    trades = state.settings.market is not None
    midnight = local_midnight(now, state.settings.site.time_zone)
    planned = next((c for c in plan.schedule if c.interval == following), None) if plan else None
    return MarketState(
        time=now,
        currency=state.settings.tariff.currency,
        trading=state.user.trading,
        position_wh=book.position_wh(interval),
        next_position_wh=book.position_wh(following),
        open_tenders=book.open_tenders(now),
        import_price_per_kwh=_per_kwh(bought.known if bought else None),
        export_price_per_kwh=_per_kwh(sold.known if sold else None),
        **(_bills(bills, state.rules.tariff.zone) if bills else {}),
        co2_g_per_kwh=_co2(state, interval),
        import_estimate_per_kwh=_estimate(bought),
        export_estimate_per_kwh=_estimate(sold),
        market_price_per_kwh=_per_kwh(planned.market_price if planned and trades else None),
        stored_value_per_kwh=_per_kwh(value),
        account_today=money_text(book.settled_since(midnight)),
        account_total=money_text(book.settled_money),
    )


def local_midnight(now: datetime, zone: str) -> datetime:
    """When the present local day began, in UTC."""
    here = now.astimezone(ZoneInfo(zone))
    return here.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def _co2(state: GatewayState, interval: Interval) -> float | None:
    """Of the first feed that tells it: what was measured, else its forecast."""
    known = next((feed for feed in state.feeds.values() if feed.is_co2), None)
    if known is None:
        return None
    value = known.prices.get(interval.start, known.forecast.get(interval.start))
    return None if value is None else float(value)


def _bills(bills: Bills, zone: ZoneInfo) -> dict[str, Any]:
    """The fields that are of the retailer's bill, and what of the energy was the home's own."""
    today, month, year, own = bills.today, bills.month, bills.year, bills.self_sufficiency_pct
    money = {
        "bill_today": today.total_money,
        "bill_month": month.total_money,
        "bill_year": year.total_money,
        "saved_today": today.saved_money,
        "saved_month": month.saved_money,
        "saved_year": year.saved_money,
        "month_without_gateway": month.without_gateway,
        "month_without_battery": month.without_battery,
        "month_without_sun": month.without_sun,
    }
    return {
        **{name: None if paid is None else money_text(paid) for name, paid in money.items()},
        "year_since": year.bill.start.astimezone(zone).date().isoformat(),
        "self_sufficiency_today_pct": _tenth(own.today),
        "self_sufficiency_month_pct": _tenth(own.month),
        "self_sufficiency_year_pct": _tenth(own.year),
    }


def _tenth(share_pct: float | None) -> float | None:
    return None if share_pct is None else round(share_pct, 1)


def _estimate(quote: Quote | None) -> float | None:
    """What stands in for a price that is not known."""
    return None if quote is None or quote.source.known else _per_kwh(quote.per_mwh)


def _per_kwh(per_mwh: float | None) -> float | None:
    return None if per_mwh is None else round(kwh_price(per_mwh), 6)
