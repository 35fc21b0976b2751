"""Runs EMHASS for the capture benchmark: JSON problems on stdin, battery schedules on stdout.

Started by planner_capture.py with the interpreter of an environment that has EMHASS. It uses
EMHASS's public optimisation class on its packaged defaults; nothing of this project is imported.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

try:
    import emhass
    from emhass import utils
    from emhass.optimization import Optimization
except ImportError as error:
    sys.stderr.write(f"emhass is not importable: {error}\n")
    raise SystemExit(3) from None

LOG = logging.getLogger("peer")
LOG.setLevel(logging.ERROR)
ROOT = Path(emhass.__file__).parent


def make(setup: dict[str, Any]) -> Optimization:
    """EMHASS as its defaults are, with this battery and no deferrable load."""
    paths = {
        "root_path": ROOT,
        "data_path": Path(setup["work"]),
        "defaults_path": ROOT / "data" / "config_defaults.json",
        "associations_path": ROOT / "data" / "associations.csv",
        "config_path": Path(setup["work"]) / "config.json",
    }

    async def configured() -> dict[str, Any]:
        config = await utils.build_config(paths, LOG, paths["defaults_path"])
        params: dict[str, Any] = await utils.build_params(paths, {}, config, LOG)
        return params

    params = asyncio.run(configured())
    hass, optim, plant = utils.get_yaml_parse(json.dumps(params), LOG)
    hass["optimization_time_step"] = pd.Timedelta(minutes=15)
    hass["time_zone"] = "UTC"
    optim.update(
        number_of_deferrable_loads=0,
        nominal_power_of_deferrable_loads=[],
        minimum_power_of_deferrable_loads=[],
        operating_hours_of_each_deferrable_load=[],
        treat_deferrable_load_as_semi_cont=[],
        set_deferrable_load_single_constant=[],
        set_deferrable_startup_penalty=[],
        start_timesteps_of_each_deferrable_load=[],
        end_timesteps_of_each_deferrable_load=[],
        def_total_hours=[],
        set_use_battery=True,
        set_use_pv=True,
        set_nodischarge_to_grid=False,
        set_nocharge_from_grid=False,
        set_battery_dynamic=False,
        set_total_pv_sell=False,
        weight_battery_discharge=setup["wear_per_kwh"],
        weight_battery_charge=0.0,
        lp_solver_mip_rel_gap=0,
        num_threads=1,
    )
    capacity, eta_d, eta_c = setup["capacity_wh"], setup["eta_d"], setup["eta_c"]
    plant.update(
        inverter_is_hybrid=False,
        maximum_power_from_grid=100000,
        maximum_power_to_grid=100000,
        # EMHASS bounds discharge on both sides of the converter; P / eta leaves P on the AC side.
        battery_discharge_power_max=setup["power_w"] / eta_d,
        battery_charge_power_max=setup["power_w"],
        battery_discharge_efficiency=eta_d,
        battery_charge_efficiency=eta_c,
        battery_nominal_energy_capacity=capacity,
        battery_minimum_state_of_charge=setup["reserve_wh"] / capacity,
        battery_maximum_state_of_charge=1.0,
        battery_target_state_of_charge=setup["reserve_wh"] / capacity,
    )
    return Optimization(
        hass, optim, plant, "unit_load_cost", "unit_prod_price", "profit", paths, LOG
    )


def solve(
    optimization: Optimization, setup: dict[str, Any], problem: dict[str, Any]
) -> list[float]:
    """Battery AC Wh by quarter-hour, discharge +."""
    steps = len(problem["import"])
    index = pd.date_range("2024-01-01", periods=steps, freq="15min", tz="UTC")
    frame = pd.DataFrame(index=index)
    frame["unit_load_cost"] = [p / 1000 for p in problem["import"]]
    frame["unit_prod_price"] = [p / 1000 for p in problem["export"]]
    pv = pd.Series([4 * x for x in problem["pv_wh"]], index=index)
    load = pd.Series([4 * x for x in problem["load_wh"]], index=index)
    capacity = setup["capacity_wh"]
    result = optimization.perform_naive_mpc_optim(
        frame, pv, load, steps,
        soc_init=min(max(problem["stored_wh"], setup["reserve_wh"]) / capacity, 1.0),
        soc_final=setup["reserve_wh"] / capacity,
        def_total_hours=[], def_start_timestep=[], def_end_timestep=[],
    )  # fmt: skip
    if "P_batt" not in result:
        raise RuntimeError(f"no schedule: {optimization.optim_status}")
    return [p / 4 for p in result["P_batt"].tolist()]


def main() -> None:
    setup = json.loads(sys.stdin.readline())
    optimization = make(setup)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # solvers print on their own; only answers may reach our reader
    for line in sys.stdin:
        try:
            answer = solve(optimization, setup, json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever a peer raises counts as no answer
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            answer = None
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
