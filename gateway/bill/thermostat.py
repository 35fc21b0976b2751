"""When boilers would have heated without us: each by its own thermostat, with the hot water that was really drawn. Pure.

Where the water is measured, only how much warmer it would have been than it was is reckoned: what was drawn and lost is in the measured
temperature already. That difference grows by what the thermostat would have heated more, and shrinks by the tank's loss.

Behind a plug nobody measures the water, nor sees when the boiler asks. What it drew between two times at which it was to be warm is spread
evenly over them: no hour is dearer by a guess, and so small a power takes the sun as it comes. Its saving is rather shown too small.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.bill.columns import HeaterColumns, Quarters
from gateway.domain.heat import Heater, Heaters, next_ready

BAND_K = 5.0  # below its target a usual thermostat heats again


@dataclass(frozen=True, slots=True)
class HeatedOtherwise:
    """By known row: what the heaters would have drawn more (+) or less, and what their water would hold more after it, electric Wh."""

    change_wh: array[float]
    more_wh: array[float]


def by_thermostats(
    quarters: Quarters,
    numbers: Sequence[int],
    measured: Mapping[str, HeaterColumns],
    heaters: Heaters,
    zone: ZoneInfo,
) -> HeatedOtherwise:
    """Of all heaters together; ``numbers`` are those of the known rows, ``zone`` that of the hours in ``ready_by``."""
    empty = bytes(8 * len(numbers))
    found = HeatedOtherwise(array("d", empty), array("d", empty))
    for name, columns in measured.items():
        spec = heaters.get(name)
        if spec is None:
            continue
        if spec.litres is None:
            _evenly(quarters, numbers, columns, spec, zone, found)
        else:
            _by_its_water(quarters, numbers, columns, spec, found)
    return found


def _by_its_water(
    quarters: Quarters,
    numbers: Sequence[int],
    measured: HeaterColumns,
    spec: Heater,
    found: HeatedOtherwise,
) -> None:
    """A thermostat between the target and `BAND_K` below, on the water as it would have been."""
    warmer_k, heats, before = 0.0, False, None
    for row, n in enumerate(numbers):
        at, hours = quarters.starts[n], quarters.hours(n)
        away_h = 0.0 if before is None else (at - before).total_seconds() / 3600
        warmer_k *= math.exp(-spec.loss_per_h * (away_h + hours))
        before = quarters.interval(n).end
        drew_wh, measured_c = measured.energy_wh[n], measured.temperature_c[n]
        if not (math.isnan(drew_wh) or math.isnan(measured_c)):
            # as it would be at the end if the thermostat had not heated
            cold_c = measured_c + warmer_k - drew_wh / spec.wh_per_k
            heats = cold_c < (spec.target_c if heats else spec.target_c - BAND_K)
            missing_wh = (spec.target_c - cold_c) * spec.wh_per_k
            would_wh = min(spec.most_w * hours, missing_wh) if heats else 0.0
            heats = heats and would_wh < missing_wh
            found.change_wh[row] += would_wh - drew_wh
            warmer_k += (would_wh - drew_wh) / spec.wh_per_k
        found.more_wh[row] += warmer_k * spec.wh_per_k


def _evenly(
    quarters: Quarters,
    numbers: Sequence[int],
    measured: HeaterColumns,
    spec: Heater,
    zone: ZoneInfo,
    found: HeatedOtherwise,
) -> None:
    """What was drawn up to each time at which it is to be warm, at the same power all the while since the one before."""
    spans: dict[datetime, list[int]] = {}
    ready = None
    for row, n in enumerate(numbers):
        if math.isnan(measured.energy_wh[n]):
            continue
        at = quarters.starts[n]
        if ready is None or at >= ready:
            ready = next_ready(at, spec.ready_by, zone)
        spans.setdefault(ready, []).append(row)
    for rows in spans.values():
        drew_wh = sum(measured.energy_wh[numbers[row]] for row in rows)
        mean_w = drew_wh / sum(quarters.hours(numbers[row]) for row in rows)
        late_wh = 0.0
        for row in rows:
            n = numbers[row]
            change = mean_w * quarters.hours(n) - measured.energy_wh[n]
            found.change_wh[row] += change
            late_wh += change
            found.more_wh[row] += late_wh
