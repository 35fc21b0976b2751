"""By night: would another way to forecast have earned this home more? The last weeks are replayed beside the agent.

The replays run in a process of their own (`gateway.backtest.trial_process`), once a night at most. What it finds holds over a
restart; a way that no longer earns more is given up the next night. Nothing waits for it and nothing depends on it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from gateway.agent.home_planner import HomePlanner
from gateway.agent.state import StateKeeper
from gateway.agent.status import local_midnight
from gateway.backtest.case import case_of
from gateway.backtest.data import Series
from gateway.backtest.trial import LEAST_DAYS, Trial, Verdict, choose, last_days
from gateway.clock import Clock
from gateway.config.settings import Settings
from gateway.config.tariff import PublishedPrice, RetailPrice, WholesalePrice
from gateway.domain.intervals import iso, parse_utc
from gateway.domain.plan import BatterySpec, Observed
from gateway.domain.price import mwh_price
from gateway.domain.sentences import Sentence, sentence
from gateway.errors import StorageError
from gateway.forecasts.history import Array, Flags, history_of, quarter_start
from gateway.forecasts.variants import BY_NAME, USUAL, Variant
from gateway.planner.outlook import KnownPrices
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore

log = logging.getLogger(__name__)

NAME = "forecast_trial"  # in the store of settings
_SIMULATED_DAYS, _JUDGED_DAYS = 42, 28
_WARM_DAYS = (
    _SIMULATED_DAYS - _JUDGED_DAYS
)  # that the forecasts learn from before anything is judged
_AT = timedelta(hours=2, minutes=20)  # local: the house sleeps, and no price is published then
_NIGHT = timedelta(hours=3)
_DAY = 96
_WHOLE = 0.95  # of a day's quarter-hours, known, and it is judged
_LONGEST_S = 3 * 3600.0
_ANY_PRICE = 40.0  # per MWh, of a market that no tariff follows

_NONSENSE = (ValueError, LookupError, TypeError, ArithmeticError)

Material = Callable[[datetime], tuple[Sequence[Observed], KnownPrices, BatterySpec | None]]


@dataclass(frozen=True, slots=True)
class Choice:
    """How is forecast, by `Variant.name`, since when, and what that would have earned more a day than the usual way, over
    ``days``; ``tried`` is when it was last asked."""

    variant: str = USUAL.name
    since: str = ""
    gain: float = 0.0
    days: int = 0
    tried: str = ""

    @property
    def note(self) -> Sentence | None:
        """For people; None while the forecasts are the usual ones."""
        if self.variant == USUAL.name:
            return None
        return sentence(
            "other_forecasts",
            day=self.since[:10],
            what=BY_NAME[self.variant].words,
            money=f"{self.gain:.2f}",
            count=str(self.days),
        )


class ForecastTrial:
    """Runs the trial each night. ``material`` gives the past, the prices and the battery; ``adopt`` takes the variant that
    is forecast with from now on, and the sentence for people."""

    def __init__(
        self,
        settings: Settings,
        store: SettingsStore,
        clock: Clock,
        material: Material,
        adopt: Callable[[Variant, Sentence | None], object],
    ) -> None:
        self._settings, self._store, self._clock = settings, store, clock
        self._material, self._adopt = material, adopt
        self.choice = _stored(store) if settings.planner.trials else Choice()
        self._use()
        if self.choice.note:
            log.info("%s", self.choice.note)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._clock.sleep_until(self._due(self._clock.now()))
            try:
                await self.tonight()
            except (StorageError, *_NONSENSE) as error:  # a past that no replay can be made of
                log.warning("the trial of forecasts failed (%s); they stay as they are", error)

    def _due(self, now: datetime) -> datetime:
        """The next night's hour, or now, where this night's was missed by little."""
        zone = self._settings.site.time_zone
        due = local_midnight(now, zone) + _AT
        tried = parse_utc(self.choice.tried) if self.choice.tried else None
        if now < due:
            return due
        if now < due + _NIGHT and (tried is None or tried < due):
            return now
        return local_midnight(due + timedelta(days=1), zone) + _AT

    async def tonight(self) -> None:
        """One trial, and what follows from it."""
        now = self._clock.now()
        self._keep(replace(self.choice, tried=iso(now)))  # whatever comes of it, once a night
        trial = trial_of(self._settings, now, *self._material(now))
        if isinstance(trial, str):
            log.debug("forecasts are not tried: %s", trial)
        else:
            self._keep(self._chosen(self.choice, await _money(trial)))
        self._use()

    def _keep(self, choice: Choice) -> None:
        self.choice = choice
        with suppress(StorageError):  # then it is asked again after a restart, no more
            self._store.setting(NAME, json.dumps(asdict(choice)))

    def _use(self) -> None:
        self._adopt(BY_NAME[self.choice.variant], self.choice.note)

    def _chosen(self, former: Choice, money: Mapping[str, Mapping[date, float]] | None) -> Choice:
        if money is None:
            return former
        name, verdict = choose(former.variant, money)
        since = former.since if name == former.variant else former.tried
        made = replace(former, variant=name, since=since, gain=verdict.gain, days=verdict.days)
        _say(former, made, verdict)
        return made


def material(
    planner: HomePlanner, journal: Journal, keeper: StateKeeper, now: datetime
) -> tuple[Sequence[Observed], KnownPrices, BatterySpec | None]:
    """What the home knows of its last weeks. Feeds keep a fortnight of prices, the account more than a month."""
    observed, known = planner.known_past(now)

    def paid(side: str) -> dict[datetime, float]:
        rows = journal.book.retail.items()
        return {t: mwh_price(Decimal(r[side])) for t, r in rows if side in r}

    market = paid("market_per_kwh")
    seen = [
        o if o.rt_price is not None else replace(o, rt_price=market.get(o.interval.start))
        for o in observed
    ]
    prices = replace(
        known,
        published_import=paid("import_per_kwh") | dict(known.published_import),
        published_export=paid("export_per_kwh") | dict(known.published_export),
    )
    return seen, prices, keeper.state.battery()


def _say(former: Choice, now: Choice, verdict: Verdict) -> None:
    if now.variant == former.variant:
        return
    if now.variant == USUAL.name:
        words = BY_NAME[former.variant].words
        log.info("%s, no longer earns more: the usual forecasts are used again", words)
    else:
        log.info("%s (at least %.2f in all likelihood)", now.note, verdict.low)


def trial_of(
    settings: Settings,
    now: datetime,
    observed: Sequence[Observed],
    prices: KnownPrices,
    battery: BatterySpec | None,
) -> Trial | str:
    """The home's last weeks up to last midnight, or why they are no basis."""
    if battery is None:
        return "there is no battery that is planned"
    if not settings.tariff.says_import:
        return "what import costs is not stated"
    case = case_of(settings)
    midnight = local_midnight(now, settings.site.time_zone)
    past = history_of(observed, prices.day_ahead, midnight, timedelta(days=_SIMULATED_DAYS))
    if len(past) < (_WARM_DAYS + LEAST_DAYS) * _DAY:
        return f"only {len(past) / _DAY:.0f} days are known"
    market = _market(settings, past.first, (past.rt, past.da), prices)
    if isinstance(market, str):
        return market
    real, ahead = market
    known = ~(np.isnan(past.load) | np.isnan(past.pv) | np.isnan(real))
    learning = _WARM_DAYS * _DAY  # nothing is judged while a forecast has no past yet
    judged = _whole_days(known[learning:], past.first + learning, case.zone)
    judged &= last_days(now.astimezone(case.zone).date(), _JUDGED_DAYS)
    if len(judged) < LEAST_DAYS:
        return f"only {len(judged)} of the last {_JUDGED_DAYS} days are known whole"
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


async def _money(trial: Trial) -> dict[str, dict[date, float]] | None:
    """What each variant earned by day; None where the process did not say."""
    try:
        return await _replays(trial)
    except TimeoutError:
        log.warning("the trial of forecasts took too long; they stay as they are")
    except (OSError, *_NONSENSE) as error:
        log.warning("the trial of forecasts failed (%s); they stay as they are", error)
    return None


async def _replays(trial: Trial) -> dict[str, dict[date, float]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.backtest.trial_process",
        str(os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        async with asyncio.timeout(_LONGEST_S):
            said, complaint = await process.communicate(pickle.dumps(trial))
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        last = complaint.decode(errors="replace").strip().splitlines()[-1:]
        raise ValueError(last[0] if last else f"it ended with code {process.returncode}")
    rows: dict[str, dict[str, float]] = json.loads(said)
    return {
        name: {date.fromisoformat(day): money for day, money in days.items()}
        for name, days in rows.items()
    }


def _stored(store: SettingsStore) -> Choice:
    try:
        text = store.setting(NAME)
        choice = Choice() if text is None else Choice(**json.loads(text))
        if choice.tried:
            parse_utc(choice.tried)
    except (StorageError, ValueError, TypeError):
        return Choice()
    return choice if choice.variant in BY_NAME else Choice()
