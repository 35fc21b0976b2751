"""Who buys storage: a hazard that neighbours raise and a long payback lowers. Pure.

Bass (1969) with the payback as a hazard: of the homes without, a part (p + q F) exp(-s payback)
buys in a year. Every home has a payback of its own, since it has its own load, sun and tariff.
"""

from __future__ import annotations

import numpy as np

from simulators.network.scenario import Scenario, in_year
from simulators.network.series import Array

LONGEST_YEARS = 100.0


def battery_usd_per_kwh(scenario: Scenario, first_year: int, year: int, homes: float) -> float:
    """Installed cost after tax credit in ``year``, with ``homes`` of this network's batteries sold."""
    h = scenario.hardware
    time_path = (1 - h.other_decline) ** (year - first_year)
    exponent = -np.log2(1 - h.learning_rate) if scenario.switches.hardware_learning else 0.0
    learnt = ((h.other_homes + homes) / h.other_homes) ** -exponent
    return float(h.usd_per_kwh * time_path * learnt * (1 - in_year(h.tax_credit, year)))


def credit_usd(scenario: Scenario, homes: float) -> float:
    """What programmes pay a home in a year: the need is shared when more offer than is needed."""
    c = scenario.credits
    if not scenario.switches.credits:
        return 0.0
    offered_mw = homes * c.kw_per_home / 1e3
    return c.usd_per_home * min(1.0, c.need_mw / offered_mw) if offered_mw > 0 else c.usd_per_home


def payback_years(cost_usd: Array, saved_usd: Array) -> Array:
    """Cost over yearly savings; never beyond `LONGEST_YEARS`."""
    floor = cost_usd / LONGEST_YEARS
    out: Array = cost_usd / np.maximum(saved_usd, np.maximum(floor, 1e-9))
    return out


def hazard(scenario: Scenario, payback: Array, share: float) -> Array:
    """The part of the homes without storage that buy it this year. Falls with the payback."""
    a = scenario.adoption
    q = a.imitation if scenario.switches.imitation else 0.0
    out: Array = np.clip(
        (a.innovation + q * share) * np.exp(-a.payback_sensitivity * payback), 0, 1
    )
    return out
