"""What the nightly trial replays: the home's last weeks, read from its files, or why they are no basis.

Only the trial's own process makes it (`gateway.agent.trial_process`): what it takes of memory is gone with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from gateway.agent.prices import known_prices, real_time
from gateway.agent.status import local_midnight
from gateway.agent.trial_question import Question, Weeks
from gateway.backtest.case import case_of
from gateway.backtest.data import Series
from gateway.backtest.trial import Trial, last_days
from gateway.config.settings import Settings
from gateway.config.tariff import PublishedPrice, RetailPrice, WholesalePrice
from gateway.domain.plan import BatterySpec, Observed
from gateway.domain.price import mwh_price
from gateway.forecasts.history import Array, Flags, history_of, quarter_start
from gateway.planner.outlook import KnownPrices
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.tariff import TariffRules

_DAY = 96
_WHOLE = 0.95  # of a day's quarter-hours, known, and it is judged
_ANY_PRICE = 40.0  # per MWh, of a market that no tariff follows


def trial_for(question: Question) -> Trial | str:
    """The trial that is asked for, or why there is none. Raises StorageError or JournalBroken where a file cannot be read."""
    observed, prices = known_past(question)
    settings, now = question.settings, question.now
    return trial_of(settings, now, observed, prices, question.battery, question.weeks)


def known_past(question: Question) -> tuple[Sequence[Observed], KnownPrices]:
    """What the home knows of its last weeks. Feeds keep a fortnight of prices, the account more than a month."""
    now, settings = question.now, question.settings
    since = now - timedelta(days=question.weeks.simulated + 1)
    with closing(History(question.history, read_only=True)) as history:
        quarters = history.quarters(since)
    with closing(Journal(question.journal, read_only=True)) as journal:
        retail = dict(journal.book.retail.items())

    def paid(side: str) -> dict[datetime, float]:
        return {t: mwh_price(Decimal(r[side])) for t, r in retail.items() if side in r}

    rules = TariffRules(settings.tariff, ZoneInfo(settings.site.time_zone))
    known = known_prices(rules, question.feeds, question.posted, now)
    final, market = (
        real_time(settings.tariff, question.feeds, question.posted),
        paid("market_per_kwh"),
    )

    def priced(row: Observed) -> Observed:
        price = final.get(row.interval.start, row.rt_price)
        return replace(row, rt_price=market.get(row.interval.start) if price is None else price)

    prices = replace(
        known,
        published_import=paid("import_per_kwh") | dict(known.published_import),
        published_export=paid("export_per_kwh") | dict(known.published_export),
    )
    return [priced(row) for row in quarters], prices


def trial_of(
    settings: Settings,
    now: datetime,
    observed: Sequence[Observed],
    prices: KnownPrices,
    battery: BatterySpec,
    weeks: Weeks,
) -> Trial | str:
    """The home's last weeks up to last midnight, or why they are no basis."""
    case = case_of(settings)
    midnight = local_midnight(now, settings.site.time_zone)
    past = history_of(observed, prices.day_ahead, midnight, timedelta(days=weeks.simulated))
    if len(past) < (weeks.learnt_from + weeks.least) * _DAY:
        return f"only {len(past) / _DAY:.0f} days are known"
    market = _market(settings, past.first, (past.rt, past.da), prices)
    if isinstance(market, str):
        return market
    real, ahead = market
    known = ~(np.isnan(past.load) | np.isnan(past.pv) | np.isnan(real))
    learning = weeks.learnt_from * _DAY  # nothing is judged while a forecast has no past yet
    judged = _whole_days(known[learning:], past.first + learning, case.zone)
    judged &= last_days(now.astimezone(case.zone).date(), weeks.judged)
    if len(judged) < weeks.least:
        return f"only {len(judged)} of the last {weeks.judged} days are known whole"
    load, pv, real = (_filled(x) for x in (past.load, past.pv, real))
    series = Series(past.first, load, pv, real, ahead)
    start = min(max(battery.capacity_wh / 2, battery.reserve_wh), battery.capacity_wh)
    return Trial(series, replace(case, battery=battery, start_wh=start), frozenset(judged))


def _market(
    settings: Settings, first: int, seen: tuple[Array, Array], prices: KnownPrices
) -> tuple[Array, Array] | str:
    """Real-time and day-ahead prices that those of the tariff follow: the market's, or what the retailer published
    (which `case_of` takes for the market's)."""
    sides = settings.tariff.import_price, settings.tariff.export_price
    told = (prices.published_import, prices.published_export)
    published = [rows for side, rows in zip(sides, told, strict=True) if _is(side, PublishedPrice)]
    if published and any(_is(side, WholesalePrice) for side in sides):
        return "one price is published and the other follows the market"
    if any(rows != published[0] for rows in published):
        return "two prices are published"
    if published:
        rows = [published[0].get(quarter_start(first + i), np.nan) for i in range(seen[0].size)]
        return np.array(rows), np.array(rows)
    if any(_is(side, WholesalePrice) for side in sides):
        return seen
    even = np.full(seen[0].size, _ANY_PRICE)
    return even, even


def _is(price: RetailPrice, kind: type[RetailPrice]) -> bool:
    return isinstance(price, kind)


def _whole_days(known: Flags, first: int, zone: ZoneInfo) -> set[date]:
    """The local days of which nearly all is known."""
    days = [quarter_start(first + i).astimezone(zone).date() for i in range(known.size)]
    counts: dict[date, int] = {}
    for day, good in zip(days, known.tolist(), strict=True):
        counts[day] = counts.get(day, 0) + good
    return {day for day, count in counts.items() if count >= _WHOLE * _DAY}


def _filled(series: Array) -> Array:
    """What is not known as at the same time on the day before, else as usual: such days are not judged."""
    made = series.copy()
    usual = float(np.nanmean(made)) if (~np.isnan(made)).any() else _ANY_PRICE
    for i in np.flatnonzero(np.isnan(made)).tolist():
        made[i] = made[i - _DAY] if i >= _DAY else usual
    return made
