"""Which device measures the grid connection, and what a meter elsewhere in the home stands for.

Where one device measures a grid it is the home's. Two are two answers to one question: then nobody
guesses, the grid is not known until the configuration says which (`unclear`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gateway.domain.readings import DeviceState, MeterState, Quality, Reading, Role, Snapshot

Roles = Mapping[str, Role]
GRID_METRICS = ("grid_power_w", "grid_import_wh", "grid_export_wh")
_SOURCES = ("pv_power_w", "ac_power_w", "battery_power_w", "battery_soc_pct", "charger_state")


def has(state: DeviceState, metric: str) -> bool:
    """Whether the device measures ``metric``, or did when it last answered."""
    reading = state.readings.get(metric)
    return reading is not None and reading.quality is not Quality.ABSENT


def having(states: Iterable[DeviceState], metric: str) -> list[DeviceState]:
    """Devices that measure ``metric``, or did when they last answered."""
    return [s for s in states if has(s, metric)]


def grid_value(states: Iterable[DeviceState], metric: str, roles: Roles) -> float | None:
    """``metric`` of the device that measures the grid connection; None if that is not clear."""
    named = [s for s in states if roles.get(s.name) is Role.GRID]
    found = named or [s for s in having(states, metric) if s.name not in roles]
    return found[0].number(metric) if len(found) == 1 else None


def meters(states: Iterable[DeviceState], roles: Roles) -> tuple[MeterState, ...]:
    """All that measure a grid's power or energy, with the role that is configured or clear."""
    states = tuple(states)
    found = [s for s in states if any(has(s, m) for m in GRID_METRICS)]
    named = any(role is Role.GRID for role in roles.values())
    open_ones = [s.name for s in having(states, "grid_power_w") if s.name not in roles]

    def role(name: str) -> Role | None:
        if name in roles:
            return roles[name]
        if named:
            return Role.SUBMETER
        return Role.GRID if open_ones == [name] else None

    return tuple(
        MeterState(s.name, role(s.name), *(s.number(metric) for metric in GRID_METRICS))
        for s in found
    )


def unclear(snapshot: Snapshot) -> str:
    """What to write into the configuration, as a sentence; empty where the grid's meter is clear."""
    open_ones = [m.name for m in snapshot.meters if m.role is None and m.power_w is not None]
    if len(open_ones) < 2:
        return ""
    return (
        f"{' and '.join(open_ones)} each measure a grid power, and which of them is the home's "
        f'connection is not clear: write role = "grid" at that [[device]], and at a meter of '
        f'something else role = "submeter", "pv", "battery" or "charger"'
    )


def by_role(states: Iterable[DeviceState], roles: Roles) -> tuple[DeviceState, ...]:
    """A meter of panels, a battery or a charger as if that measured itself.

    A meter counts what it feeds as +, so production is its negative. The meter of a battery or charger
    that measures itself adds nothing.
    """
    states = tuple(states)
    return tuple(_as_role(s, roles.get(s.name), states) for s in states)


def _as_role(state: DeviceState, role: Role | None, states: Iterable[DeviceState]) -> DeviceState:
    if not has(state, "grid_power_w") or any(has(state, m) for m in _SOURCES):
        return state
    if role is Role.PV:
        return _with(state, ("pv_power_w", "ac_power_w"), -1)
    if role is Role.BATTERY and not having(states, "battery_power_w"):
        return _with(state, ("battery_power_w", "ac_power_w"), -1)
    if role is Role.CHARGER and not having(states, "charger_power_w"):
        return _with(state, ("charger_power_w",), 1)
    return state


def _with(state: DeviceState, metrics: Iterable[str], sign: int) -> DeviceState:
    measured = state.readings["grid_power_w"]
    value = sign * measured.value if isinstance(measured.value, int | float) else None
    told = {m: Reading(m, value, measured.quality, measured.time) for m in metrics}
    return replace(state, readings={**state.readings, **told})
