"""What the days came to: the numbers of ``--json``, and the checks that they must pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.domain.intervals import QUARTER, Interval, quarter
from gateway.domain.trade import money_text
from gateway.errors import ConfigError
from gateway.market.account import RetailPrices, Statement, book_of, statement
from gateway.tariff import TariffRules
from simulators.demo.alone import Alone, alone
from simulators.demo.options import CAR_WH
from simulators.demo.world import World
from simulators.physics.values import Totals

BALANCE_SHARE = 0.001  # of load
WATER = "the water is warm"
COLDER_K = 0.6  # while a rod begins to heat
STANDBY_PCT = 1.0  # 8 W for half a day are 96 Wh of 13.5 kWh


@dataclass(frozen=True, slots=True)
class Check:
    """One promise that the days must keep."""

    name: str
    kept: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is said about the days."""

    start: datetime
    end: datetime
    totals: Totals
    conversion_losses_wh: float
    balance_error_wh: float
    soc_pct: float
    statement: Statement
    alone: Alone
    stored_difference_wh: float
    stored_difference_money: int  # what that saves at the last import price
    zero_sum_error: int
    unanswered: int
    modbus_reads: int
    mqtt_messages: int
    checks: tuple[Check, ...]

    @property
    def kept(self) -> bool:
        return all(check.kept for check in self.checks)

    def as_json(self, wall_seconds: float) -> dict[str, Any]:
        """The document of ``--json``; described in docs/demo.md."""
        t, energy, money = self.totals, self.statement.energy_wh(), self.statement.money()
        return {
            "intervals": len([r for r in self.statement.rows if r.metered]),
            "tenders": sum(r.tenders for r in self.statement.rows),
            "fills": sum(len(r.fills) for r in self.statement.rows),
            "energy_wh": {
                "pv": round(t.pv),
                "load": round(t.load + t.ev),
                "import": energy["import"],
                "export": energy["export"],
                "charge": round(t.charge),
                "discharge": round(t.discharge),
                "ev": round(t.ev),
                "losses": round(self.conversion_losses_wh),
                "sold": energy["sold"],
                "delivered": energy["delivered"],
            },
            "money": {
                "currency": self.statement.currency,
                "market": money["market"],
                "retail": money["retail"],
                "without_trading": money_text(self.alone.money),
                "net": money["net"],
                "stored_difference": money_text(self.stored_difference_money),
            },
            "stored_difference_wh": round(self.stored_difference_wh),
            "balance_error_wh": round(self.balance_error_wh, 3) + 0.0,
            "zero_sum_error": self.zero_sum_error,
            "unanswered_tenders": self.unanswered,
            "modbus_reads": self.modbus_reads,
            "mqtt_messages": self.mqtt_messages,
            "wall_seconds": round(wall_seconds, 2),
        }


@dataclass(frozen=True, slots=True)
class OpeningState:
    """The house as physics has it at the end of the days, taken at that very moment."""

    totals: Totals
    soc_pct: float
    stored_change_wh: float
    lowest_soc_pct: float


def opening_state(world: World) -> OpeningState:
    truth = world.home.truth()
    return OpeningState(
        truth.state.totals, truth.soc_pct, truth.stored_change_wh, world.lowest_soc_pct
    )


def reserve_check(world: World, lowest_soc_pct: float) -> Check:
    """Whether the battery kept what was set aside for outages; less only by its own standby."""
    reserve_pct = world.gateway.settings.site.reserve_pct
    return Check(
        "the backup reserve is kept",
        lowest_soc_pct >= reserve_pct - STANDBY_PCT,
        f"never below {lowest_soc_pct:.1f} % of {reserve_pct:g} %",
    )


def water_check(world: World) -> tuple[Check, ...]:
    """Whether a boiler's water was never colder than its owner allows; nothing where there is none."""
    boiler = world.home.state().boiler
    if boiler is None:
        return ()
    least_c = world.gateway.settings.for_guard().heaters["boiler"].min_c
    says = f"never below {boiler.coldest_c:.1f} °C of {least_c:g} °C, {boiler.temperature_c:.1f} °C at the end"
    return (Check(WATER, boiler.coldest_c >= least_c - COLDER_K, says),)


async def make_report(world: World, opening: OpeningState) -> Report:
    """Put the house's physics, the gateway's account and the exchange's ledger side by side."""
    settings = world.gateway.settings
    rules = TariffRules(settings.tariff, ZoneInfo(settings.site.time_zone))
    prices = world.exchange.market.prices

    def retail(interval: Interval) -> tuple[int, int]:
        posted = prices.posted(interval.start, world.clock.now())
        if posted.retail is None or posted.export is None:
            raise ConfigError(f"there are no prices for {interval}; the data must cover the days")
        bought = rules.import_price(interval, None, posted.retail / 100)
        sold = rules.export_price(interval, None, posted.export / 100)
        if bought is None or sold is None:
            raise ConfigError(f"the tariff knows no price for {interval}")
        return round(bought * 100), round(sold * 100)

    journal = world.gateway.agent.journal
    account = statement(
        book_of(journal.entries(), world.start, world.end),
        world.start,
        world.end,
        lambda interval: RetailPrices(*retail(interval)),
        settings.tariff.currency,
    )
    without = alone(world.scenario, world.end, CAR_WH, settings.site.reserve_pct, retail)
    t = opening.totals
    battery_losses = t.charge - t.discharge - opening.stored_change_wh
    losses = t.losses - battery_losses
    load = t.load + t.ev
    balance = load + losses - t.pv - t.grid_import + t.grid_export - (t.discharge - t.charge)
    capacity_wh = world.scenario.house.battery.capacity_wh
    more_wh = (opening.soc_pct - without.soc_pct) / 100 * capacity_wh
    last_price = retail(quarter(world.end - QUARTER))[0]
    car_wh = (
        t.ev - without.ev_wh
    )  # a car that leaves tomorrow may still be waiting for a good price
    usable_wh = more_wh * settings.battery.discharge_efficiency + car_wh
    report = Report(
        world.start,
        world.end,
        t,
        losses,
        balance,
        opening.soc_pct,
        account,
        without,
        more_wh + car_wh,
        round(usable_wh) * last_price,
        world.exchange.zero_sum_error,
        len(journal.book.unanswered()),
        world.servers.requests,
        world.gateway.agent.publisher.sent,
        (),
    )
    return replace(
        report,
        checks=(
            *_checks(report, world, await _their_money(world)),
            reserve_check(world, opening.lowest_soc_pct),
            *water_check(world),
        ),
    )


async def _their_money(world: World) -> int:
    """What the exchange says, over the wire, that it owes the home for these days."""
    exchange = world.gateway.agent.exchange
    rows = await exchange.settlements(world.start, world.end) if exchange else ()
    return sum(row.total_money for row in rows)


def _checks(report: Report, world: World, theirs: int) -> list[Check]:
    t, energy = report.totals, report.statement.energy_wh()
    load = t.load + t.ev
    allowed = BALANCE_SHARE * load
    metered_off = max(abs(energy["import"] - t.grid_import), abs(energy["export"] - t.grid_export))
    quarters = round((report.end - report.start).total_seconds() / 900)
    seen = sum(1 for row in report.statement.rows if row.metered)
    ours = report.statement.market_money
    entries = world.gateway.agent.journal.verify()
    return [
        Check("the home's energy balances", abs(report.balance_error_wh) <= allowed,
              f"off by {abs(report.balance_error_wh):.1f} Wh of {load:.0f} Wh"),
        Check("every quarter-hour is metered", seen == quarters, f"{seen} of {quarters}"),
        Check("the meter's account is what flowed", metered_off <= 2 + 0.0005 * load,
              f"off by {metered_off:.1f} Wh"),
        Check("every tender has an answer", report.unanswered == 0,
              f"{report.unanswered} without"),
        Check("every metered quarter is settled", report.statement.unsettled == 0,
              f"{report.statement.unsettled} open"),
        Check("our account is the exchange's", ours == theirs,
              f"ours {money_text(ours)}, theirs {money_text(theirs)}"),
        Check("all parties' money sums to zero", report.zero_sum_error == 0,
              f"off by {report.zero_sum_error}"),
        Check("the journal's chain is whole", entries > 0, f"{entries} entries"),
    ]  # fmt: skip
