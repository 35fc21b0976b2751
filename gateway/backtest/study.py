"""The comparison: no battery, self-consumption, the strategy and perfect foresight on the same data."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.foresight import perfect_foresight
from gateway.backtest.sessions import sessions_of
from gateway.backtest.simulate import (
    Outcome,
    Progress,
    no_battery,
    self_consumption,
    simulate,
)
from gateway.config.tariff import Tariff
from gateway.domain.intervals import iso
from gateway.domain.price import kwh_price
from gateway.errors import ConfigError
from gateway.planner import strategy
from gateway.tariff import TariffRules


@dataclass(frozen=True, slots=True)
class Study:
    """Four outcomes on one series; ``ours`` is the strategy's."""

    series: Series
    case: Case
    none: Outcome
    greedy: Outcome
    ours: Outcome
    perfect: Outcome

    def capture(self, outcome: Outcome, part: slice = slice(None)) -> float | None:
        """(outcome - none) / (perfect - none); None where a battery can earn nothing."""
        none = float(self.none.cash[part].sum())
        most = float(self.perfect.cash[part].sum()) - none
        return (float(outcome.cash[part].sum()) - none) / most if most > 1e-9 else None

    def months(self) -> Iterator[tuple[str, slice]]:
        """Local calendar months with their rows."""
        names = [
            f"{self.series.start(i).astimezone(self.case.zone):%Y-%m}"
            for i in range(len(self.series))
        ]
        for name in dict.fromkeys(names):
            first = names.index(name)
            yield name, slice(first, first + names.count(name))


def compare(series: Series, case: Case, name: str, progress: Progress | None = None) -> Study:
    """Runs all four; raises ConfigError for an unknown strategy or a missing solver."""
    planner = strategy(name)
    return Study(
        series=series,
        case=case,
        none=no_battery(series, case),
        greedy=self_consumption(series, case),
        perfect=perfect_foresight(series, case),
        ours=simulate(series, case, planner, progress),
    )


def summary(study: Study) -> dict[str, Any]:
    """The result as plain numbers: money in currency units, energy in Wh."""
    ours, wear = study.ours, study.case.battery.wear_per_mwh
    names = ("none", "greedy", "ours", "perfect")
    outcomes = (study.none, study.greedy, study.ours, study.perfect)
    months = []
    for name, part in study.months():
        row: dict[str, Any] = {"month": name}
        for label, outcome in zip(names, outcomes, strict=True):
            row[label] = round(float(outcome.cash[part].sum()), 4)
        row["capture"] = _rounded(study.capture(ours, part))
        months.append(row)
    discharged = float(np.maximum(ours.discharge, 0).sum())
    return {
        "strategy": ours.name,
        "currency": study.case.tariff.tariff.currency,
        "intervals": len(study.series),
        "first": iso(study.series.start(0)),
        "end": iso(study.series.start(len(study.series))),
        "money": {
            label: round(outcome.total, 4) for label, outcome in zip(names, outcomes, strict=True)
        },
        "perfect_note": study.perfect.note,
        "capture": _rounded(study.capture(ours)),
        "capture_greedy": _rounded(study.capture(study.greedy)),
        "wear_cost": round(discharged * wear / 1e6, 4),
        "energy_wh": {
            "load": round(float(study.series.load.sum())),
            "pv": round(float(study.series.pv.sum())),
            "import": round(float(np.maximum(ours.grid, 0).sum())),
            "export": round(float(np.maximum(-ours.grid, 0).sum())),
            "charge": round(float(np.maximum(-ours.discharge, 0).sum())),
            "discharge": round(discharged),
            "car": round(float(ours.car.sum())),
        },
        "car": _car(study),
        "months": months,
    }


def _car(study: Study) -> dict[str, int]:
    """How many stays of the car ended without its wish, and how many of them physics forbade."""
    sessions = sessions_of(study.series, study.case)
    charged = [float(study.ours.car[s.first : s.end].sum()) for s in sessions]
    missed = [s for s, got in zip(sessions, charged, strict=True) if got < s.energy_wh - 1]
    forced = [s for s in missed if s.possible_wh < s.energy_wh - 1]
    return {"stays": len(sessions), "missed": len(missed), "impossible": len(forced)}


def write_schedule(path: Path, study: Study) -> None:
    """The strategy's schedule as CSV; ``cash`` is export less import less wear."""
    ours = study.ours
    columns = (
        np.maximum(-ours.discharge, 0),
        np.maximum(ours.discharge, 0),
        ours.stored,
        np.maximum(ours.grid, 0),
        np.maximum(-ours.grid, 0),
    )
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(
                ["start", "charge_wh", "discharge_wh", "soc_wh", "import_wh", "export_wh", "cash"]
            )
            for i in range(len(study.series)):
                energy = [f"{column[i]:.3f}" for column in columns]
                writer.writerow([iso(study.series.start(i)), *energy, f"{ours.cash[i]:.8f}"])
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def variations(case: Case) -> Sequence[tuple[str, Case]]:
    """Cases around this one: battery size, wear and tariff, one at a time."""
    spec = case.battery
    made = [("as given", case)]
    for factor in (0.5, 2.0):
        size = spec.capacity_wh * factor
        made.append((f"battery {size / 1000:g} kWh", case.with_battery(size, spec.wear_per_mwh)))
    for wear in (0.0, 20.0, 50.0):
        if wear != spec.wear_per_mwh:
            text = f"wear {kwh_price(wear):g} per kWh"
            made.append((text, case.with_battery(spec.capacity_wh, wear)))
    for text, buy in (
        ("import flat 0.14", {"kind": "flat", "per_kwh": "0.14"}),
        ("import wholesale + 0.045", {"kind": "wholesale", "adder_per_kwh": "0.045"}),
    ):
        tariff = Tariff.model_validate({"import_price": buy, "export_price": {"kind": "wholesale"}})
        rules = TariffRules(tariff, case.zone)
        if rules != case.tariff:
            made.append((text, replace(case, tariff=rules)))
    return made


def sweep(
    series: Series, case: Case, name: str, done: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """The variations of a case, each as money by policy and capture; one process a core."""
    cases = variations(case)[1:]
    work = [(label, series, variation, name) for label, variation in cases]
    rows = []
    with ProcessPoolExecutor(min(len(work), os.cpu_count() or 1), get_context("spawn")) as pool:
        for row in pool.map(_one_variation, work):
            rows.append(row)
            done(len(rows), len(work))
    return rows


def _one_variation(work: tuple[str, Series, Case, str]) -> dict[str, Any]:
    label, series, case, name = work
    result = summary(compare(series, case, name))
    keys = ("money", "capture", "capture_greedy")
    return {"case": label} | {key: result[key] for key in keys}


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)
