"""Runs evcc's optimizer for the capture benchmark: JSON problems on stdin, battery schedules on stdout.

Started by planner_capture.py with the interpreter of an environment that can import its package `optimizer`
(from its repository; it is on no package index). It has no cost of wear, so its schedules are made without.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

try:
    from optimizer.optimizer import (
        BatteryConfig,
        GridConfig,
        OptimizationStrategy,
        Optimizer,
        TimeSeriesData,
    )
except ImportError as error:
    sys.stderr.write(f"evcc's optimizer is not importable: {error}\n")
    raise SystemExit(3) from None


def solve(setup: dict[str, Any], problem: dict[str, Any]) -> list[float]:
    """Battery AC Wh by quarter-hour, discharge +. Prices are per Wh there, what is left is worth nothing."""
    steps = len(problem["import"])
    battery = BatteryConfig(
        charge_from_grid=True,
        discharge_to_grid=True,
        s_capacity=setup["capacity_wh"],
        s_min=setup["reserve_wh"],
        s_max=setup["capacity_wh"],
        s_initial=max(problem["stored_wh"], setup["reserve_wh"]),
        c_min=0,
        c_max=setup["power_w"],
        d_max=setup["power_w"],
        p_a=0.0,
    )
    series = TimeSeriesData(
        dt=[900] * steps,
        gt=problem["load_wh"],
        ft=problem["pv_wh"],
        p_N=[p / 1e6 for p in problem["import"]],
        p_E=[p / 1e6 for p in problem["export"]],
    )
    asked = Optimizer(
        OptimizationStrategy("none", "none"),
        GridConfig(None, None, None),
        [battery],
        series,
        eta_c=setup["eta_c"],
        eta_d=setup["eta_d"],
    )
    asked.create_model()
    result = asked.solve()
    if not result["batteries"]:
        raise RuntimeError(f"no schedule: {result['status']}")
    made = result["batteries"][0]
    pairs = zip(made["discharging_power"], made["charging_power"], strict=True)
    return [discharge - charge for discharge, charge in pairs]


def main() -> None:
    setup = json.loads(sys.stdin.readline())
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # solvers print on their own; only answers may reach our reader
    for line in sys.stdin:
        try:
            answer = solve(setup, json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever a peer raises counts as no answer
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            answer = None
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
