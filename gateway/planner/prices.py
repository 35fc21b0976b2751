"""The market price of the coming intervals as scenarios that follow each other.

Scenario k of an interval is the k-th quantile of what the price may be there, given the day-ahead
price and the errors that the day-ahead price made before; a transition matrix says how the rank moves
from one interval to the next (a spike is likely followed by a spike). What happened last picks
the weights of the first interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.planner.history import DAY, Array, History

SCENARIOS = 15
_RHO = 0.95  # per quarter-hour
_PRIOR = np.array([-18.0, -10.0, -6.0, -4.0, -3.0, -2.0, 0.0, 2.0, 5.0, 12.0, 60.0])


@dataclass(frozen=True, slots=True)
class PriceOutlook:
    """Scenarios [T, K] rising along K, per MWh; transitions [K, K]; weights [K] of the first."""

    scenarios: Array
    transitions: Array
    weights: Array

    @property
    def expected(self) -> Array:
        """The mean price of each interval given what is known now."""
        weights, means = self.weights, np.empty(self.scenarios.shape[0])
        for t, row in enumerate(self.scenarios):
            means[t] = weights @ row
            weights = weights @ self.transitions
        return means


def price_outlook(history: History, day_ahead: Array) -> PriceOutlook:
    """Scenarios for the intervals of ``day_ahead`` (NaN where it is not yet published)."""
    centre = _centre(history, day_ahead)
    known = history.tail(28 * DAY)
    errors = (known.rt - known.da)[~np.isnan(known.rt - known.da)]
    errors = np.concatenate([errors, np.tile(_PRIOR, 9)])
    ranks = (np.arange(SCENARIOS) + 0.5) / SCENARIOS
    spread = np.quantile(errors, ranks)
    scenarios = centre[:, None] + spread[None, :]
    last = known.rt[-1] - known.da[-1] if len(known) else np.nan
    rank = 0.5 if np.isnan(last) else float((errors < last).mean())
    transitions = _transitions(ranks)
    weights = _kernel(_normal(rank), ranks)
    return PriceOutlook(scenarios, transitions, weights)


def _centre(history: History, day_ahead: Array) -> Array:
    """Day-ahead prices; where unknown the mean of the past week at that time, else what is known."""
    usual = np.full(DAY, np.nan)
    past = np.where(np.isnan(history.da), history.rt, history.da)[-7 * DAY :]
    slots = (history.end - past.size + np.arange(past.size)) % DAY
    for index in range(DAY):
        values = past[slots == index]
        values = values[~np.isnan(values)]
        if values.size:
            usual[index] = values.mean()
    known = day_ahead[~np.isnan(day_ahead)]
    overall = known.mean() if known.size else np.nanmean(np.append(usual, 40.0))
    usual = np.where(np.isnan(usual), overall, usual)
    ahead = (history.end + np.arange(day_ahead.size)) % DAY
    centre: Array = np.where(np.isnan(day_ahead), usual[ahead], day_ahead)
    return centre


def _transitions(ranks: Array) -> Array:
    return np.vstack([_kernel(_normal(float(r)), ranks) for r in ranks])


def _kernel(z: float, ranks: Array) -> Array:
    """Chances of the ranks after a normal score ``z``, by an autoregressive copula."""
    scores = np.array([_normal(float(r)) for r in ranks])
    width = np.sqrt(1 - _RHO**2)
    # Equal-probability ranks: the copula's density at each is proportional to the conditional
    # density over the marginal one.
    logs = -0.5 * ((scores - _RHO * z) / width) ** 2 + 0.5 * scores**2
    chances: Array = np.exp(logs - logs.max())
    chances /= chances.sum()
    return chances


def _normal(rank: float) -> float:
    """The standard normal quantile (Acklam's rational approximation is more than is needed here:
    a logistic one is within 0.02 where it matters)."""
    rank = min(max(rank, 0.005), 0.995)
    return float(np.log(rank / (1 - rank)) / 1.702)
