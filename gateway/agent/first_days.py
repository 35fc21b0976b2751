"""The first days in a new home: what the plan would have done is only reckoned, until that record earns.

A planner that knows neither the house nor its sun may do worse than the inverter alone. So two batteries are
reckoned beside the real one, from the same start and over the same quarter-hours as they came: one by the values
of the plans that were made, one by the inverter's own rule. Nothing is steered by price and nothing is offered
until the first has not done worse than the second over some days. For four weeks more both are reckoned on from
where the plan began to steer; if it then falls behind by more than a fiftieth, the inverter works alone again and a new
record begins. What would have been earned at an exchange is not counted: the record is rather too strict.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from gateway.agent.state import GatewayState
from gateway.bill.otherwise import own_rule
from gateway.domain.intervals import Interval
from gateway.domain.plan import BatterySpec, Observed, ValueCurve
from gateway.errors import StorageError
from gateway.planner.dispatch import (
    DispatchInterval,
    ValueIntegral,
    after_interval,
    best_discharge,
)
from gateway.store.settings import SettingsStore

log = logging.getLogger(__name__)

_DAY_QUARTERS = 96
LEAST_QUARTERS = 3 * _DAY_QUARTERS  # of a record by which anything can be judged
WATCHED_QUARTERS = 28 * 96  # after the plan began to steer
_MOST_BEHIND = 0.02  # of what the inverter alone would have cost or earned in that time,
_DAY_PART = 0.1  # and so much of a usual day's money, for a day's course alone says little
NAME = "first_days"  # in the store of settings
_COMPARED = "first days: the plan is compared with the inverter alone before it steers"


@dataclass(frozen=True, slots=True)
class Record:
    """Two reckoned batteries: stored Wh, and money to the home in currency units, over ``quarters``.

    ``live``: the plan steers; while it is ``watched`` the record is of the time since, and ``usual`` the money of a day
    of the inverter alone in the record before.
    """

    planned_wh: float
    alone_wh: float
    planned: float = 0.0
    alone: float = 0.0
    quarters: int = 0
    live: bool = False
    watched: bool = False
    usual: float = 0.0

    def gain(self, value_per_mwh: float) -> float:
        """What the plan earned more than the inverter alone, with what it holds more at that value."""
        return self.planned - self.alone + (self.planned_wh - self.alone_wh) * value_per_mwh / 1e6

    def judged(self, value_per_mwh: float, stored_wh: float) -> Record:
        """The record after its verdict: the plan may steer, must no longer, or need not be watched any more.

        What begins anew begins from what is really stored.
        """
        gain = self.gain(value_per_mwh)
        if not self.live and self.quarters >= LEAST_QUARTERS and gain >= 0:
            usual = abs(self.alone) * _DAY_QUARTERS / self.quarters
            return Record(stored_wh, stored_wh, live=True, watched=True, usual=usual)
        if self.watched and gain < -(_MOST_BEHIND * abs(self.alone) + _DAY_PART * self.usual):
            return Record(stored_wh, stored_wh)
        if self.watched and self.quarters >= WATCHED_QUARTERS:
            return replace(self, watched=False)
        return self


@dataclass(frozen=True, slots=True)
class QuarterPrices:
    """What a MWh cost and earned; ``curve`` is what stored energy was worth by the plan of that time."""

    bought: float
    sold: float
    curve: ValueCurve


def counted(
    record: Record, net_wh: float, prices: QuarterPrices, hours: float, spec: BatterySpec
) -> Record:
    """The record after one more quarter-hour; ``net_wh`` is load less sun."""
    step = DispatchInterval(hours, net_wh, prices.bought, prices.sold)
    integral = ValueIntegral.of_curve(prices.curve)
    planned_wh = best_discharge(integral, record.planned_wh, step, spec)
    alone_wh = own_rule(net_wh, record.alone_wh, hours, spec)
    return replace(
        record,
        planned_wh=after_interval(record.planned_wh, planned_wh, hours, spec),
        alone_wh=after_interval(record.alone_wh, alone_wh, hours, spec),
        planned=record.planned + _money(net_wh, planned_wh, prices, spec),
        alone=record.alone + _money(net_wh, alone_wh, prices, spec),
        quarters=record.quarters + 1,
    )


def _money(net_wh: float, given_wh: float, prices: QuarterPrices, spec: BatterySpec) -> float:
    grid_wh = net_wh - given_wh
    paid = grid_wh * (prices.bought if grid_wh > 0 else prices.sold)
    return -(paid + spec.wear_per_mwh * max(given_wh, 0.0)) / 1e6


class FirstDays:
    """Call `quarter` with each quarter-hour that has ended. ``write`` tells the state whether it is shadow."""

    def __init__(
        self,
        store: SettingsStore,
        write: Callable[[bool], None],
        *,
        shadow: bool,
        begun: bool,
        lived: Callable[[datetime], bool],
    ) -> None:
        """Without ``shadow`` the plan steers at once. A home that has lived with us before is not put into the shadow
        afterwards: ``begun`` says whether there is any past, ``lived`` whether some of it is not long before a time. That
        is asked with the first quarter-hour, for then the clock is believed."""
        self._store, self._write, self._lived = store, write, lived
        self._curve: ValueCurve | None = None
        self.record = self._stored()
        known = begun if self.record is None else self.record.live
        self._unasked = shadow and known and self.record is None
        self._live = known or not shadow
        self._over = self._live and not (shadow and self.record is not None and self.record.watched)
        self._write(not self._live)
        if not self._live:
            log.info(_COMPARED)

    def _ask(self, now: datetime) -> None:
        self._unasked = False
        if not self._lived(now):
            self._live = self._over = False
            self._write(True)
            log.info(_COMPARED)

    def quarter(self, state: GatewayState, seen: Observed, cleared: float | None) -> None:
        """Count one that has ended; its plan was known when it began."""
        if self._unasked:
            self._ask(seen.interval.start)
        curve, self._curve = self._curve, state.value(seen.interval.end)
        if self._over:
            return
        spec, stored_wh = state.battery(), state.stored_wh()
        prices = self._prices(state, seen.interval, cleared, curve)
        if spec is None or stored_wh is None or prices is None:
            return
        if seen.load_wh is None or seen.pv_wh is None:
            return
        record = self.record or Record(stored_wh, stored_wh)
        net_wh = seen.load_wh - seen.pv_wh
        record = counted(record, net_wh, prices, seen.interval.hours, spec)
        worth = prices.curve.at((record.planned_wh + record.alone_wh) / 2)
        judged = record.judged(worth, stored_wh)
        if judged.live != self._live:
            self._live = judged.live
            self._write(not judged.live)
            self._say(record, worth)
        self._over = judged.live and not judged.watched
        self.record = record = judged
        with suppress(StorageError):  # then the record begins anew after a restart, no more
            self._store.setting(NAME, json.dumps(asdict(record)))

    def _say(self, record: Record, worth: float) -> None:
        days, gain = record.quarters / _DAY_QUARTERS, record.gain(worth)
        if self._live:
            log.info(
                "first days: over %.1f days the plan would have earned %.2f more than the inverter alone; "
                "it steers from now on",
                days,
                gain,
            )
            return
        log.warning(
            "first weeks: over %.1f days the plan earned %.2f less than the inverter alone would have; "
            "the inverter works alone again until the plan's record earns",
            days,
            -gain,
        )

    @staticmethod
    def _prices(
        state: GatewayState, interval: Interval, cleared: float | None, curve: ValueCurve | None
    ) -> QuarterPrices | None:
        bought, sold = state.quotes(interval, cleared)
        if bought is None or sold is None or curve is None:
            return None
        if bought.source.assumed or sold.source.assumed:
            return None  # nothing is judged by a price that nobody published
        return QuarterPrices(bought.per_mwh, sold.per_mwh, curve)

    def _stored(self) -> Record | None:
        try:
            text = self._store.setting(NAME)
            return None if text is None else Record(**json.loads(text))
        except (StorageError, ValueError, TypeError):
            return None
