"""Whether what is sold beforehand is delivered: offers of past plans, cleared at the market's price, held against the meter.

Each hour's plan offers the four quarter-hours after the one that runs. Each is cleared at its real-time price,
so whatever the home offered at or below it is sold. In the interval itself the battery gives what the values ask, and more where the
sale needs it: as control does, which puts a commitment before any price. What is not there by then is not delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.simulate import Replay
from gateway.domain.plan import OfferCurve, Plan
from gateway.forecasts.history import Array, quarter_index
from gateway.planner import Strategy


@dataclass(frozen=True, slots=True)
class Delivery:
    """By interval, AC Wh: what was sold, and what of it the meter saw."""

    sold: Array
    delivered: Array

    def share(self, part: slice = slice(None)) -> float | None:
        """Of what was sold in these intervals; None where nothing was."""
        sold = float(self.sold[part].sum())
        return float(self.delivered[part].sum()) / sold if sold > 0 else None


def deliveries(series: Series, case: Case, planner: Strategy) -> Delivery:
    """The whole series, all that is offered being taken at the real-time price."""
    run = Replay(series, case)
    sold, delivered = np.zeros(len(series)), np.zeros(len(series))
    plan: Plan | None = None
    ahead = case.replan_quarters
    for i in range(len(series)):
        if plan is None or i % ahead == 0 or run.arrives(i):
            outlook = replace(run.outlook(i), trading=True, offer_intervals=ahead + 1)
            plan = planner.plan(outlook)
            # The running interval's market has closed; what an earlier plan sold is sold.
            for offer in plan.offers[1:]:
                k = quarter_index(offer.interval.start) - series.first
                if k < len(series):
                    sold[k] = max(sold[k], sold_at(offer, float(series.rt[k])))
        curve = plan.value(series.start(i), float(series.rt[i]))
        if curve is None:
            raise ValueError("the plan ends before the next plan is made")
        car_wh = run.charge_car(i, plan)
        given = run.step(i, curve, car_wh, sold_wh=float(sold[i]))
        exported = given + float(series.pv[i] - series.load[i]) - car_wh
        delivered[i] = min(max(exported, 0.0), sold[i])
    return Delivery(sold, delivered)


def sold_at(offer: OfferCurve, price_per_mwh: float) -> float:
    """What of an offer is taken at that price, AC Wh."""
    taken = [step.net_wh for step in offer.steps if step.price_per_mwh <= price_per_mwh]
    return float(max(taken, default=0))


def weeks(count: int, quarters_a_week: int = 7 * 96) -> Sequence[slice]:
    """The weeks of a series, the last one whole; a short series is one."""
    begins = range(0, max(count - quarters_a_week, 0) + 1, quarters_a_week)
    made = [slice(begin, begin + quarters_a_week) for begin in begins]
    return [*made[:-1], slice(made[-1].start, count)]
