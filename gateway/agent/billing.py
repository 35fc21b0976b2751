"""The retailer's bill of today and of this month, made anew when a quarter-hour has been metered."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Protocol

from gateway.agent.state import StateKeeper
from gateway.agent.status import local_midnight
from gateway.bill.home import Bills, HomeBill, account
from gateway.config.settings import Settings
from gateway.domain.intervals import floor_to
from gateway.domain.plan import BatterySpec
from gateway.errors import StorageError
from gateway.store.history import History
from gateway.store.journal import Journal

BATTERY = "bill.battery"  # in the settings' store: what a command compares with beside the daemon


class SettingStore(Protocol):
    """Small durable values by name."""

    def setting(self, name: str, value: str | None = None) -> str | None:
        """The stored value; given ``value`` it is stored first. Raises StorageError."""


class Billing:
    """Makes them from the journal's own book, which holds more than a month, and puts them into the state."""

    def __init__(
        self, keeper: StateKeeper, journal: Journal, history: History, store: SettingStore
    ) -> None:
        self._keeper, self._journal = keeper, journal
        self._history, self._store = history, store
        self._write = keeper.writer("bills")
        self._made_of: object = None
        self._month: HomeBill | None = None
        self._month_of: object = None
        self._battery: BatterySpec | None = None
        self._heaters = keeper.state.settings.heaters

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
            self._write(self._make(midnight, now))

    def _make(self, midnight: datetime, now: datetime) -> Bills:
        """Today's with every quarter-hour; the month's, which is much more work, with every hour."""
        rules, settings = self._keeper.state.rules.tariff, self._keeper.state.settings
        first = midnight.astimezone(rules.zone).replace(day=1).astimezone(midnight.tzinfo)
        month, hour = self._month, floor_to(now, timedelta(hours=1))
        flows = self._history.each_flow(first, now)
        book, power_w = self._journal.book, car_power_w(settings)
        found = account(book, rules, flows, self._battery, power_w, self._heaters)
        if month is None or self._month_of != (first, hour):
            self._month_of, month = (first, hour), found.of(first, now)
            self._month = month
        return Bills(found.of(midnight, now), month)

    def _remember(self, battery: BatterySpec | None) -> None:
        if battery is None or battery == self._battery:
            return
        self._battery = battery
        try:
            self._store.setting(BATTERY, json.dumps(asdict(battery)))
        except StorageError:
            return  # only a command beside us would miss it


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
