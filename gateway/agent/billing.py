"""The retailer's bill of today, this month and this year, made anew when a quarter-hour has been metered."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from threading import Event
from typing import Protocol

from gateway.agent.older_bills import older_days
from gateway.agent.state import StateKeeper
from gateway.agent.status import local_midnight
from gateway.bill.account import first_of, periods
from gateway.bill.days import (
    CONTEXT,
    DayBill,
    again,
    beginning,
    better,
    between,
    day_bills,
    made,
    outdated,
    to_make_again,
)
from gateway.bill.home import Account, Bills, Equipment, Shares, account_from, added
from gateway.config.settings import Settings
from gateway.domain.intervals import floor_to
from gateway.domain.plan import BatterySpec
from gateway.errors import JournalBroken, StorageError
from gateway.store.book import KEPT
from gateway.store.energies import Energies, read_energies, self_sufficiency_pct, total
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.tariff import TariffRules

log = logging.getLogger(__name__)

BATTERY = "bill.battery"  # in the settings' store: what a command compares with beside the daemon
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# What a journal of long ago may hold that no bill can be made of: the present does not end for it.
_UNFIT = (StorageError, JournalBroken, ValueError, LookupError, TypeError, ArithmeticError)


class SettingStore(Protocol):
    """Small durable values by name."""

    def setting(self, name: str, value: str | None = None) -> str | None:
        """The stored value; given ``value`` it is stored first. Raises StorageError."""


class Billing:
    """Makes them from the journal's own book, which holds forty days, and the days before, which are kept; puts them into the state."""

    def __init__(
        self, keeper: StateKeeper, journal: Journal, history: History, store: SettingStore
    ) -> None:
        self._keeper, self._journal = keeper, journal
        self._history, self._store = history, store
        self._write = keeper.writer("bills")
        self._made_of: object = None
        self._battery: BatterySpec | None = None
        self._days = day_bills(history.billed())
        self._older_until = None if self._days else _known_whole(journal, self._rules)
        self._outdated = outdated(self._days, self._rules)
        self._checked: datetime | None = None  # in which hour
        self._to_check: list[DayBill] = []
        self._account: Account | None = None  # of those
        self._corrected: list[DayBill] = []
        self._before: tuple[datetime, Energies, Energies] | None = None

    @property
    def _rules(self) -> TariffRules:
        return self._keeper.state.rules.tariff

    def update(self, now: datetime) -> None:
        """Called with every report; makes new bills where something has been counted or priced since."""
        book, settings = self._journal.book, self._keeper.state.settings
        self._remember(self._keeper.state.battery())
        if not book.metered:
            return
        midnight = local_midnight(now, settings.site.time_zone)
        known = len(book.metered), book.counted, len(book.retail), len(book.settlements)
        if self._made_of != (known, midnight):
            self._made_of = (known, midnight)
            self._close_days(midnight)
            self._write(self._make(midnight, now))
        elif self._check_a_day(midnight, now):
            self._write(self._make(midnight, now))

    async def count_older(self) -> None:
        """From the journal, once: the days of before days were kept, and those that the tariff says it held for already; beside
        all else, for a year takes seconds."""
        before, stop = self._outdated, Event()
        until = before[-1].end if before else self._older_until
        if until is None:
            return
        paths = self._journal.path, self._history.path
        try:
            days = await asyncio.to_thread(older_days, paths, self._rules, self._home, until, stop)
            self._keep(better(days, before) if before else days)
            if before:
                log.info(
                    "days of the bill since %s: billed anew by the tariff as it stands (tariff.since)",
                    self._rules.tariff.since,
                )
        except _UNFIT as error:
            log.warning(
                "the days before %s are not billed from the journal: %s", until.date(), error
            )
        finally:
            stop.set()
        self._made_of = None

    @property
    def _home(self) -> Equipment:
        settings = self._keeper.state.settings
        battery = self._battery or stored_battery(self._store)
        return Equipment(battery, car_power_w(settings), settings.heaters)

    def _make(self, midnight: datetime, now: datetime) -> Bills:
        """Today's from the account, longer ones with the days that are over."""
        year, month = (first_of(by, midnight, self._rules) for by in ("year", "month"))
        begin = max(midnight, min(self._journal.book.metered))
        today = self._account_from(self._before_day(midnight), now).of(begin, max(begin, now))
        return Bills(
            today,
            added([*between(self._days, month, midnight), today]),
            added([*between(self._days, year, midnight), today]),
            self._shares((year, month, midnight, now)),
        )

    def _close_days(self, midnight: datetime) -> None:
        """Make those that are over since the last one."""
        kept = [day.end for day in self._days if day.end <= midnight]
        begin = max(kept, default=self._older_until or min(self._journal.book.metered))
        if begin < midnight:
            spans = periods(begin, midnight, self._rules, "day")
            self._keep(made(self._account_from(self._before_day(begin), midnight), spans))

    def _check_a_day(self, midnight: datetime, now: datetime) -> bool:
        """Make one of those anew that may have been corrected: one a report, all of them each hour. Whether any has changed, at the end."""
        if not self._to_check:
            hour, known_since = floor_to(now, _HOUR), min(self._journal.book.metered)
            if self._checked == hour:
                return False
            self._checked = hour
            self._to_check = to_make_again(self._days, known_since, midnight, self._rules)
            if not self._to_check:
                return False
            self._account = self._account_from(known_since, now)
        day = self._to_check.pop(0)
        if self._account is not None and (newer := again(self._account, day)) != day:
            self._corrected.append(newer)
        if self._to_check:
            return False
        corrected, self._corrected, self._account = self._corrected, [], None
        self._keep(corrected)
        return bool(corrected)

    def _keep(self, days: Sequence[DayBill]) -> None:
        """In the file, and here: each in the place of the one that began with it."""
        if not days:
            return
        self._history.keep_billed(day.row for day in days)
        by_start = {day.start: day for day in (*self._days, *days)}
        self._days = [by_start[start] for start in sorted(by_start)]

    def _before_day(self, day: datetime) -> datetime:
        """From where on an account has to be made for the bill of a day: a demand charge is of its month."""
        of_month = bool(self._rules.tariff.demand_charge_per_kw)
        since = day - CONTEXT
        return min(since, first_of("month", day, self._rules)) if of_month else since

    def _account_from(self, since: datetime, now: datetime) -> Account:
        flows, begin = self._history.each_flow(since, now), beginning(self._days, since)
        return account_from(begin, self._journal.book, self._rules, flows, self._home)

    def _shares(self, bounds: tuple[datetime, datetime, datetime, datetime]) -> Shares:
        """Of today, the month and the year; what was before today is added up once a day."""
        *_, midnight, now = bounds
        self._history.flush()
        path = self._history.path
        if self._before is None or self._before[0] != midnight:
            year, month = read_energies(path, bounds[:3])
            self._before = midnight, month, total([year, month])
        (today,) = read_energies(path, (midnight, now))
        _, month, year = self._before
        return Shares(
            *(
                self_sufficiency_pct(total(parts))
                for parts in ([today], [month, today], [year, today])
            )
        )

    def _remember(self, battery: BatterySpec | None) -> None:
        if battery is None or battery == self._battery:
            return
        self._battery = battery
        try:
            self._store.setting(BATTERY, json.dumps(asdict(battery)))
        except StorageError:
            return  # only a command beside us would miss it


def _known_whole(journal: Journal, rules: TariffRules) -> datetime | None:
    """When the first local month began that the account in memory holds whole, where the journal goes further back."""
    book, first = journal.book, next(journal.entries(), None)
    if not book.metered or first is None or first.time > min(book.metered) - _DAY:
        return None
    begun = min(book.metered)
    return next(end for _, end in periods(begun, begun + 2 * KEPT, rules, "month"))


def stored_battery(store: SettingStore) -> BatterySpec | None:
    """What the daemon knew of the battery last."""
    try:
        raw = json.loads(store.setting(BATTERY) or "null")
        if raw is None:
            return None
        raw["charge_curve"] = tuple(map(tuple, raw["charge_curve"]))
        raw["discharge_curve"] = tuple(map(tuple, raw["discharge_curve"]))
        return BatterySpec(**raw)
    except (StorageError, ValueError, TypeError, LookupError):
        return None


def car_power_w(settings: Settings) -> float:
    """What a car takes at most."""
    car = settings.car
    return car.phases * car.volts * car.max_current_a
