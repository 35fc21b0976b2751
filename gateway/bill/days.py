"""Bills of local days, and of longer spans as their sum: so a year needs no account of a year. Pure.

A day that is over is kept as it was made, at the tariff that held then. What may still change, since a settlement may be corrected
for five weeks, is made anew from the account; what is older stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

import msgspec
from pydantic import ValidationError

from gateway.bill.account import first_of, periods
from gateway.bill.home import Account, Beginning, HomeBill, added
from gateway.config.tariff import Tariff
from gateway.tariff import TariffRules

CORRECTED = timedelta(days=35)  # so long after an interval its settlement may be changed
CONTEXT = timedelta(days=5)  # before a day: where the stay of a car began that it ends with


@dataclass(frozen=True, slots=True)
class DayBill:
    """A day that is over (or its part that was metered) and the tariff of then, as JSON."""

    bill: HomeBill
    tariff: str

    @property
    def start(self) -> datetime:
        return self.bill.bill.start

    @property
    def end(self) -> datetime:
        return self.bill.bill.end

    @property
    def row(self) -> tuple[datetime, str, str]:
        """As the store keeps it."""
        return self.start, self.tariff, msgspec.json.encode(self.bill).decode()


def day_bills(rows: Iterable[tuple[datetime, str, str]]) -> list[DayBill]:
    """As they were kept; what cannot be read is left out."""
    found = []
    for _, tariff, body in rows:
        with suppress(msgspec.DecodeError):  # of which a wrong value is a kind
            found.append(DayBill(msgspec.json.decode(body, type=HomeBill), tariff))
    return found


def tariff_text(rules: TariffRules) -> str:
    """The tariff as it is kept with a day; since when it holds is no part of what it asks."""
    return rules.tariff.model_dump_json(by_alias=True, exclude={"since"})


def rules_of(text: str, now: TariffRules) -> TariffRules:
    """The tariff that was kept, or the present one where it is that, or of a form that is no more."""
    if text == tariff_text(now):
        return now
    try:
        return TariffRules(Tariff.model_validate_json(text), now.zone)
    except ValidationError:
        return now


def made(account: Account, spans: Iterable[tuple[datetime, datetime]]) -> list[DayBill]:
    """The bills of ``spans`` at the account's tariff."""
    text = tariff_text(account.rules)
    return [DayBill(account.of(*span), text) for span in spans]


def again(account: Account, day: DayBill) -> DayBill:
    """The same day from what is known now, at the tariff of then; as it was where less is known of it now."""
    rules = rules_of(day.tariff, account.rules)
    of_then = account if rules is account.rules else account.at(rules)
    bill = of_then.of(day.start, day.end)
    return day if bill.metered < day.bill.metered else DayBill(bill, day.tariff)


def to_make_again(
    days: Sequence[DayBill], known_since: datetime, now: datetime, rules: TariffRules
) -> list[DayBill]:
    """Those that may have been corrected, and that the account (``known_since``) holds with what came before them: a demand
    charge is of its whole month."""
    young = bool(days) and days[0].start >= known_since

    def whole(day: DayBill) -> bool:
        of_month = rules_of(day.tariff, rules).tariff.demand_charge_per_kw > 0
        first = first_of("month", day.start, rules) if of_month else day.start - CONTEXT
        return young or first >= known_since

    return [day for day in days if day.start >= now - CORRECTED and whole(day)]


def outdated(days: Iterable[DayBill], rules: TariffRules) -> list[DayBill]:
    """Those that were billed by another tariff than the one that says that it held then (`tariff.since`)."""
    since = rules.tariff.since
    if since is None:
        return []
    began, text = datetime.combine(since, time.min, rules.zone), tariff_text(rules)
    return [day for day in days if day.start >= began and day.tariff != text]


def better(newer: Iterable[DayBill], older: Iterable[DayBill]) -> list[DayBill]:
    """Of ``newer`` those that bill a day of ``older`` anew, and of which no less is known now."""
    before = {(day.start, day.end): day.bill.metered for day in older}
    return [d for d in newer if d.bill.metered >= before.get((d.start, d.end), d.bill.metered + 1)]


def beginning(days: Iterable[DayBill], since: datetime) -> Beginning:
    """Of an account: what the battery would hold more is of the last day that was over by then."""
    ended = [day.bill.stored_difference_wh for day in days if day.end <= since]
    return Beginning(since, ended[-1] if ended else 0.0)


def between(days: Iterable[DayBill], start: datetime, end: datetime) -> list[HomeBill]:
    """The bills of the days that began in the half-open span and were over by its end."""
    return [day.bill for day in days if start <= day.start and day.end <= end]


@dataclass(frozen=True, slots=True)
class DailyBills:
    """Bills of any span: its kept days as they were kept, and all else from the account."""

    account: Account
    kept: Mapping[tuple[datetime, datetime], HomeBill] = field(default_factory=dict)

    @property
    def rules(self) -> TariffRules:
        return self.account.rules

    def of(self, start: datetime, end: datetime) -> HomeBill:
        """The bill of the half-open span."""
        days = periods(start, end, self.rules, "day")
        return added([self.kept.get(day) or self.account.of(*day) for day in days])
