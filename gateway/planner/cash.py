"""What moving energy into or out of a store brings in one interval: the concave envelope of its cash."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.domain.plan import BatterySpec, Curve
from gateway.forecasts.history import Array
from gateway.planner.problem import Problem

Array32 = NDArray[np.float32]

NEVER = 1e7  # per MWh: dearer than any price, so that the reserve is kept


@dataclass(frozen=True, slots=True)
class Slopes:
    """The battery's cash by change of stored energy: four rising kinks in stored Wh [4, T, N], and the slope of each span
    between them per MWh [3, T, N, K]."""

    kinks: Array
    slopes: Array32


def interval_slopes(problem: Problem, spec: BatterySpec) -> Slopes:
    """The concave envelope of the battery's cash in each interval and net-load case."""
    net, hours = problem.net_wh, problem.hours[:, None]
    eta_c, eta_d = spec.charge_efficiency, spec.discharge_efficiency
    discharge, charge = _power_limits(problem, spec, net)
    short = net >= 0
    cover = np.clip(net, 0, discharge)  # AC Wh that only replace import
    store = np.clip(-net, 0, charge)  # AC Wh of surplus
    eta_cover, eta_sold = _efficiencies(
        spec.discharge_curve, eta_d, (cover, discharge), hours, out=True
    )
    eta_store, eta_bought = _efficiencies(
        spec.charge_curve, eta_c, (store, charge), hours, out=False
    )
    lost_wh = np.minimum(_beyond_limit(problem, net), store)
    lost = lost_wh > 0
    k1 = np.where(short, -cover / eta_cover, lost_wh * eta_store)
    k2 = np.where(short, 0.0, store * eta_store)
    down = cover / eta_cover + (discharge - cover) / eta_sold
    up = store * eta_store + (charge - store) * eta_bought
    buy, sell = problem.import_price[:, None, :], problem.export_price[:, None, :]
    export_gain = (sell - spec.wear_per_mwh) * eta_sold[:, :, None]
    if not problem.resell:
        export_gain = np.minimum(export_gain, -NEVER / 2)
    import_gain = (buy - spec.wear_per_mwh) * eta_cover[:, :, None]
    from_grid = buy / eta_bought[:, :, None]
    from_surplus = sell / eta_store[:, :, None]
    export_gain = np.where(lost[:, :, None], 0.0, export_gain)
    q2 = np.where(short[:, :, None], import_gain, from_surplus)
    if problem.announced_w is not None:
        # The first Wh given keep the limit; then the house is covered, and nothing is sold beside that.
        beyond = np.minimum(np.maximum(net - problem.announced_w * hours, 0.0), cover)
        over = beyond > 0
        k1 = np.where(over, -beyond / eta_cover, k1)
        down = np.where(over, cover / eta_cover, down)
        each = over[:, :, None]
        export_gain = np.where(each, q2, export_gain)
        q2 = np.where(each, np.maximum(q2, problem.beyond_price), q2)
        from_grid = np.where(each, np.maximum(q2, from_grid), from_grid)
    lengths = (k1 + down, k2 - k1, up - k2)
    slopes = concave((export_gain, q2, from_grid), lengths, pool=problem.resell)
    return Slopes(
        np.stack([-down, k1, k2, up]), np.stack(slopes, dtype=np.float32, casting="same_kind")
    )


def _efficiencies(
    curve: Curve, constant: float, energy: tuple[Array, Array], hours: Array, *, out: bool
) -> tuple[Array, Array]:
    """Efficiency of the first AC Wh (those for the house), and of those from there to full power.

    With a curve both are such that the stored energy is right at the two powers and even between
    them: house and battery run at such powers anyway. Never beyond 1 nor below a tenth.
    """
    first, full = energy
    even = np.full(first.shape, constant)
    if not curve:
        return even, even
    powers, values = np.array(curve).T
    at_first, at_full = (np.interp(x / hours, powers, values) for x in energy)
    stored = (first / at_first, full / at_full) if out else (first * at_first, full * at_full)
    more, apart = full - first, stored[1] - stored[0]
    known = (more > 1e-6) & (apart > 1e-6)
    share = np.where(known, more, 1.0) / np.where(known, apart, 1.0)
    rest = np.where(known, share if out else 1 / share, at_full)
    return at_first, np.clip(rest, 0.1, 1.0)


def _beyond_limit(problem: Problem, net: Array) -> Array:
    """Surplus that may not leave the home, AC Wh."""
    if problem.export_limit_w is None:
        return np.zeros_like(net)
    result: Array = np.maximum(-net - problem.export_limit_w * problem.hours[:, None], 0.0)
    return result


def _power_limits(problem: Problem, spec: BatterySpec, net: Array) -> tuple[Array, Array]:
    """Most AC Wh out of and into the battery, by its power and the grid connection."""
    hours = problem.hours[:, None]
    discharge = np.broadcast_to(spec.max_discharge_w * hours, net.shape)
    charge = np.broadcast_to(spec.max_charge_w * hours, net.shape)
    if problem.most_out_wh is not None:
        discharge = np.minimum(discharge, problem.most_out_wh)
    if problem.export_limit_w is not None:
        discharge = np.minimum(discharge, np.maximum(net + problem.export_limit_w * hours, 0))
    if problem.import_limit_w is not None:
        charge = np.minimum(charge, np.maximum(problem.import_limit_w * hours - net, 0))
    return discharge, charge


def concave(
    slopes: tuple[Array, Array, Array], lengths: tuple[Array, Array, Array], *, pool: bool
) -> tuple[Array, Array, Array]:
    """Rising slopes q1 <= q2 <= q3: where they fall, neighbours are pooled by their length.

    They fall when export pays more than import costs, or at negative prices, where a battery
    without wear could burn energy by charging and discharging at once; pooling forbids that.
    """
    q1, q2, q3 = slopes
    if not pool:
        return np.minimum(q1, np.minimum(q2, q3)), np.minimum(q2, q3), q3
    if not (np.greater(q1, q2).any() or np.greater(q2, q3).any()):
        return slopes
    l1, l2, l3 = (np.maximum(x, 1e-9)[..., None] for x in lengths)
    for _ in range(2):
        mean = (q1 * l1 + q2 * l2) / (l1 + l2)
        bad = q1 > q2
        q1, q2 = np.where(bad, mean, q1), np.where(bad, mean, q2)
        mean = (q2 * l2 + q3 * l3) / (l2 + l3)
        bad = q2 > q3
        q2, q3 = np.where(bad, mean, q2), np.where(bad, mean, q3)
    return np.minimum(q1, q2), q2, q3
