"""All parties' money of a year in exact integers: it sums to zero, or energy was lost on the way.

Energy in Wh and prices in ticks of 0.01 USD/MWh make money in 1e-8 USD, as in the exchange's
account. Every party's energy is taken from its own side (meters, sites, plants); what plants made is
not set to fit: if the sides differ by more than rounding, `EnergyLost` says so. The rounding itself
(some Wh an hour) is settled with the other load, as losses on the wires are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.errors import GatewayError
from simulators.network.homes import GRID, NIGHT, WHOLESALE
from simulators.network.kernel import EXPORT, IMPORT
from simulators.network.market import Setting, YearResult
from simulators.network.retailer import NightPlanYear, plan_load_kw
from simulators.network.series import Array

Wh = NDArray[np.int64]
USD = 100_000_000
_ROUNDING_WH = 64
_TICKS_PER_USD_KWH = 100_000


class EnergyLost(GatewayError):
    """The parties' energies do not balance: a bug of the market, never a matter of rounding."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Money by party, 1e-8 USD, received +."""

    money: dict[str, int]

    @property
    def error_usd(self) -> float:
        return sum(self.money.values()) / USD

    def usd(self) -> dict[str, float]:
        return {party: amount / USD for party, amount in self.money.items()}


def year_ledger(
    setting: Setting,
    result: YearResult,
    plan: NightPlanYear,
    sites_mw: Array,
    extra: dict[str, float],
) -> Ledger:
    """``extra``: credits_usd, demand_charges_usd, drivers_usd of the year; ``sites_mw`` what they drew."""
    ticks = np.rint(result.price * 100).astype(np.int64)
    meter = np.rint(result.meter_mwh * 1e6).astype(np.int64)
    night_kw, free = plan_load_kw(setting.scenario, setting.shapes)[1:]
    plan_wh = _wh(night_kw * plan.homes / 1e3)
    centre = setting.demand.pausing_mw + setting.demand.steady_mw - sites_mw - plan.extra_mw
    bought = {
        "retailer": (meter[:, :GRID, IMPORT] - meter[:, :GRID, EXPORT]).sum(axis=1) + plan_wh,
        "large batteries": meter[:, GRID, IMPORT] - meter[:, GRID, EXPORT],
        "charging sites": _wh(sites_mw),
        "data centre": _wh(centre - result.paused_mw),
        "plants": -_wh(
            result.thermal_mw
            + setting.series.wind_mw
            + setting.series.solar_mw
            + _surprise(setting)
        ),
    }
    alone = (result.meter_mwh[:, :GRID, 2] - result.meter_mwh[:, :GRID, 3]).sum(axis=1)
    usual_mw = (night_kw * plan.homes / 1e3) - plan.extra_mw
    other = _wh(setting.series.load_mw - alone - usual_mw)
    lost = sum(bought.values()) + other
    if int(np.abs(lost).max()) > _ROUNDING_WH:
        raise EnergyLost(f"the parties' energies differ by {int(np.abs(lost).max())} Wh in an hour")
    bought["other load"] = other - lost
    money = {party: -_dot(wh, ticks) for party, wh in bought.items()}
    _retail(money, setting, ticks, (meter, plan_wh), free)
    _others(money, plan, extra)
    return Ledger(money)


def _surprise(setting: Setting) -> Array:
    """Outages are plants that others replace: what the call needs more, it does not get more of."""
    return -setting.series.surprise_mw


def _wh(mw: Array) -> Wh:
    return np.rint(mw * 1e6).astype(np.int64)


def _dot(wh: Wh, ticks: Wh) -> int:
    """Exact: a day's sum fits 64 bits, the year's need not."""
    return sum(int(day) for day in (wh * ticks).reshape(-1, 24).sum(axis=1))


def _pay(money: dict[str, int], payer: str, payee: str, amount: int) -> None:
    money[payer] = money.get(payer, 0) - amount
    money[payee] = money.get(payee, 0) + amount


def _retail(
    money: dict[str, int],
    setting: Setting,
    market: Wh,
    energy: tuple[Wh, Wh],
    free: NDArray[np.bool_],
) -> None:
    """Homes pay the retailer by their tariff, and he pays the wires for every kWh imported.

    ``energy``: the homes' meters [hour, tariff, 4] and the night plan's other subscribers, Wh.
    """
    t, (meter, plan_wh) = setting.tariffs, energy
    flat = round((t.energy + t.delivery) * _TICKS_PER_USD_KWH)
    above = round((t.delivery + t.adder) * _TICKS_PER_USD_KWH)
    for tariff in range(GRID):
        imported, exported = meter[:, tariff, IMPORT], meter[:, tariff, EXPORT]
        if tariff == WHOLESALE:
            due = _dot(imported, market) + int(imported.sum()) * above
        else:
            due = int((imported[~free] if tariff == NIGHT else imported).sum()) * flat
        back = _dot(exported, market) * round(t.sell_back * 1000) // 1000
        _pay(money, "homes", "retailer", due - back)
    _pay(money, "subscribers of the night plan", "retailer", int(plan_wh[~free].sum()) * flat)
    everything = int(meter[:, :GRID, IMPORT].sum()) + int(plan_wh.sum())
    _pay(money, "retailer", "wires", everything * round(t.delivery * _TICKS_PER_USD_KWH))


def _others(money: dict[str, int], plan: NightPlanYear, extra: dict[str, float]) -> None:
    _pay(money, "subscribers of the night plan", "retailer", round(plan.fees * USD))
    _pay(money, "programmes", "homes", round(extra["credits_usd"] * USD))
    _pay(money, "charging sites", "wires", round(extra["demand_charges_usd"] * USD))
    _pay(money, "drivers", "charging sites", round(extra["drivers_usd"] * USD))
