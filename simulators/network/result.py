"""What a study found, over its seeds: the JSON, and the rows that the report draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from simulators.network.assumptions import listed
from simulators.network.makers import nacs_share
from simulators.network.study import Request

LOW, HIGH = 0.1, 0.9
GAINS = ("price", "hardware", "retail", "credits", "charging", "total")


def band(values: Sequence[float]) -> dict[str, float]:
    """Mean, and the range of eight seeds in ten."""
    low, high = np.quantile(values, [LOW, HIGH])
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}


def bands(found: Sequence[dict[str, Any]], *path: str) -> list[dict[str, Any]]:
    """A figure of every year over the seeds: year, mean, low, high."""
    rows = []
    for n, year in enumerate(row["year"] for row in found[0]["years"]):
        values = []
        for seed in found:
            value = seed["years"][n]
            for key in path:
                value = value[key]
            values.append(float(value))
        rows.append({"year": year, **band(values)})
    return rows


def saturation_rows(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for n, point in enumerate(found[0]["saturation"]):
        b = band([seed["saturation"][n]["usd_per_kwh_year"] for seed in found])
        rows.append(
            {
                "homes": point["homes"],
                "usd_per_kwh_year": b["mean"],
                "low": b["low"],
                "high": b["high"],
            }
        )
    return rows


def gain_bands(found: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    names = (*GAINS, "imitation")
    return {name: band([seed["loop_gain"][name] for seed in found]) for name in names}


def centre_rows(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for n, centre in enumerate(found[0]["data_centre"]):
        rows.append(
            {
                "scenario": centre["scenario"],
                **{
                    key: band([seed["data_centre"][n][key] for seed in found])
                    for key in ("mean_price_effect", "usd_per_exaflop_day", "mean_mw")
                },
            }
        )
    return rows


def as_json(
    request: Request,
    found: Sequence[dict[str, Any]],
    validation: Sequence[dict[str, Any]],
    switches: Sequence[dict[str, Any]],
    wall_seconds: float,
) -> dict[str, Any]:
    """The document of ``--json``; its keys are described in docs/study.md."""
    years = [row["year"] for row in found[0]["years"]]
    margins = [
        float(np.mean([y["night_plan_margin_usd"] for y in seed["years"]])) for seed in found
    ]
    return {
        "homes": request.homes,
        "years": years,
        "seeds": request.seeds,
        "wall_seconds": round(wall_seconds, 2),
        "zero_sum_error": max(abs(y["zero_sum_error"]) for seed in found for y in seed["years"]),
        "saturation": saturation_rows(found),
        "loop_gain": {name: gain_bands(found)[name]["mean"] for name in GAINS},
        "nacs_share": {str(year): nacs_share(year, request.scenario) for year in years},
        "night_plan_margin_usd": float(np.mean(margins)),
        "data_centre": [
            {"scenario": row["scenario"], "mean_price_effect": row["mean_price_effect"]["mean"]}
            for row in centre_rows(found)
        ],
        "validation": list(validation),
        "rows": request.played_rows,
        "switches": list(switches),
        "loop_gain_bands": gain_bands(found),
        "data_centre_bands": centre_rows(found),
        "by_year": {name: bands(found, *path) for name, path in BY_YEAR.items()},
        "assumptions": listed(request.scenario),
    }


BY_YEAR: dict[str, tuple[str, ...]] = {
    "homes_with_storage": ("homes_with_storage",),
    "payback_years": ("payback_years",),
    "battery_usd_per_kwh": ("battery_usd_per_kwh",),
    "mean_price": ("mean_price",),
    "spread": ("spread",),
    "earned_price_usd_per_kwh": ("earnings", "price"),
    "earned_retail_usd_per_kwh": ("earnings", "retail"),
    "earned_credits_usd_per_kwh": ("earnings", "credits"),
    "large_battery_usd_per_kw": ("large_battery_usd_per_kw",),
    "site_contract_usd_per_kwh": ("site_usd_per_kwh", "contract"),
    "site_exchange_usd_per_kwh": ("site_usd_per_kwh", "exchange"),
    "site_exchange_own_battery_usd_per_kwh": ("site_usd_per_kwh", "exchange, own battery"),
    "kwh_per_stall_day": ("kwh_per_stall_day",),
    "wait_min": ("wait_min",),
    "nacs_share": ("nacs_share",),
    "inlet_share": ("inlet_share",),
    "others_share": ("others_share",),
    "night_plan_margin_usd": ("night_plan_margin_usd",),
    "night_plan_homes": ("night_plan_homes",),
    "usd_per_exaflop_day": ("usd_per_exaflop_day",),
}
