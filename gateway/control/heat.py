"""What each heater's water still needs before it must be warm, as the cars' needs are told. Pure.

The store is the tank: its temperature says what it holds, and what will be left of that at the time. Of a heater whose
water nobody measures the wish is energy: so many Wh by each time, less what it has drawn since the last.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.domain.heat import Heater, Heaters, next_ready
from gateway.domain.plan import HeatNeed
from gateway.domain.readings import HeaterState

NOTHING_K = 0.3  # so near the target the water is warm
COOLER_K = 2.0  # what was as warm as it may be is heated again when it is so much cooler
WARMER_K = 3.0  # what was too cold is heated by so much more, so that it is not heated twice


def heat_needs(
    heaters: Iterable[HeaterState], known: Heaters, now: datetime, zone: ZoneInfo
) -> dict[str, HeatNeed]:
    """What each wants, by name; those that want nothing, and those whose temperature is not known, are not in it."""
    found = {}
    for state in heaters:
        spec = known.get(state.name)
        if spec is not None and state.steerable:
            need = heat_need(state, spec, now, zone)
            if need is not None:
                found[state.name] = need
    return found


def heat_need(state: HeaterState, spec: Heater, now: datetime, zone: ZoneInfo) -> HeatNeed | None:
    """What is missing at the next time if nothing is heated until then, and what there is room for besides, Wh."""
    at = next_ready(now, spec.ready_by, zone)
    if spec.litres is None:
        missing_wh, more_wh = max(0.0, spec.energy_wh - state.got_wh), 0.0
    elif state.temperature_c is None:
        return None
    else:
        hours = (at - now).total_seconds() / 3600
        left_c = spec.cooled_c(state.temperature_c, hours)
        missing_k = spec.target_c - left_c
        room_wh = max(0.0, spec.max_c - state.temperature_c) * spec.wh_per_k
        missing_wh = min(room_wh, missing_k * spec.wh_per_k) if missing_k > NOTHING_K else 0.0
        more_wh = room_wh - missing_wh
    if missing_wh <= 0 and more_wh <= 0:
        return None
    return HeatNeed(
        energy_wh=missing_wh,
        departure=at,
        max_power_w=spec.most_w,
        min_power_w=spec.least_w,
        name=state.name,
        more_wh=more_wh,
        more_value=spec.more_per_mwh,
        loss_per_h=spec.loss_per_h,
    )


def too_cold(state: HeaterState, spec: Heater, was_cold: bool) -> bool:
    """Whether it must heat whatever that costs."""
    if spec.litres is None or state.temperature_c is None:
        return False
    least_c = min(spec.min_c, spec.max_c - WARMER_K)
    return state.temperature_c < least_c + (WARMER_K if was_cold else 0.0)


def too_warm(state: HeaterState, spec: Heater, was_on: bool) -> bool:
    """Whether nothing more may be heated: it is at its most (or was, and has hardly cooled), or that is not known."""
    if spec.litres is None:
        return False
    most_c = spec.max_c if was_on else max(spec.target_c, spec.max_c - COOLER_K)
    return state.temperature_c is None or state.temperature_c >= most_c
