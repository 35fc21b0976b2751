"""What a second pool could bring under a flat night plan: energy of the sun that may be sold, beside the night's that may not.

    python -m benchmarks.planner_night [FILE] [--skip 70] [--days 14]

One pool is what the planner has: the induction values no resale, and dispatch sells only what may be sold. Beside it, on
the same days with the same forecasts: an induction that values all as if it might be resold (what a second pool would be
worth if it were the whole battery), and values between the two by the share that may be sold now. Dispatch is held
to what may be sold in all three. The bound resells everything in hindsight: two pools are worth less than it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.planner_capture import case_of, shared
from gateway.backtest.data import read_series
from gateway.backtest.foresight import perfect_foresight
from gateway.backtest.simulate import no_battery, self_consumption, simulate
from gateway.domain.plan import Outlook, Plan, PriceValues, ValueCurve
from gateway.planner import strategy

OURS = strategy("value")


@dataclass(slots=True)
class Resale:
    """Our strategy, with resale valued in full (``part`` 1), by the share that may be sold (None), or not (0)."""

    name: str
    part: float | None

    def plan(self, outlook: Outlook) -> Plan:
        """Values between those without and those with resale."""
        kept, free = OURS.plan(outlook), OURS.plan(_resellable(outlook))
        part = _share(outlook) if self.part is None else self.part
        return replace(
            kept,
            values=_between(kept.values, free.values, part),
            price_values=tuple(
                PriceValues(a.interval, a.prices, _between(a.curves, b.curves, part))
                for a, b in zip(kept.price_values, free.price_values, strict=True)
            ),
        )


def _resellable(outlook: Outlook) -> Outlook:
    forecasts = tuple(replace(f, flat_night=False) for f in outlook.forecasts)
    return replace(outlook, forecasts=forecasts)


def _share(outlook: Outlook) -> float:
    """How much of what is stored above the reserve may be sold."""
    reserve_wh = outlook.battery.reserve_wh if outlook.battery else 0.0
    held_wh = outlook.stored_wh - reserve_wh
    may_wh = min(max(outlook.resellable_wh - reserve_wh, 0.0), held_wh)
    return may_wh / held_wh if held_wh > 0 else 0.0


def _between(
    kept: Sequence[ValueCurve], free: Sequence[ValueCurve], part: float
) -> tuple[ValueCurve, ...]:
    return tuple(
        ValueCurve(
            a.interval,
            a.stored_wh,
            tuple(
                x + part * (y - x) for x, y in zip(a.value_per_mwh, b.value_per_mwh, strict=True)
            ),
        )
        for a, b in zip(kept, free, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="what a second pool could bring")
    ercot = shared() / "ercot_south_2024_jun_oct.csv"
    parser.add_argument("file", type=Path, nargs="?", default=ercot)
    parser.add_argument("--skip", type=int, default=70)
    parser.add_argument("--days", type=int, default=14)
    asked = parser.parse_args()
    series = read_series(asked.file).part(96 * asked.skip, 96 * (asked.skip + asked.days))
    case = case_of(series, "night")
    none, most = no_battery(series, case).total, perfect_foresight(series, case).total
    print(f"highest price {series.rt.max():.0f} per MWh; no battery {none:.2f}, bound {most:.2f}")
    print(f"{'greedy':24} {self_consumption(series, case).total:8.2f}")
    kinds = (("one pool", 0.0), ("all of it resold", 1.0), ("by the share", None))
    for name, part in kinds:
        total = simulate(series, case, Resale(name, part)).total
        print(f"{name:24} {total:8.2f}  {(total - none) / (most - none):.3f} of the bound")


if __name__ == "__main__":
    main()
