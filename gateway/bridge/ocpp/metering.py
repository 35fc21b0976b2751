"""What a charger measures, out of the sampled values of OCPP 1.6 and 2.0.1. Pure.

Both have the same measurands (OCPP 1.6 edition 2, 7.31; 2.0.1 part 2, 3.54); in 1.6 a value is a text and the unit stands beside
it, in 2.0.1 it is a number with a unit and a power of ten. What is no number, or cannot be of a home, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

POWER, ENERGY = "Power.Active.Import", "Energy.Active.Import.Register"
_SCALE = {"W": 1.0, "kW": 1e3, "Wh": 1.0, "kWh": 1e3, "": 1.0}
_MOST = {POWER: 1e5, ENERGY: 1e9}  # W, Wh
_PHASES = ("L1", "L2", "L3", "L1-N", "L2-N", "L3-N")
_NOISE_W = -20.0  # of a phase that carries nothing


def samples(values: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Measurand -> W or Wh, of one ``sampledValue``: the sum that is told, else that of the phases.

    A sum of phases one of which cannot be is no sum.
    """
    whole: dict[str, float] = {}
    phases: dict[str, dict[str, float | None]] = {}
    for sample in values:
        kind = str(sample.get("measurand", ENERGY))
        if kind not in _MOST or sample.get("location", "Outlet") != "Outlet":
            continue
        value, phase = _number(sample), sample.get("phase")
        if value is not None and phase in _PHASES and kind == POWER and _NOISE_W < value < 0:
            value = 0.0
        if value is not None and not 0 <= value <= _MOST[kind]:
            value = None
        if phase is None and value is not None:
            whole[kind] = value
        elif phase in _PHASES:
            phases.setdefault(kind, {})[str(phase)[:2]] = value
    return {
        kind: s for kind, parts in phases.items() if (s := _sum(parts.values())) is not None
    } | whole


def _sum(parts: Iterable[float | None]) -> float | None:
    known = list(parts)
    return None if None in known else sum(part for part in known if part is not None)


def _number(sample: Mapping[str, Any]) -> float | None:
    if sample.get("format") == "SignedData":
        return None
    try:
        value = float(sample["value"])
    except (KeyError, TypeError, ValueError):
        return None
    unit, power = sample.get("unit", ""), 0
    told = sample.get("unitOfMeasure")
    if isinstance(told, Mapping):
        unit, power = told.get("unit", "Wh"), told.get("multiplier", 0)
    if unit not in _SCALE or not isinstance(power, int) or abs(power) > 9:
        return None
    value *= _SCALE[unit] * 10.0**power
    return value if math.isfinite(value) else None


def time_of(text: object) -> datetime | None:
    """A time as OCPP writes it, UTC; one without an offset is taken for UTC. None for what is none."""
    try:
        then = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return then.replace(tzinfo=UTC) if then.tzinfo is None else then.astimezone(UTC)
