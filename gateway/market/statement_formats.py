"""The statement on paper: JSON, CSV, and text for people. Pure. docs/account.md describes the fields."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from gateway.domain.intervals import iso
from gateway.domain.trade import Dispute, MeterGap, money_text
from gateway.market.account import Row, Statement, amount
from gateway.store.codec import gap_body

_COLUMNS = (
    "start",
    "end",
    "tenders",
    "fills",
    "position_wh",
    "import_wh",
    "export_wh",
    "meter_quality",
    "reported",
    "delivered_wh",
    "settlements",
    "corrections",
    "market_energy",
    "market_imbalance",
    "market_uncontracted",
    "market_fee",
    "market",
    "retail",
    "without_trading",
)
_TOTALS = {
    "market": "from the market",
    "market_energy": "  fills at their prices",
    "market_imbalance": "  deviations at the imbalance price",
    "market_uncontracted": "  surplus at the export price",
    "market_fee": "  deviation fee",
    "retail": "from the retailer (with fees)",
    "net": "net",
    "without_trading": "the same energy without trading",
}


def as_json(s: Statement) -> dict[str, Any]:
    """The whole statement as JSON values."""
    return {
        "from": iso(s.start),
        "to": iso(s.end),
        "intervals": sum(row.metered is not None for row in s.rows),
        "tenders": sum(row.tenders for row in s.rows),
        "fills": sum(len(row.fills) for row in s.rows),
        "unanswered_tenders": s.unanswered,
        "unsettled_intervals": s.unsettled,
        "energy_wh": s.energy_wh(),
        "money": s.money(),
        "rows": [_row_json(row) for row in s.rows],
        "gaps": [gap_body(gap) for gap in s.gaps],
        "disputed": [_dispute_json(dispute) for dispute in s.disputes],
    }


def as_csv(s: Statement) -> str:
    """One line an interval; an empty field is not known."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in s.rows:
        writer.writerow(_csv_row(row))
    return out.getvalue()


def as_text(s: Statement, zone: ZoneInfo) -> str:
    """One line a local day, then the totals."""
    money, energy = s.money(), s.energy_wh()
    fills = sum(len(row.fills) for row in s.rows)
    head = ("day", "import", "export", "sold", "delivered", f"market {s.currency}", "retail")
    lines = [f"Statement from {iso(s.start)} to {iso(s.end)}, energy in kWh", "", _line(*head)]
    lines += [_day_line(s, day, rows) for day, rows in sorted(_by_day(s, zone).items())]
    lines.append("")
    lines += [f"{text:<36}{money[key] or 'unknown':>20}" for key, text in _TOTALS.items()]
    lines.append("")
    lines.append(
        f"{len(s.rows)} intervals, {sum(row.tenders for row in s.rows)} tenders, {fills} fills"
    )
    lines.append(
        f"{_kwh(energy['sold'])} kWh sold, {_kwh(energy['delivered'])} kWh of it delivered"
    )
    if energy["short"]:
        count = sum(row.short_wh > 0 for row in s.rows)
        lines.append(f"{_kwh(energy['short'])} kWh short, in {count} intervals (--csv shows which)")
    if s.unanswered:
        lines.append(f"{s.unanswered} tenders wait for the exchange's answer")
    if s.unsettled and s.known_to_exchange:
        lines.append(f"{s.unsettled} intervals wait for their settlement")
    elif s.unsettled:
        lines.append("no exchange has heard of any of it, so nothing is settled")
    lines += [_gap_line(gap) for gap in s.gaps]
    if s.disputes:
        lines += ["", f"Disputed with the exchange, in no sum above: {len(s.disputes)}"]
        lines += [_dispute_line(dispute, zone) for dispute in s.disputes]
    return "\n".join(lines) + "\n"


def _gap_line(gap: MeterGap) -> str:
    return (
        f"{_kwh(gap.import_wh)} kWh imported and {_kwh(gap.export_wh)} kWh exported between"
        f" {iso(gap.since)} and {iso(gap.until)}, of no single interval"
    )


def _dispute_line(d: Dispute, zone: ZoneInfo) -> str:
    at = f"{d.interval.start.astimezone(zone):%Y-%m-%d %H:%M}"
    return f"  {at}  {d.what} {d.id} ({money_text(d.money)}): {d.reason}"


def _dispute_json(d: Dispute) -> dict[str, Any]:
    return {
        "what": d.what,
        "id": d.id,
        "start": iso(d.interval.start),
        "end": iso(d.interval.end),
        "reason": d.reason,
        "money": money_text(d.money),
        "seen": iso(d.time),
    }


def _day_line(s: Statement, day: date, rows: list[Row]) -> str:
    part = Statement(s.start, s.end, s.currency, tuple(rows), 0)
    wh = part.energy_wh()
    energy = (_kwh(wh[name]) for name in ("import", "export", "sold", "delivered"))
    money = (money_text(part.market_money), amount(part.retail_money) or "unknown")
    return _line(day.isoformat(), *energy, *money)


def _line(day: str, *columns: str) -> str:
    energy, money = columns[:4], columns[4:]
    return f"{day:<12}" + "".join(f"{c:>11}" for c in energy) + "".join(f"{c:>18}" for c in money)


def _by_day(s: Statement, zone: ZoneInfo) -> dict[date, list[Row]]:
    days: dict[date, list[Row]] = {}
    for row in s.rows:
        days.setdefault(row.interval.start.astimezone(zone).date(), []).append(row)
    return days


def _kwh(energy_wh: int) -> str:
    return f"{energy_wh / 1000:.2f}"


def _csv_row(row: Row) -> list[Any]:
    parts = row.settlements
    return [
        iso(row.interval.start),
        iso(row.interval.end),
        row.tenders,
        len(row.fills),
        row.position_wh,
        row.metered.import_wh if row.metered else "",
        row.metered.export_wh if row.metered else "",
        row.metered.quality.value if row.metered else "",
        int(row.reported),
        row.delivered_wh,
        len(parts),
        sum(p.reverses is not None for p in parts),
        money_text(sum(p.energy_money for p in parts)),
        money_text(sum(p.imbalance_money for p in parts)),
        money_text(sum(p.uncontracted_money for p in parts)),
        money_text(sum(p.fee_money for p in parts)),
        money_text(row.market_money),
        amount(row.retail_money) or "",
        amount(row.without_trading_money) or "",
    ]


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "start": iso(row.interval.start),
        "end": iso(row.interval.end),
        "tenders": row.tenders,
        "fills": [
            {
                "transaction_id": t.transaction_id,
                "tender_id": t.tender_id,
                "side": t.side.value,
                "quantity_wh": t.quantity_wh,
                "price_ticks": t.price_ticks,
                "money": money_text(t.money),
            }
            for t in row.fills
        ],
        "position_wh": row.position_wh,
        "import_wh": row.metered.import_wh if row.metered else None,
        "export_wh": row.metered.export_wh if row.metered else None,
        "meter_quality": row.metered.quality.value if row.metered else None,
        "reported": row.reported,
        "delivered_wh": row.delivered_wh,
        "settlements": [
            {
                "settlement_id": s.settlement_id,
                "run": s.run.value,
                "reverses": s.reverses,
                "position_wh": s.position_wh,
                "metered_wh": s.metered_wh,
                "imbalance_price_ticks": s.imbalance_price_ticks,
                "energy": money_text(s.energy_money),
                "imbalance": money_text(s.imbalance_money),
                "uncontracted": money_text(s.uncontracted_money),
                "fee": money_text(s.fee_money),
                "total": money_text(s.total_money),
            }
            for s in row.settlements
        ],
        "market": money_text(row.market_money),
        "retail": amount(row.retail_money),
        "without_trading": amount(row.without_trading_money),
    }
