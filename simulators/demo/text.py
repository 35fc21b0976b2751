"""The statement for a person: what flowed, what was traded, what it came to, and what was checked."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.domain.trade import MONEY_PER_UNIT, Side
from simulators.demo.report import Report


def statement_text(report: Report, zone: ZoneInfo) -> RenderableType:
    """The whole statement; the same report gives the same text."""
    first, last = report.start.astimezone(zone), report.end.astimezone(zone)
    span = f"{first:%d %B %Y %H:%M} to {last:%d %B %Y %H:%M} ({zone.key})"
    return Panel(
        Group(
            _energy(report), Text(), _trade(report), Text(), _money(report), Text(), _checks(report)
        ),
        title="Statement of the home",
        subtitle=span,
        width=80,
    )


def _grid(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(
            column, justify="left" if i == 0 else "right", min_width=40 if i == 0 else 14
        )
    return table


def _kwh(energy_wh: float) -> str:
    return f"{energy_wh / 1000:.2f} kWh"


def _energy(report: Report) -> Table:
    t = report.totals
    table = Table(
        title="Energy", title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    table.add_column("where it came from", min_width=20)
    table.add_column("", justify="right", min_width=12)
    table.add_column("  where it went", min_width=22)
    table.add_column("", justify="right", min_width=12)
    rows = [
        ("the sun", t.pv, "the house", t.load),
        ("the grid", t.grid_import, "the car", t.ev),
        ("the battery", t.discharge, "the grid", t.grid_export),
        ("", None, "the battery", t.charge),
        ("", None, "conversion losses", report.conversion_losses_wh),
    ]
    for source, given, use, taken in rows:
        table.add_row(source, "" if given is None else _kwh(given), f"  {use}", _kwh(taken))
    total = t.pv + t.grid_import + t.discharge
    table.add_row("together", _kwh(total), "  together", _kwh(total + report.balance_error_wh),
                  style="bold")  # fmt: skip
    return table


def _trade(report: Report) -> Table:
    energy, rows = report.statement.energy_wh(), report.statement.rows
    fills = [fill for row in rows for fill in row.fills]
    sold = [f for f in fills if f.side is Side.SELL]
    table = _grid("Trade on the energy exchange", "", "")
    table.add_row("tenders sent", str(sum(r.tenders for r in rows)))
    table.add_row("fills", str(len(fills)))
    table.add_row("quarter-hours with a sale", str(sum(1 for r in rows if r.position_wh > 0)))
    table.add_row("sold", _kwh(energy["sold"]))
    if sold:
        average = sum(f.money for f in sold) / sum(f.quantity_wh for f in sold)
        table.add_row("average price", f"{average / 100:.2f} {report.statement.currency}/MWh")
    table.add_row("of that delivered", _kwh(energy["delivered"]))
    missed = sum(max(0, r.position_wh - max(r.net_wh, 0)) for r in rows if r.position_wh > 0)
    over = sum(max(0, r.net_wh - r.position_wh) for r in rows if r.position_wh > 0)
    table.add_row("imbalance: too little / too much", f"{_kwh(missed)} / {_kwh(over)}")
    table.add_row("surplus given to the retailer without a sale", _kwh(energy["uncontracted"]))
    return table


def _amount(money: int, currency: str) -> str:
    return f"{Decimal(money) / MONEY_PER_UNIT:+.4f} {currency}"


def _money(report: Report) -> Table:
    account, currency = report.statement, report.statement.currency
    settled = [s for row in account.rows for s in row.settlements]
    table = _grid("Money (+ to the home)", "", "")
    table.add_row("sold on the exchange", _amount(sum(s.energy_money for s in settled), currency))
    table.add_row("imbalance", _amount(sum(s.imbalance_money for s in settled), currency))
    table.add_row("deviation fees", _amount(sum(s.fee_money for s in settled), currency))
    table.add_row(
        "surplus at the published price",
        _amount(sum(s.uncontracted_money for s in settled), currency),
    )
    table.add_row("bought from the retailer", _amount(account.retail_money or 0, currency))
    net = account.net_money or 0
    table.add_row("net", _amount(net, currency), style="bold")
    table.add_row("the same days without trading", _amount(report.alone.money, currency))
    more = "more" if report.stored_difference_wh >= 0 else "less"
    stored = (
        f"{abs(report.stored_difference_wh) / 1000:.2f} kWh {more} is in battery and car, worth"
    )
    table.add_row(stored, _amount(report.stored_difference_money, currency))
    gained = net + report.stored_difference_money - report.alone.money
    table.add_row("gained by trading", _amount(gained, currency), style="bold")
    return table


def _checks(report: Report) -> Table:
    table = Table(title="Checks", title_justify="left", title_style="bold", box=None, pad_edge=False,
                  show_header=False)  # fmt: skip
    for check in report.checks:
        mark = Text("kept  ", "green") if check.kept else Text("BROKEN", "bold red")
        table.add_row(mark, check.name, Text(check.detail, "dim"))
    return table
