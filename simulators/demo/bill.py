"""The days of a home without an exchange: its retailer's bill, beside what physics says and what it would have been."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.agent.billing import car_power_w
from gateway.bill.home import HomeBill, account, as_json
from gateway.domain.intervals import Interval, quarters
from gateway.domain.trade import MONEY_PER_UNIT, money_text
from gateway.market.account import book_of
from gateway.tariff import TariffRules
from simulators.demo.alone import alone
from simulators.demo.options import CAR_WH, RETAILER
from simulators.demo.report import (
    BALANCE_SHARE,
    Check,
    OpeningState,
    reserve_check,
    water_check,
)
from simulators.demo.world import World
from simulators.physics.values import Totals

_TICKS_PER_KWH = 100_000
_AGREES = Decimal(
    "0.05"
)  # of a day's bill: how near the bill's own comparison is to the house's physics


@dataclass(frozen=True, slots=True)
class BillReport:
    """Everything that is said about the days. ``alone_money`` is the same house without a gateway, by physics; what the
    home pays is +."""

    start: datetime
    end: datetime
    currency: str
    totals: Totals
    bill: HomeBill
    alone_money: int
    stored_difference_wh: float
    modbus_reads: int
    mqtt_messages: int
    checks: tuple[Check, ...]

    @property
    def kept(self) -> bool:
        return all(check.kept for check in self.checks)

    def as_json(self, wall_seconds: float) -> dict[str, Any]:
        """The document of ``--json``; described in docs/demo.md."""
        t = self.totals
        return {
            "intervals": self.bill.metered,
            "energy_wh": {
                "pv": round(t.pv),
                "load": round(t.load + t.ev),
                "import": self.bill.bill.import_wh,
                "export": self.bill.bill.export_wh,
                "charge": round(t.charge),
                "discharge": round(t.discharge),
                "ev": round(t.ev),
            },
            "bill": as_json(self.bill, self.currency),
            "alone": money_text(self.alone_money),
            "stored_difference_wh": round(self.stored_difference_wh),
            "modbus_reads": self.modbus_reads,
            "mqtt_messages": self.mqtt_messages,
            "wall_seconds": round(wall_seconds, 2),
        }


def bill_report(world: World, opening: OpeningState) -> BillReport:
    """Put the gateway's bill, the house's physics and the same house without a gateway side by side."""
    agent, settings = world.gateway.agent, world.gateway.settings
    zone = ZoneInfo(settings.site.time_zone)
    rules = TariffRules(settings.tariff, zone)
    book = book_of(agent.journal.entries(), world.start, world.end)
    flows = agent.history.flows(world.start, world.end)
    battery = agent.keeper.state.battery()
    power_w, heaters = car_power_w(settings), settings.heaters
    found = account(book, rules, flows, battery, power_w, heaters).of(world.start, world.end)
    without = alone(world.scenario, world.end, CAR_WH, settings.site.reserve_pct, _ticks)
    fees = found.bill.standing_money
    capacity_wh = world.scenario.house.battery.capacity_wh
    more_wh = (opening.soc_pct - without.soc_pct) / 100 * capacity_wh
    more_wh += opening.totals.ev - without.ev_wh
    report = BillReport(
        world.start,
        world.end,
        settings.tariff.currency,
        opening.totals,
        found,
        fees - without.money,
        more_wh,
        world.servers.requests,
        agent.publisher.sent,
        (),
    )
    reserve = reserve_check(world, opening.lowest_soc_pct)
    checks = (*_checks(report, world), *_comparison(report), reserve)
    return replace(report, checks=(*checks, *water_check(world)))


def expected_money(world: World, report: BillReport) -> int:
    """The bill made another way: the meter's counters of each quarter, and the tariff as it stands on paper."""
    metered = world.gateway.agent.journal.book.metered
    owed = Fraction(0)
    for interval in quarters(world.start, world.end):
        row = metered.get(interval.start)
        if row is None:  # which is a broken check of its own
            continue
        owed += (
            Fraction(row.import_wh, 1000) * _buys(interval) - Fraction(row.export_wh, 1000) * _SELLS
        )
    days = Fraction((world.end - world.start) // timedelta(seconds=1), 24 * 3600)
    owed += days * Fraction(RETAILER["daily_fee"]) * _TAXED
    return round(owed * MONEY_PER_UNIT)


_TAXED = 1 + Fraction(RETAILER["tax_pct"]) / 100
_SELLS = Fraction(RETAILER["export_price"]["per_kwh"])
_ZONE = ZoneInfo("America/Chicago")


def _buys(interval: Interval) -> Fraction:
    """Cheap from 23 to 6 o'clock, dear from 16 to 21 in summer; levies and tax on top."""
    local = interval.start.astimezone(_ZONE)
    summer = 5 <= local.month <= 9
    price = (
        "0.34"
        if summer and 16 <= local.hour < 21
        else "0.08"
        if local.hour >= 23 or local.hour < 6
        else "0.14"
    )
    return (Fraction(price) + Fraction(RETAILER["levies_per_kwh"])) * _TAXED


def _ticks(interval: Interval) -> tuple[int, int]:
    return round(_buys(interval) * _TICKS_PER_KWH), round(_SELLS * _TICKS_PER_KWH)


def _checks(report: BillReport, world: World) -> list[Check]:
    t, bill = report.totals, report.bill.bill
    count = round((report.end - report.start).total_seconds() / 900)
    off_wh = max(abs(bill.import_wh - t.grid_import), abs(bill.export_wh - t.grid_export))
    cent = MONEY_PER_UNIT // 100
    expected = expected_money(world, report)
    return [
        Check("every quarter-hour is metered", report.bill.metered == count, f"{report.bill.metered} of {count}"),
        Check("the meter's account is what flowed", off_wh <= 2 + BALANCE_SHARE * (t.load + t.ev), f"off by {off_wh:.1f} Wh"),
        Check("every metered Wh has a price", bill.unpriced_wh == 0, f"{bill.unpriced_wh} Wh without"),
        Check("the bill is the tariff's, to the cent", abs(report.bill.total_money - expected) < cent,
              f"ours {money_text(report.bill.total_money)}, made another way {money_text(expected)}"),
        Check("the journal's chain is whole", world.gateway.agent.journal.verify() > 0, ""),
    ]  # fmt: skip


def _comparison(report: BillReport) -> tuple[Check, ...]:
    ours, theirs = report.bill.without_gateway, report.alone_money
    off, cent = None if ours is None else abs(ours - theirs), MONEY_PER_UNIT // 100
    kept = off is not None and off <= _AGREES * abs(theirs) + cent
    says = f"own rule by the bill {money_text(ours or 0)}, by physics {money_text(theirs)}"
    return (Check("the comparison is what physics says", kept, says),)


def bill_text(report: BillReport, zone: ZoneInfo) -> RenderableType:
    """The bill for a person."""
    first, last = report.start.astimezone(zone), report.end.astimezone(zone)
    span = f"{first:%d %B %Y %H:%M} to {last:%d %B %Y %H:%M} ({zone.key})"
    parts = Group(_energy(report), Text(), _money(report), Text(), _promises(report))
    return Panel(parts, title="Bill of the home", subtitle=span, width=80)


def _grid(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)  # fmt: skip
    table.add_column(min_width=44)
    table.add_column(justify="right", min_width=14)
    return table


def _energy(report: BillReport) -> Table:
    table = _grid("Energy")
    bill, t = report.bill.bill, report.totals
    for name, energy_wh in (
        ("the sun", t.pv), ("house and car", t.load + t.ev), ("bought", bill.import_wh), ("given to the grid", bill.export_wh),
    ):  # fmt: skip
        table.add_row(name, f"{energy_wh / 1000:.2f} kWh")
    return table


def _money(report: BillReport) -> Table:
    table, found = _grid("Money (+ to pay)"), report.bill

    def row(name: str, money: int | None, style: str = "") -> None:
        shown = (
            "-" if money is None else f"{Decimal(money) / MONEY_PER_UNIT:+.2f} {report.currency}"
        )
        table.add_row(name, shown, style=style)

    row("energy, with levies and tax", found.bill.energy_money)
    row("feed-in", found.bill.feed_in_money)
    row("standing charge", found.bill.standing_money)
    row("the bill", found.total_money, "bold")
    row("without the battery", found.without_battery)
    row("without the gateway: the inverter's own rule", found.without_gateway)
    row("without the sun", found.without_sun)
    row("saved by the gateway", found.saved_money, "bold")
    more = "more" if report.stored_difference_wh >= 0 else "less"
    table.add_row(
        f"{abs(report.stored_difference_wh) / 1000:.2f} kWh {more} is in battery and car", ""
    )
    return table


def _promises(report: BillReport) -> Table:
    table = Table(title="Checks", title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)  # fmt: skip
    for check in report.checks:
        mark = Text("kept  ", "green") if check.kept else Text("BROKEN", "bold red")
        table.add_row(mark, check.name, Text(check.detail, "dim"))
    return table
