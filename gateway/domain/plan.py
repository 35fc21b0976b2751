"""What the planner is told and what it answers: outlook in, values of stored energy out.

Prices here are floats in currency units per MWh: the planner estimates; the account is exact
elsewhere. Energy is Wh at the AC side unless the name says ``stored``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType

from gateway.domain.intervals import Interval
from gateway.domain.price import PriceSource, Quote
from gateway.domain.sentences import Sentence

Curve = tuple[tuple[float, float], ...]  # AC W and one-way efficiency there
NO_LIMIT_W = 1e9  # more than any connection carries


@dataclass(frozen=True, slots=True)
class BatterySpec:
    """A battery as the planner sees it. Powers are AC W; efficiencies one way, 0..1.

    ``wear_per_mwh`` is the cost of one MWh discharged at the AC side; 0 is allowed. A curve is pairs of
    AC power and the efficiency there, rising in power; without one the efficiency is the same at
    every power. With a curve ``charge_efficiency`` is its best and ``discharge_efficiency`` its worst,
    so that what is thought to fit in or to come out always does (`by_power`).
    """

    capacity_wh: float
    reserve_wh: float
    max_charge_w: float
    max_discharge_w: float
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    standby_w: float = 0.0
    wear_per_mwh: float = 20.0
    charge_curve: Curve = ()
    discharge_curve: Curve = ()

    def by_power(self, charge: Curve, discharge: Curve) -> BatterySpec:
        """The same with losses by power; an empty curve changes nothing."""
        return replace(
            self,
            charge_curve=charge,
            discharge_curve=discharge,
            charge_efficiency=max((e for _, e in charge), default=self.charge_efficiency),
            discharge_efficiency=min((e for _, e in discharge), default=self.discharge_efficiency),
        )

    def change_wh(self, discharge_wh: float, hours: float) -> float:
        """What AC energy given (+) or taken (-) at an even power changes in stored energy, Wh."""
        if discharge_wh > 0:
            curve, efficiency = self.discharge_curve, self.discharge_efficiency
            return -discharge_wh / (
                efficiency_at(curve, discharge_wh / hours) if curve else efficiency
            )
        curve, efficiency = self.charge_curve, self.charge_efficiency
        return -discharge_wh * (
            efficiency_at(curve, -discharge_wh / hours) if curve else efficiency
        )


def efficiency_at(curve: Curve, power_w: float) -> float:
    """The efficiency at ``power_w``: linear between the curve's points, flat outside them."""
    if power_w <= curve[0][0]:
        return curve[0][1]
    for (low, before), (high, after) in pairwise(curve):
        if power_w <= high:
            return before + (after - before) * (power_w - low) / (high - low)
    return curve[-1][1]


@dataclass(frozen=True, slots=True)
class CarNeed:
    """The wish of a plugged-in car: ``energy_wh`` more (AC side) before ``departure``.

    ``more_wh`` beyond that it takes where a MWh costs less than ``more_value``, and only while the home has a
    surplus of ``surplus_w`` (0: whatever the surplus). ``sure_power_w`` is what it draws for certain at full current, while nobody has
    seen yet from how many phases it does (None: ``max_power_w``).
    """

    energy_wh: float
    departure: datetime
    max_power_w: float
    min_power_w: float
    name: str = "car"
    more_wh: float = 0.0
    more_value: float = 0.0
    surplus_w: float = 0.0
    sure_power_w: float | None = None

    @property
    def planned_power_w(self) -> float:
        """What may be counted on."""
        return self.max_power_w if self.sure_power_w is None else self.sure_power_w


@dataclass(frozen=True, slots=True)
class HeatNeed(CarNeed):
    """Water that is to be warm by ``departure``: ``energy_wh`` is what must then be in it more than would be.

    ``loss_per_h`` is the part of its heat that is lost in an hour: what is heated early is partly gone.
    """

    loss_per_h: float = 0.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """One coming interval: Wh quantiles (low/mid/high) and prices; price scenarios are equally likely.

    ``import_price`` is what the home pays for a Wh from the retailer, ``export_price`` what it gets
    for a Wh sold without bidding, ``market_price`` the expected clearing price.
    ``import_source`` and ``export_source`` say whether those are prices or what stands in for them.
    ``market_scenarios`` rise; ``import_scenarios`` and ``export_scenarios`` are the retailer's prices
    in the same scenarios (empty: they do not depend on the market).
    """

    interval: Interval
    load_wh: tuple[float, float, float]
    pv_wh: tuple[float, float, float]
    import_price: float
    export_price: float
    market_price: float
    market_scenarios: tuple[float, ...] = ()
    import_scenarios: tuple[float, ...] = ()
    export_scenarios: tuple[float, ...] = ()
    flat_night: bool = (
        False  # energy bought now must never be resold: a flat night, or as the user says
    )
    import_source: PriceSource = PriceSource.TARIFF
    export_source: PriceSource = PriceSource.TARIFF


@dataclass(frozen=True, slots=True)
class Outlook:
    """All that a strategy may know at ``now``.

    ``transitions[k][j]`` is the chance that scenario k of one interval is followed by scenario j of
    the next (rows sum to 1; empty: independent); ``scenario_weights`` are the chances in the first
    interval, given what is known now (empty: equal). ``announced_w`` are the limits of export and import that
    hold for a time: by interval, `NO_LIMIT_W` where there is none (empty: none at all).
    """

    now: datetime
    forecasts: Sequence[Forecast]
    battery: BatterySpec | None
    stored_wh: float
    resellable_wh: float  # part of stored_wh that may be sold (not of flat-night origin)
    cars: tuple[CarNeed, ...] = ()
    heaters: tuple[HeatNeed, ...] = ()
    export_limit_w: float | None = None
    import_limit_w: float | None = None
    lot_wh: int = 10
    quantity_quantile: float = 0.05
    doubted_load_wh: float = (
        0.0  # of a house known for less than a week, the most it has drawn: it may again
    )
    transitions: tuple[tuple[float, ...], ...] = ()
    scenario_weights: tuple[float, ...] = ()
    offer_intervals: int = 5  # how many coming intervals the market takes offers for
    trading: bool = False  # surplus can be sold at the market price when that is above export_price
    car_from_battery: bool = False  # whether control lets the battery feed a car
    announced_w: tuple[tuple[float, float], ...] = ()
    caution: float = 0.0  # 1: no whole day of the home is known; less while its forecasts' errors are not; 0: they are
    values_only: bool = (
        False  # of the plan only the values of the intervals that take offers are wanted
    )

    def export_limits_w(self) -> list[float | None]:
        """Most that may be fed in, by interval."""
        return self._limits_w(self.export_limit_w, 0)

    def import_limits_w(self) -> list[float | None]:
        """Most that may be drawn, by interval."""
        return self._limits_w(self.import_limit_w, 1)

    def _limits_w(self, always_w: float | None, side: int) -> list[float | None]:
        if not self.announced_w:
            return [always_w] * len(self.forecasts)
        both = (
            min(a[side], NO_LIMIT_W if always_w is None else always_w) for a in self.announced_w
        )
        return [None if w >= NO_LIMIT_W else w for w in both]


@dataclass(frozen=True, slots=True)
class OfferStep:
    """At ``price_per_mwh`` or better the home sells ``net_wh`` (buys if negative) in all."""

    price_per_mwh: float
    net_wh: int


@dataclass(frozen=True, slots=True)
class OfferCurve:
    """Net energy offered in one interval: steps by rising price, ``net_wh`` non-decreasing."""

    interval: Interval
    steps: tuple[OfferStep, ...]


@dataclass(frozen=True, slots=True)
class ValueCurve:
    """Marginal value of stored energy (per MWh stored) over the state of charge, in one interval.

    ``stored_wh`` rises, ``value_per_mwh`` falls; between points it is interpolated.
    """

    interval: Interval
    stored_wh: tuple[float, ...]
    value_per_mwh: tuple[float, ...]

    def at(self, stored_wh: float) -> float:
        grid, values = self.stored_wh, self.value_per_mwh
        if stored_wh <= grid[0]:
            return values[0]
        for i in range(1, len(grid)):
            if stored_wh <= grid[i]:
                part = (stored_wh - grid[i - 1]) / (grid[i] - grid[i - 1])
                return values[i - 1] + part * (values[i] - values[i - 1])
        return values[-1]


@dataclass(frozen=True, slots=True)
class PriceValues:
    """The values at an interval's end if its clearing price turns out to be one of ``prices``.

    A high price now makes high prices afterwards likelier, so stored energy is worth more too.
    """

    interval: Interval
    prices: tuple[float, ...]  # rising, per MWh
    curves: tuple[ValueCurve, ...]  # one a price

    def at(self, price: float) -> ValueCurve:
        """The value curve at ``price``, interpolated between the candidate prices."""
        if price <= self.prices[0]:
            return self.curves[0]
        for i in range(1, len(self.prices)):
            if price <= self.prices[i]:
                low, high = self.prices[i - 1], self.prices[i]
                part = (price - low) / (high - low) if high > low else 1.0
                below, above = self.curves[i - 1], self.curves[i]
                values = zip(below.value_per_mwh, above.value_per_mwh, strict=True)
                mixed = tuple(a + part * (b - a) for a, b in values)
                return ValueCurve(self.interval, below.stored_wh, mixed)
        return self.curves[-1]


@dataclass(frozen=True, slots=True)
class CarValues:
    """What another Wh in one car is worth, over the Wh charged since the plan was made.

    ``given`` is the same for the first intervals, given the price that clears them.
    """

    values: tuple[ValueCurve, ...] = ()
    given: tuple[PriceValues, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedInterval:
    """The expected schedule, for people and the dashboard; it commits nobody."""

    interval: Interval
    load_wh: float
    pv_wh: float
    battery_wh: float  # discharge +
    car_wh: float
    grid_wh: float  # import +
    stored_wh: float  # at the interval's end
    import_price: float
    export_price: float
    market_price: float
    import_source: PriceSource = PriceSource.TARIFF
    export_source: PriceSource = PriceSource.TARIFF
    heat_wh: float = 0.0  # beside load_wh

    @property
    def import_quote(self) -> Quote:
        """What a MWh bought costs, or is thought to cost."""
        return Quote(self.import_price, self.import_source)

    @property
    def export_quote(self) -> Quote:
        """What a MWh given to the retailer earns, or is thought to earn."""
        return Quote(self.export_price, self.export_source)


@dataclass(frozen=True, slots=True)
class Plan:
    """Values of stored energy now and later, the offer curves and the expected schedule."""

    made_at: datetime
    strategy: str
    values: tuple[ValueCurve, ...]  # [0] holds for the interval of made_at; value at its END
    cars: Mapping[str, CarValues] = field(default_factory=lambda: MappingProxyType({}))
    offers: tuple[OfferCurve, ...] = ()
    schedule: tuple[PlannedInterval, ...] = ()
    notes: tuple[Sentence, ...] = field(default=())  # e.g. 'the car cannot be ready by 07:00'
    price_values: tuple[PriceValues, ...] = ()  # for the first intervals only
    import_limit_w: float | None = None  # the fuse, or the peak that a demand charge leaves free
    heaters: Mapping[str, CarValues] = field(default_factory=lambda: MappingProxyType({}))
    heat_wh: Mapping[str, tuple[float, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )  # by interval of the schedule
    assumed: tuple[
        Sentence, ...
    ] = ()  # prices that are not published yet, and what stands in for them

    def value(self, time: datetime, price_per_mwh: float | None = None) -> ValueCurve | None:
        """The value curve that holds at ``time``, or None when the plan does not reach there.

        With ``price_per_mwh``, the clearing price of that interval, the value given that price.
        """
        return _curve_at(self.values, self.price_values, time, price_per_mwh)

    def car_value(
        self, name: str, time: datetime, price_per_mwh: float | None = None
    ) -> ValueCurve | None:
        """The value of another Wh in that car at ``time``; None when the plan knows of none then."""
        car = self.cars.get(name)
        return None if car is None else _curve_at(car.values, car.given, time, price_per_mwh)

    def heat_value(
        self, name: str, time: datetime, price_per_mwh: float | None = None
    ) -> ValueCurve | None:
        """The value of another Wh into that heater at ``time``; None when the plan knows of none then."""
        heat = self.heaters.get(name)
        return None if heat is None else _curve_at(heat.values, heat.given, time, price_per_mwh)


def _curve_at(
    values: Sequence[ValueCurve],
    given: Sequence[PriceValues],
    time: datetime,
    price_per_mwh: float | None,
) -> ValueCurve | None:
    """The curve of the interval of ``time``, given its clearing price where that is known and planned for."""
    if price_per_mwh is not None:
        known = next((v for v in given if time in v.interval), None)
        if known is not None:
            return known.at(price_per_mwh)
    return next((v for v in values if time in v.interval), None)


@dataclass(frozen=True, slots=True)
class Observed:
    """What one past interval really was: Wh, and the real-time price per MWh; None = not known.

    ``held_back``: a limit kept the panels below what they could give. ``away``: nobody was at home.
    """

    interval: Interval
    load_wh: float | None  # without the car
    pv_wh: float | None
    rt_price: float | None = None
    held_back: bool = False
    away: bool = False
