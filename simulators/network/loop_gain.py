"""Storage added per storage added: does one more battery bring another, and through which door?

A year is played again with more storage, and each door is opened alone: the price that batteries
earn, what hardware costs, the retail price they avoid, the credits they share, the charging demand
that cheaper energy brings. A term is the change of the homes that buy, per home added, in one year.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simulators.network import adoption, retailer, sites
from simulators.network.history import (
    Case,
    Year,
    payback_of,
    purchase_cost,
    setting_of,
    site_price_change,
)
from simulators.network.homes import fleet_mw, with_weights
from simulators.network.kernel import FIXED_MONEY
from simulators.network.market import Setting, YearResult, run_year
from simulators.network.series import Array

TERMS = ("price", "hardware", "retail", "credits", "charging")
_MORE = 0.02  # of all homes


@dataclass(frozen=True, slots=True)
class _Doors:
    """What a home sees when it decides."""

    account: Array
    battery: float
    credit: float
    energy_ratio: float  # the avoided retail price over this year's


def loop_gain(case: Case, year: Year) -> dict[str, float]:
    """The five terms, their joint ``total``, and ``imitation`` (in no term: it needs no money)."""
    s, now = case.scenario, case.storage_homes(year.state)
    more = _MORE * case.homes
    base = _Doors(year.result.account, year.cost_usd_per_kwh, year.credit_usd, 1.0)
    result, setting = _again(case, year, more, site_change=None)
    battery = adoption.battery_usd_per_kwh(s, case.first_year, year.state.year, now + more)
    credit = adoption.credit_usd(s, now + more)
    ratio = _energy_ratio(case, year, setting, result)
    change = _site_change(case, year, result)
    doors = {
        "price": replace(base, account=result.account),
        "hardware": replace(base, battery=battery),
        "retail": replace(base, energy_ratio=ratio),
        "credits": replace(base, credit=credit),
    }
    if s.switches.charging and change != year.state.site_price_change and s.switches.price_response:
        doors["charging"] = replace(base, account=_again(case, year, 0.0, change)[0].account)
        both = _again(case, year, more, change)[0].account
    else:
        doors["charging"], both = base, result.account
    doors["total"] = _Doors(both, battery, credit, ratio)
    bought = _bought(case, year, base)
    gains = {name: (_bought(case, year, door) - bought) / more for name, door in doors.items()}
    gains["imitation"] = (_bought(case, year, base, more / case.homes) - bought) / more
    return gains


def _again(
    case: Case, year: Year, more: float, site_change: float | None
) -> tuple[YearResult, Setting]:
    setting = setting_of(case, year.state, site_change=site_change)[0]
    share = year.state.share + more / case.homes
    homes = with_weights(
        case.people, share * case.scale(), fleet_mw(case.scenario, year.state.year)
    )
    return run_year(setting, homes), setting


def _energy_ratio(case: Case, year: Year, setting: Setting, result: YearResult) -> float:
    """Next year's flat price with more storage over that without."""
    t = year.state.tariffs
    before = retailer.next_tariffs(case.scenario, t, year.purchase_usd_per_kwh)
    after = retailer.next_tariffs(case.scenario, t, purchase_cost(setting, result))
    return 1 + (after.energy - before.energy) / (t.energy + t.delivery)


def _site_change(case: Case, year: Year, result: YearResult) -> float:
    """The drivers' price with more storage, beside what it is this year."""
    cost = sites.site_cost(case.scenario, year.site, result.price).exchange
    moved = site_price_change(case.scenario, cost)
    return (
        year.state.site_price_change
        + moved
        - site_price_change(case.scenario, year.site_cost.exchange)
    )


def _bought(case: Case, year: Year, door: _Doors, more_share: float = 0.0) -> float:
    """Homes that buy in a year."""
    account = np.array(door.account)
    account[:, FIXED_MONEY] *= door.energy_ratio
    payback = payback_of(case, account, door.battery, door.credit)
    share = case.storage_homes(year.state) / case.homes + more_share
    bought = adoption.hazard(case.scenario, payback, share) * (1 - year.state.share)
    return float(bought.sum()) * case.scale()
