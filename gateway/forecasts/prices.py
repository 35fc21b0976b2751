"""The market price of the coming intervals as scenarios that follow each other.

Every market has a reference that is known ahead: the day-ahead price, or where there is none the last
week's price at that time of day, or a mean of both where that came closer to the real price in the
last weeks. What the real price does around it is learnt from the home's own
past: deviation / reference is turned into a normal score z by its empirical quantiles, and z moves
from one interval to the next by a transition matrix. A spike is then simply a high z, which is likely
followed by a high z; how likely is counted, starting from an autoregressive prior.

Nothing here is fitted to any one market's data ahead of time; the prior stands for some dozen hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

from gateway.forecasts.history import DAY, Array, History

_WINDOW = 28 * DAY  # deviations are forgotten after four weeks
_COUNTED = 59 * DAY  # transitions change slowly, so they may be counted over longer
_PERIOD = DAY // 4  # between two times of learning
_FEW = 7 * DAY  # known prices: with fewer each new one matters
_PRIOR_ROW = 30.0  # transitions out of a scenario that the prior stands for
_RHO = 0.9  # prior persistence of the normal score per quarter-hour
_TRUSTS = (1.0, 0.5, 0.0)  # in the day-ahead price
_DOUBT_DAYS = 4  # of evidence before it is doubted
_CLEARLY = 1.15  # times better is clearly better
_DEAR = 12  # quarter-hours a day in which a battery of some hours sells, or buys
_NEAR_SLOTS, _NEAR_RANK = (
    8,
    0.15,
)  # what is alike: within some two hours, and in how dear the market holds it
ALIKE = 0.5
# Weight of a deviation by how many quarter-hours of the day apart it was.
_NEAR_HOURS = np.exp(
    -0.5 * (np.minimum(np.arange(DAY), DAY - np.arange(DAY)) / _NEAR_SLOTS) ** 2
).astype(np.float32)
_ENOUGH = 14 * DAY  # known deviations from which on what is alike counts in full
_LEAST = 5.0  # per MWh: a reference below it no longer scales the deviation
# Relative deviations before anything was seen: quiet mostly, sometimes a spike. Each counts 6 times.
_PRIOR = np.tile(
    [-0.6, -0.4, -0.3, -0.25, -0.2, -0.15, -0.1, -0.05, 0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 3],
    6,
)

Slots = NDArray[np.int64]

SCORES = np.linspace(-2.6, 3.4, 17)  # normal scores of the scenarios; finer towards nothing
RANKS = np.array([0.5 * (1 + erf(z / sqrt(2))) for z in SCORES])


def _autoregressive(rho: float) -> Array:
    """Chances from each score to each: mass between the midpoints (Tauchen's method)."""
    edges = (SCORES[1:] + SCORES[:-1]) / 2
    width = sqrt(1 - rho * rho)
    below = [[0.5 * (1 + erf((e - rho * z) / width / sqrt(2))) for e in edges] for z in SCORES]
    return np.diff(np.array(below), axis=1, prepend=0.0, append=1.0)


PRIOR_TRANSITIONS = _autoregressive(_RHO)


@dataclass(frozen=True, slots=True)
class PriceOutlook:
    """Scenarios [T, K] rising along K, per MWh; transitions [K, K]; weights [K] of the first."""

    scenarios: Array
    transitions: Array
    weights: Array

    def expected(self) -> Array:
        """The mean price of each interval given what is known now."""
        chances = scenario_chances(self.weights, self.transitions, len(self.scenarios))
        means: Array = (chances * self.scenarios).sum(axis=1)
        return means


def scenario_chances(weights: Array, transitions: Array, count: int) -> Array:
    """How likely each scenario is in each coming interval, given the first one's weights: [T, K]."""
    rows = np.empty((count, weights.size))
    rows[0] = weights
    done = 1
    while done < count:  # as many again as there are, so many steps later
        more = min(done, count - done)
        np.matmul(rows[:more], transitions, out=rows[done : done + more])
        transitions = transitions @ transitions
        done += more
    return rows


@dataclass(frozen=True, slots=True)
class Deviations:
    """Past relative deviations in rising order, and when each was: slot of the day, and the rank (0..1) of
    its reference among all. The prior's stand for none and count as the mean of all."""

    values: Array
    slots: Slots
    ranks: Array
    prior: NDArray[np.bool_]
    references: Array  # rising
    blend: float  # how much what is alike counts beside all

    @classmethod
    def of(
        cls, deviation: Array, reference: Array, slots: Slots, alike: float = ALIKE
    ) -> Deviations:
        known = ~np.isnan(deviation)
        deviation, reference, slots = deviation[known], reference[known], slots[known]
        references = np.sort(reference)
        ranks = np.searchsorted(references, reference) / max(reference.size, 1)
        values = np.concatenate([deviation, _PRIOR])
        order = np.argsort(values, kind="stable")
        nowhen = np.zeros(_PRIOR.size)
        return cls(
            values=values[order],
            slots=np.concatenate([slots, nowhen.astype(int)])[order],
            ranks=np.concatenate([ranks, nowhen])[order],
            prior=np.concatenate([np.zeros(deviation.size), nowhen + 1]).astype(bool)[order],
            references=references,
            blend=alike * min(deviation.size / _ENOUGH, 1.0),
        )

    def alike(self, reference: Array, slots: Slots) -> Array:
        """The deviation at each score [T, K], by those of similar hours and references of similar rank."""
        if self.blend == 0:
            return np.broadcast_to(np.quantile(_PRIOR, RANKS), (reference.size, RANKS.size))
        ranks = np.searchsorted(self.references, reference) / self.references.size
        # Single precision and one array: these rows are as long as four weeks.
        weights = ranks.astype(np.float32)[:, None] - self.ranks.astype(np.float32)
        weights *= weights
        weights *= np.float32(-0.5 / _NEAR_RANK**2)
        np.exp(weights, out=weights)
        weights *= _NEAR_HOURS[
            slots[:, None] - self.slots
        ]  # of a negative difference as of its day's rest
        weights[:, self.prior] = 0.0
        seen = self.prior.size - np.count_nonzero(self.prior)
        weights[:, self.prior] = weights.sum(axis=1, keepdims=True) / seen
        sums = np.cumsum(weights, axis=1, dtype=np.float64)
        weights *= 0.5
        sums -= weights
        shares = sums / (sums[:, -1:] + weights[:, -1:])
        return np.array([np.interp(RANKS, row, self.values) for row in shares])


@dataclass(frozen=True, slots=True)
class PriceModel:
    """How real prices deviate from their reference, learnt from the past."""

    levels: Array  # relative deviation at each score, at any time
    deviations: Deviations
    transitions: Array
    usual: Array  # by slot of the day (UTC), in place of a day-ahead price that is not known
    week: Array  # the last week's real prices by slot of the day; NaN where nothing is known
    trust: float = 1.0  # in the day-ahead price; the rest in the last week
    # Levels of hours that were asked for, by their first quarter-hour and reference: they stay while the model does.
    known: dict[tuple[int, float], Array] = field(default_factory=dict, repr=False, compare=False)

    def reference(self, day_ahead: Array, slots: Slots) -> Array:
        """What deviations are counted from, for intervals at these slots of the day."""
        published = np.where(np.isnan(day_ahead), self.usual[slots], day_ahead)
        return _mixed(published, self.week[slots], self.trust)

    def levels_at(self, reference: Array, first: int) -> Array:
        """The relative deviation at each score [T, K] in the quarter-hours from ``first``.

        An evening in which the market expects scarcity deviates otherwise than a night; half of what is
        alike and half of all errs less than either.
        """
        quarters = first + np.arange(reference.size)
        _, begins, hour = np.unique(quarters // 4, return_index=True, return_inverse=True)
        keys = list(zip(quarters[begins].tolist(), reference[begins].tolist(), strict=True))
        new = np.array([k for k, key in enumerate(keys) if key not in self.known], dtype=int)
        if new.size:
            begins = begins[new]
            alike = self.deviations.alike(reference[begins], quarters[begins] % DAY)
            part = self.deviations.blend
            mixed = (1 - part) * self.levels + part * alike
            self.known.update(zip((keys[k] for k in new), mixed, strict=True))
        rows: Array = np.array([self.known[key] for key in keys])[hour]
        return rows


def scenario_prices(reference: Array, levels: Array) -> Array:
    """Prices [T, K] around the reference; strictly rising along K."""
    apart = np.arange(SCORES.size) * 1e-6
    prices: Array = reference[:, None] + _scale(reference)[:, None] * levels + apart
    return prices


def node(deviation: Array, levels: Array) -> Array:
    """Where relative deviations stand among the scenarios: 0 .. K-1, in between as well."""
    apart = np.arange(SCORES.size) * 1e-9
    place: Array = np.interp(deviation, levels + apart, np.arange(SCORES.size, dtype=float))
    return place


class PriceForecaster:
    """Learns a market's prices four times a day, on what was known then, and each time while they are few.

    The model is kept; it follows from the history alone, so a new forecaster says the same.
    """

    def __init__(self, alike: float = ALIKE) -> None:
        """``alike`` is how much deviations of like hours count beside all."""
        self._alike = alike
        self._learnt: tuple[int, PriceModel] | None = None

    def outlook(
        self, history: History, day_ahead: Array, cleared: Mapping[int, float] | None = None
    ) -> PriceOutlook:
        """As `price_outlook`."""
        return price_outlook(history, day_ahead, cleared, self._model(history))

    def _model(self, history: History) -> PriceModel:
        since = history.end % _PERIOD
        before = history.head(len(history) - since)
        if np.count_nonzero(~np.isnan(before.rt[-_ENOUGH:])) < _FEW:
            return learn(history, self._alike)
        if self._learnt is None or self._learnt[0] != before.end:
            self._learnt = before.end, learn(before, self._alike)
        return self._learnt[1]


def price_outlook(
    history: History,
    day_ahead: Array,
    cleared: Mapping[int, float] | None = None,
    model: PriceModel | None = None,
) -> PriceOutlook:
    """Scenarios for the intervals of ``day_ahead`` (NaN where it is not yet published).

    ``cleared`` are market prices that are known already, by index of the coming interval; ``model`` is what was learnt
    of the past, all of ``history`` without.
    """
    model = model or learn(history)
    reference = model.reference(day_ahead, (history.end + np.arange(day_ahead.size)) % DAY)
    levels = model.levels_at(reference, history.end)
    scenarios = scenario_prices(reference, levels)
    weights = _first_weights(history, model)
    if cleared and 0 in cleared:
        scale = _scale(reference[:1])
        weights = _spread(float(node((cleared[0] - reference[:1]) / scale, levels[0])[0]))
    return PriceOutlook(scenarios, model.transitions, weights)


def learn(history: History, alike: float = ALIKE) -> PriceModel:
    """The price model from what is known now."""
    past = history.tail(_COUNTED)
    usual = usual_day(past)
    slots = (past.first + np.arange(len(past))) % DAY
    published = np.where(np.isnan(past.da), usual[slots], past.da)
    before = _week_before(past.rt)
    trust = _trust(past, published, before[:-DAY])
    reference = _mixed(published, before[:-DAY], trust)
    deviation = (past.rt - reference) / _scale(reference)
    recent = deviation[-_WINDOW:]
    deviations = Deviations.of(recent, reference[-_WINDOW:], slots[-_WINDOW:], alike)
    levels = np.quantile(deviations.values, RANKS)
    week = np.roll(before[-DAY:], history.end % DAY)
    model = PriceModel(levels, deviations, PRIOR_TRANSITIONS, usual, week, trust)
    return replace(model, transitions=_counted(node(deviation, levels)))


def _week_before(real: Array) -> Array:
    """Of each interval, and of a day more, the mean price at that time of day in the week before.

    Neighbours within half an hour are pooled, spikes are kept: where they come in the evening, the
    evening is dear. NaN with less than two days before.
    """
    if not real.size:
        return np.full(DAY, np.nan)
    known = ~np.isnan(real)
    kept = np.where(known, real, 0.0), known.astype(float)
    total, count = (np.convolve(x, np.ones(5), "same")[: real.size] for x in kept)
    sums, counts = np.zeros(real.size + DAY), np.zeros(real.size + DAY)
    for day in range(1, 8):
        end = real.size + DAY - day * DAY
        if end > 0:
            sums[day * DAY :] += total[:end]
            counts[day * DAY :] += count[:end]
    enough = counts >= 2 * 3
    return np.where(enough, sums / np.maximum(counts, 1), np.nan)


def _trust(past: History, published: Array, week: Array) -> float:
    """How far the day-ahead price is to be believed: 1, or less where a mixture was clearly better.

    Better is what would have earned more: the real price at the hours it calls dear less that at the
    hours it calls cheap, over the last days.
    """
    days = min(int(np.count_nonzero(~np.isnan(week))), _WINDOW) // DAY
    real, published, week = (x[x.size - days * DAY :] for x in (past.rt, published, week))
    known = ~np.isnan(real)
    if np.count_nonzero(known) < _DOUBT_DAYS * DAY:
        return 1.0
    low, high = np.quantile(real[known], [0.01, 0.99])
    real = np.clip(np.where(known, real, np.median(real[known])), low, high).reshape(days, DAY)
    spread = {t: _spread_by(_mixed(published, week, t).reshape(days, DAY), real) for t in _TRUSTS}
    best = max(reversed(_TRUSTS), key=lambda trust: spread[trust])  # of equals the least trust
    return best if spread[best] > _CLEARLY * max(spread[1.0], 0.0) else 1.0


def _spread_by(expected: Array, real: Array) -> float:
    """Real price of the hours that are expected to be dearest less that of the cheapest, by day."""
    order = np.argsort(expected, axis=1, kind="stable")
    by_rank = np.take_along_axis(real, order, axis=1)
    return float((by_rank[:, -_DEAR:] - by_rank[:, :_DEAR]).mean())


def _mixed(published: Array, week: Array, trust: float) -> Array:
    mixed: Array = np.where(np.isnan(week), published, trust * published + (1 - trust) * week)
    return mixed


def usual_day(history: History) -> Array:
    """Mean price by slot of the day (UTC) over the last week, day-ahead where known; never NaN."""
    prices = np.where(np.isnan(history.da), history.rt, history.da)[-7 * DAY :]
    slots = (history.end - prices.size + np.arange(prices.size)) % DAY
    known = ~np.isnan(prices)
    if not known.any():
        return np.full(DAY, 40.0)  # per MWh, a usual wholesale price
    count = np.bincount(slots[known], minlength=DAY)
    total = np.bincount(slots[known], weights=prices[known], minlength=DAY)
    usual: Array = np.where(count > 0, total / np.maximum(count, 1), prices[known].mean())
    return usual


def _scale(reference: Array) -> Array:
    scale: Array = np.maximum(reference, _LEAST)
    return scale


def _counted(nodes: Array) -> Array:
    """Transition matrix: the prior plus what was counted; a price between two nodes counts for both."""
    size = SCORES.size
    known = ~(np.isnan(nodes[:-1]) | np.isnan(nodes[1:]))
    before, after = nodes[:-1][known], nodes[1:][known]
    counts = _PRIOR_ROW * PRIOR_TRANSITIONS
    flat = np.zeros(size * size)
    low_b, low_a = before.astype(int), after.astype(int)
    part_b, part_a = before - low_b, after - low_a
    high_b, high_a = np.minimum(low_b + 1, size - 1), np.minimum(low_a + 1, size - 1)
    for row, w_row in ((low_b, 1 - part_b), (high_b, part_b)):
        for column, w_column in ((low_a, 1 - part_a), (high_a, part_a)):
            flat += np.bincount(row * size + column, weights=w_row * w_column, minlength=size**2)
    counts = counts + flat.reshape(size, size)
    chances: Array = counts / counts.sum(axis=1, keepdims=True)
    return chances


def _first_weights(history: History, model: PriceModel) -> Array:
    """Chances of the scenarios in the first coming interval, from the last known price."""
    last = history.tail(DAY)
    known = np.flatnonzero(~np.isnan(last.rt))
    if not known.size:
        return np.asarray(np.linalg.matrix_power(model.transitions, 64)[SCORES.size // 2])
    index = int(known[-1])
    reference = model.reference(last.da[index : index + 1], np.array([(last.first + index) % DAY]))
    deviation = (last.rt[index : index + 1] - reference) / _scale(reference)
    place = node(deviation, model.levels_at(reference, last.first + index)[0])
    weights: Array = _spread(float(place[0]))
    for _ in range(min(len(last) - index, 12)):  # it was so many intervals ago
        weights = weights @ model.transitions
    return weights


def _spread(node: float) -> Array:
    """All weight at a place between two scenarios."""
    weights = np.zeros(SCORES.size)
    low = min(int(node), SCORES.size - 2)
    weights[low], weights[low + 1] = 1 - (node - low), node - low
    return weights
