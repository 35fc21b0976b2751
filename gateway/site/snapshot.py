"""Join the latest readings of all devices into one frozen Snapshot; a sum with a missing part is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from gateway.domain.readings import DeviceState, Quality, Reading, Snapshot

_FROM_PANELS = ("pv_power_w", "ac_power_w")


def join(time: datetime, devices: Mapping[str, DeviceState], *, dark: bool = False) -> Snapshot:
    """The home at ``time``. Only GOOD readings count; what a device does not have is not a gap.

    ``dark``: the sun is below the horizon for certain. An inverter without battery that sleeps then
    counts as 0 W; one that is silent by day, or might hold a battery, stays unknown.
    Load is what the inverter feeds into the home plus what the grid does; where no inverter tells
    its AC output, it is the sum of the sign convention (conversion losses then count as load).
    """
    states = tuple(_in_the_dark(s, time) if dark else s for s in devices.values())
    grid_w = _first(states, "grid_power_w")
    pv_w, battery_w = _sum(states, "pv_power_w"), _sum(states, "battery_power_w")
    return Snapshot(
        time=time,
        devices=dict(devices),
        pv_w=pv_w,
        battery_w=battery_w,
        battery_soc_pct=_mean(states, "battery_soc_pct"),
        grid_w=grid_w,
        load_w=_load_w(states, grid_w, pv_w, battery_w),
        charger_w=_sum(states, "charger_power_w"),
        car_plugged=_plugged(states),
        car_session_wh=_sum(states, "charger_session_wh"),
        grid_import_wh=_first(states, "grid_import_wh"),
        grid_export_wh=_first(states, "grid_export_wh"),
    )


def without_chargers(snapshot: Snapshot, names: Collection[str]) -> Snapshot:
    """``snapshot`` as if these chargers were any other load of the home."""
    if not names:
        return snapshot
    devices = {name: state for name, state in snapshot.devices.items() if name not in names}
    states = tuple(devices.values())
    return replace(
        snapshot,
        devices=devices,
        charger_w=_sum(states, "charger_power_w"),
        car_plugged=_plugged(states),
        car_session_wh=_sum(states, "charger_session_wh"),
    )


def _in_the_dark(state: DeviceState, time: datetime) -> DeviceState:
    if not state.asleep or has(state, "battery_power_w"):
        return state
    still = {m: Reading(m, 0.0, Quality.GOOD, time) for m in _FROM_PANELS if has(state, m)}
    return replace(state, readings={**state.readings, **still})


def _load_w(
    states: Iterable[DeviceState],
    grid_w: float | None,
    pv_w: float | None,
    battery_w: float | None,
) -> float | None:
    if grid_w is None:
        return None
    ac_w = _sum(states, "ac_power_w")
    if ac_w is not None:
        return max(0.0, ac_w + grid_w)
    if any("ac_power_w" in s.readings for s in states):
        return None  # an inverter that should tell is silent
    if battery_w is None:
        if _having(states, "battery_power_w"):
            return None  # there is a battery, and it is silent
        battery_w = 0.0
    return None if pv_w is None else max(0.0, pv_w + battery_w + grid_w)


def _having(states: Iterable[DeviceState], metric: str) -> list[DeviceState]:
    """Devices that measure ``metric``, or did when they last answered."""
    return [s for s in states if has(s, metric)]


def has(state: DeviceState, metric: str) -> bool:
    """Whether the device measures ``metric``, or did when it last answered."""
    reading = state.readings.get(metric)
    return reading is not None and reading.quality is not Quality.ABSENT


def _sum(states: Iterable[DeviceState], metric: str) -> float | None:
    parts = [s.number(metric) for s in _having(states, metric)]
    known = [p for p in parts if p is not None]
    return sum(known) if known and len(known) == len(parts) else None


def _mean(states: Iterable[DeviceState], metric: str) -> float | None:
    total, count = _sum(states, metric), len(_having(states, metric))
    return None if total is None else total / count


def _first(states: Iterable[DeviceState], metric: str) -> float | None:
    """The grid has one meter: the first device that measures it, in the order of the configuration."""
    found = _having(states, metric)
    return found[0].number(metric) if found else None


def _plugged(states: Iterable[DeviceState]) -> bool | None:
    chargers = _having(states, "charger_state")
    if not chargers:
        return None
    texts = [s.text("charger_state") for s in chargers]
    if any(t in ("plugged", "charging") for t in texts):
        return True
    return None if None in texts else False
