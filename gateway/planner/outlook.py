"""Builds the outlook: all that a strategy may know at ``now``, from the past and what is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from gateway.domain.intervals import Interval, floor_quarter
from gateway.domain.plan import BatterySpec, CarNeed, HeatNeed, Observed, Outlook
from gateway.domain.price import PriceSource
from gateway.forecasts.history import DAY, Array, History, history_of, quarter_at, quarter_index
from gateway.forecasts.load_pv import EnergyForecaster
from gateway.forecasts.prices import PriceForecaster, PriceOutlook
from gateway.forecasts.published import PublishedOutlook, published_outlook
from gateway.forecasts.weather import Temperatures
from gateway.planner.horizon import Horizon, PriceTable
from gateway.tariff import TariffRules, Terms

# Control keeps a limit to its deadband; charging exactly up to the month's peak would creep above it.
_BELOW_PEAK = 0.95
_SOME_CAUTION = 0.5
_TRIED = 3 * DAY  # quarter-hours of load: from then on the forecasts' errors are known
_SEEN = 7 * DAY  # ... and what the house may draw at most
AnnouncedLimits = Callable[[Interval], tuple[float, float]]
USUAL_IMPORT, USUAL_EXPORT = 200.0, 50.0  # per MWh, of a household anywhere


@dataclass(frozen=True, slots=True)
class KnownPrices:
    """Published prices by interval start, per MWh; nothing in here may be of an unknown future.

    ``day_ahead`` holds past days too: its errors teach the price forecast. ``published_import`` and
    ``published_export`` are the retailer's prices for tariffs of kind 'published'. ``cleared`` may hold
    the market price of the present interval, once its auction is over. ``forecast_import`` and ``forecast_export``
    are what the publisher of those prices expects of hours to come, no prices yet. ``usual_import`` and ``usual_export``
    stand in for a published price where nothing was ever published.
    """

    day_ahead: Mapping[datetime, float] = field(default_factory=dict)
    published_import: Mapping[datetime, float] = field(default_factory=dict)
    published_export: Mapping[datetime, float] = field(default_factory=dict)
    cleared: Mapping[datetime, float] = field(default_factory=dict)
    forecast_import: Mapping[datetime, float] = field(default_factory=dict)
    forecast_export: Mapping[datetime, float] = field(default_factory=dict)
    usual_import: float = USUAL_IMPORT
    usual_export: float = USUAL_EXPORT


@dataclass(frozen=True, slots=True)
class Home:
    """What the home can do now. Wh and W as in `Outlook`."""

    battery: BatterySpec | None
    stored_wh: float = 0.0
    resellable_wh: float = 0.0
    cars: tuple[CarNeed, ...] = ()
    export_limit_w: float | None = None
    import_limit_w: float | None = None
    grid_energy_stays: bool = False  # what was bought from the grid is never sold again
    month_peak_w: float = 0.0  # highest quarter-hour import of this local month, for demand charges
    car_from_battery: bool = False  # the owner lets the battery feed a car
    heaters: tuple[HeatNeed, ...] = ()
    announced: AnnouncedLimits | None = None  # most W of export and import in an interval to come


@dataclass(frozen=True, slots=True)
class Options:
    """How far and how cautiously to plan.

    ``forecaster`` is the home's own, which learns once a day, and ``prices`` the market's; new ones for each outlook
    say the same.
    ``temperatures`` are those outside, where somebody tells them.
    """

    horizon_h: float = 36.0
    lot_wh: int = 10
    quantity_quantile: float = 0.05
    offer_intervals: int = 5
    trading: bool = False  # an exchange takes the offers; else market prices only set the tariff's
    careful: bool = False  # in a home of which less than three days are known (`planner.careful`)
    forecaster: EnergyForecaster | None = None
    prices: PriceForecaster | None = None
    temperatures: Temperatures | None = None


def build_outlook(
    now: datetime,
    observed: Sequence[Observed],
    prices: KnownPrices,
    tariff: TariffRules,
    home: Home,
    options: Options = Options(),
) -> Outlook:
    """The outlook at ``now``; its first forecast is of the interval that contains ``now``."""
    start = floor_quarter(now)
    history = history_of(observed, prices.day_ahead, start)
    return outlook_from(now, history, prices, tariff, home, options)


def outlook_from(
    now: datetime,
    history: History,
    prices: KnownPrices,
    tariff: TariffRules,
    home: Home,
    options: Options,
) -> Outlook:
    """The same from a ready `History` that ends at the interval of ``now``."""
    first = quarter_index(floor_quarter(now))
    steps = max(round(options.horizon_h * 4), 1)
    intervals = [quarter_at(first + i) for i in range(steps)]
    ahead = np.array([prices.day_ahead.get(i.start, np.nan) for i in intervals])
    begin = intervals[0].start
    cleared = {0: prices.cleared[begin]} if begin in prices.cleared else None
    market = (options.prices or PriceForecaster()).outlook(history, ahead, cleared)
    energy = options.forecaster or EnergyForecaster(tariff.zone)
    outside = options.temperatures
    degrees = None if outside is None else outside.over(history.first, len(history) + steps)
    load, pv = energy.load(history, steps, degrees), energy.pv(history, steps)
    return Outlook(
        now=now,
        forecasts=_forecasts(
            intervals, (load, pv), market, tariff, prices, stays=home.grid_energy_stays
        ),
        battery=home.battery,
        stored_wh=home.stored_wh,
        resellable_wh=home.resellable_wh,
        cars=home.cars,
        heaters=home.heaters,
        export_limit_w=home.export_limit_w,
        import_limit_w=_import_limit(home, tariff, (load, pv), now),
        announced_w=() if home.announced is None else tuple(map(home.announced, intervals)),
        lot_wh=options.lot_wh,
        quantity_quantile=options.quantity_quantile,
        transitions=tuple(tuple(row) for row in market.transitions.tolist()),
        scenario_weights=tuple(market.weights.tolist()),
        offer_intervals=options.offer_intervals,
        trading=options.trading,
        car_from_battery=home.car_from_battery,
        caution=_caution(history) if options.careful else 0.0,
        doubted_load_wh=_doubted_load_wh(history),
    )


def _caution(history: History) -> float:
    """See `Outlook.caution`."""
    known = int(np.count_nonzero(~np.isnan(history.load)))
    return 1.0 if known < DAY else _SOME_CAUTION if known < _TRIED else 0.0


def _doubted_load_wh(history: History) -> float:
    """See `Outlook.doubted_load_wh`."""
    known = history.load[~np.isnan(history.load)]
    return float(known.max(initial=0.0)) if known.size < _SEEN else 0.0


def _import_limit(
    home: Home, tariff: TariffRules, energy: tuple[Array, Array], now: datetime
) -> float | None:
    """The fuse; under a demand charge also the peak that the month has or must have anyway.

    Charging never makes a new peak then, and the battery helps when the house is about to make one.
    """
    if tariff.tariff.demand_charge_per_kw <= 0:
        return home.import_limit_w
    load, pv = energy
    unavoidable = float((load[:96, 2] - pv[:96, 0]).max()) * 4
    for car in home.cars:
        if car.energy_wh > 0:
            hours = max((car.departure - now).total_seconds() / 3600, 0.25)
            unavoidable += max(car.energy_wh / hours, car.min_power_w)
    unavoidable += sum(h.min_power_w for h in home.heaters if h.energy_wh > 0)
    peak = max(_BELOW_PEAK * home.month_peak_w, unavoidable)
    return peak if home.import_limit_w is None else min(peak, home.import_limit_w)


def _forecasts(
    intervals: Sequence[Interval],
    energy: tuple[Array, Array],
    market: PriceOutlook,
    tariff: TariffRules,
    prices: KnownPrices,
    *,
    stays: bool,
) -> Horizon:
    expected = market.expected()

    def retail(
        terms: Sequence[Terms],
        known: Mapping[datetime, float],
        usual: float,
        foretold: Mapping[datetime, float],
    ) -> _Retail:
        base, on_market, on_published = np.array(terms).T
        published = None
        if on_published.any():
            published = published_outlook(known, intervals, tariff.zone, usual, foretold)
        return _Retail.of((base, on_market, on_published), (expected, market), published)

    bought = retail(
        tariff.import_terms_of(intervals),
        prices.published_import,
        prices.usual_import,
        prices.forecast_import,
    )
    sold = retail(
        tariff.export_terms_of(intervals),
        prices.published_export,
        prices.usual_export,
        prices.forecast_export,
    )
    cleared = intervals[0].start in prices.cleared
    nights = [stays] * len(intervals)
    if not stays and tariff.tariff.flat_night is not None:
        nights = [tariff.is_flat_night(i) for i in intervals]
    return Horizon(
        intervals,
        energy,
        (expected, market.scenarios),
        (bought.table(cleared=cleared), sold.table(cleared=cleared)),
        nights,
    )


@dataclass(frozen=True, slots=True)
class _Retail:
    """One side of the tariff over the horizon: prices as expected and by scenario, and what they are made of."""

    on_market: Array  # how much they follow it [T]
    on_published: Array
    prices: Array
    scenarios: Array
    published: Sequence[PriceSource]  # empty: nothing of it is published

    @classmethod
    def of(
        cls,
        terms: tuple[Array, Array, Array],
        market: tuple[Array, PriceOutlook],
        published: PublishedOutlook | None,
    ) -> _Retail:
        """``terms`` are the columns of `Terms`."""
        base, on_market, on_published = terms
        expected, outlook = market
        prices = base + on_market * expected
        scenarios = base[:, None] + on_market[:, None] * outlook.scenarios
        if published is None:
            return cls(on_market, on_published, prices, scenarios, ())
        prices += on_published * published.prices
        scenarios += on_published[:, None] * published.scenarios
        return cls(on_market, on_published, prices, scenarios, published.sources)

    def table(self, *, cleared: bool) -> PriceTable:
        """With where each interval's price comes from; ``cleared``: the first one's market price is known."""
        made = [PriceSource.MARKET if m else PriceSource.TARIFF for m in self.on_market.tolist()]
        if self.published:
            both = zip(self.published, self.on_published.tolist(), made, strict=True)
            made = [source if part else other for source, part, other in both]
        if cleared and made[0] is PriceSource.MARKET:
            made[0] = PriceSource.CLEARED
        return PriceTable(self.prices, self.scenarios, made)
