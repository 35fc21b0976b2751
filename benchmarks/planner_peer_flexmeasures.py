"""Runs FlexMeasures for the capture benchmark: JSON problems on stdin, battery schedules on stdout.

Started by planner_capture.py with the interpreter of an environment that has FlexMeasures and highspy.
It calls FlexMeasures's device scheduler inside a bare Flask application, without its database.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pandas as pd

try:
    from flask import Flask
    from flexmeasures.data.models.planning import FlowCommitment
    from flexmeasures.data.models.planning.linear_optimization import device_scheduler
except ImportError as error:
    sys.stderr.write(f"flexmeasures is not importable: {error}\n")
    raise SystemExit(3) from None

COLUMNS = (
    "equals", "max", "min", "efficiency", "derivative equals", "derivative max", "derivative min",
    "derivative down efficiency", "derivative up efficiency", "stock delta",
)  # fmt: skip


def solve(setup: dict[str, Any], problem: dict[str, Any]) -> list[float]:
    """Battery AC Wh by quarter-hour, discharge +. FlexMeasures works in MW and MWh."""
    steps = len(problem["import"])
    index = pd.date_range("2024-01-01", periods=steps, freq="15min", tz="UTC")
    battery = pd.DataFrame(float("nan"), index=index, columns=COLUMNS)
    stored = problem["stored_wh"] / 1e6
    # Stock counts in MW times the step, so a MWh is 4.
    battery["max"] = 4 * (setup["capacity_wh"] / 1e6 - stored)
    battery["min"] = 4 * min(setup["reserve_wh"] / 1e6 - stored, 0.0)
    battery["derivative max"] = setup["power_w"] / 1e6
    battery["derivative min"] = -setup["power_w"] / 1e6
    battery["derivative up efficiency"] = setup["eta_c"]
    battery["derivative down efficiency"] = setup["eta_d"]
    home = pd.DataFrame(float("nan"), index=index, columns=COLUMNS)
    net = [4e-6 * (a - b) for a, b in zip(problem["load_wh"], problem["pv_wh"], strict=True)]
    home["derivative equals"] = net
    grid = pd.DataFrame(
        {"derivative max": float("nan"), "derivative min": float("nan")}, index=index
    )
    commitment = FlowCommitment(
        name="energy",
        index=index,
        quantity=pd.Series(0.0, index=index),
        upwards_deviation_price=pd.Series(problem["import"], index=index) / 4,
        downwards_deviation_price=pd.Series(problem["export"], index=index) / 4,
    )
    wear = (
        FlowCommitment(  # it has no cycle cost of its own; a priced device commitment gives it one
            name="wear",
            device=pd.Series(0, index=index),
            index=index,
            quantity=pd.Series(0.0, index=index),
            upwards_deviation_price=pd.Series(0.0, index=index),
            downwards_deviation_price=pd.Series(-1000 * setup["wear_per_kwh"] / 4, index=index),
        )
    )
    schedules, _, results, _ = device_scheduler(
        device_constraints=[battery, home],
        ems_constraints=grid,
        commitments=[commitment, wear],
        initial_stock=[0, 0],
    )
    if str(results.solver.termination_condition) != "optimal":
        raise RuntimeError(f"no schedule: {results.solver.termination_condition}")
    return [-p * 1e6 / 4 for p in schedules[0].tolist()]


def main() -> None:
    setup = json.loads(sys.stdin.readline())
    app = Flask("peer")
    app.config.update(
        FLEXMEASURES_LP_SOLVER="highspy",
        FLEXMEASURES_LP_SOLVER_OPTIONS={},
        LOGGING_LEVEL="WARNING",
    )
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # solvers print on their own; only answers may reach our reader
    with app.app_context():
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
