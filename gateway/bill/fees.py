"""What a tariff charges whatever is bought: standing charges and the demand charge. Exact, taxed; money to the home, so <= 0."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Protocol
from zoneinfo import ZoneInfo

from gateway.config.tariff import Tariff
from gateway.domain.intervals import Interval
from gateway.domain.trade import MONEY_PER_UNIT

_SECOND = timedelta(seconds=1)


class Imported(Protocol):
    """What was bought in one interval."""

    @property
    def interval(self) -> Interval: ...

    @property
    def import_wh(self) -> int: ...


def fees_money(tariff: Tariff, zone: ZoneInfo, start: datetime, end: datetime) -> int:
    """The share of the standing charges that falls into the span."""
    night = tariff.flat_night.monthly_fee if tariff.flat_night else Decimal(0)
    monthly, daily = Fraction(tariff.monthly_fee + night), Fraction(tariff.daily_fee)
    months = _shares(start, end, zone, _month_after) if monthly else Fraction(0)
    days = _shares(start, end, zone, _day_after) if daily else Fraction(0)
    due = (monthly * months + daily * days) * _taxed(tariff)
    return -round(due * MONEY_PER_UNIT)


def _shares(start: datetime, end: datetime, zone: ZoneInfo, after: Step) -> Fraction:
    """How many local months or days the span has, in exact parts of each."""
    here = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = here.replace(day=1) if after is _month_after else here
    total = Fraction(0)
    while begin.astimezone(UTC) < end:
        following = after(begin)
        # differences are taken in UTC: in one zone they would ignore the clock change
        first, last = begin.astimezone(UTC), following.astimezone(UTC)
        overlap = min(last, end) - max(first, start)
        total += Fraction(overlap // _SECOND, (last - first) // _SECOND)
        begin = following
    return total


class Step(Protocol):
    """From one local midnight to a later one."""

    def __call__(self, begin: datetime) -> datetime: ...


def _month_after(begin: datetime) -> datetime:
    return begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)


def _day_after(begin: datetime) -> datetime:
    return begin + timedelta(days=1)  # on the wall clock: 23 or 25 hours where the clock changes


def demand_money(tariff: Tariff, zone: ZoneInfo, bought: Iterable[Imported]) -> int:
    """The demand charge of every local month: its highest mean import of an interval, kW."""
    if not tariff.demand_charge_per_kw:
        return 0
    peaks: dict[tuple[int, int], tuple[float, Imported]] = {}
    for quantity in bought:
        local = quantity.interval.start.astimezone(zone)
        month, power_w = (local.year, local.month), quantity.import_wh / quantity.interval.hours
        if month not in peaks or power_w > peaks[month][0]:
            peaks[month] = power_w, quantity
    due = (
        sum((_kw(highest) for _, highest in peaks.values()), Fraction(0))
        * Fraction(tariff.demand_charge_per_kw)
        * _taxed(tariff)
    )
    return -round(due * MONEY_PER_UNIT)


def _kw(quantity: Imported) -> Fraction:
    """Its mean power, exact."""
    return Fraction(quantity.import_wh, 1000) * 3600 / Fraction(quantity.interval.seconds)


def _taxed(tariff: Tariff) -> Fraction:
    return Fraction(1 + tariff.tax_pct / 100)
