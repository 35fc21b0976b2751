"""How much of the stored energy came out of the flat-rate night window: it must never be resold.

Pure. One step a quarter-hour, from the battery's and the meter's counters. The rules:
- In the window, what the battery takes while the home imports is of night origin (what is charged
  from the panels is not).
- What the home itself uses out of the battery is of night origin first; only the rest may be sold.
  So every night Wh is used at home or is still in the battery.
- In doubt the ledger errs towards 'night': export is taken to come from the battery before the
  panels, losses never shrink the night part, and what was not measured in the window was charged
  at night.
"""

from __future__ import annotations

from dataclasses import dataclass

_ALL = 10**9  # Wh; more than any home stores: whatever is there


@dataclass(frozen=True, slots=True)
class Flow:
    """What went through battery and meter in one quarter-hour, Wh at the AC side; None = not known."""

    night: bool  # whether the quarter belongs to the flat-rate window
    charge_wh: int | None
    discharge_wh: int | None
    import_wh: int | None
    export_wh: int | None


def follow(night_wh: int, flow: Flow, stored_wh: int | None) -> int:
    """The stored energy of night origin after ``flow``, given what it was before, Wh.

    ``stored_wh`` is all that the battery holds at the end; the night part is never more than that.
    """
    added = _charged_at_night(flow)
    if added is None:
        return _ALL if stored_wh is None else max(0, stored_wh)
    left = max(0, night_wh - _used_at_home(flow)) + added
    return left if stored_wh is None else min(left, max(0, stored_wh))


def resellable_wh(stored_wh: float, night_wh: int) -> float:
    """What of the stored energy may be sold at all (the reserve is another rule)."""
    return max(0.0, stored_wh - night_wh)


def unknown_origin(stored_wh: float, *, has_flat_night: bool) -> int:
    """Where nothing is known (a first start): all is of night origin if there is such a tariff."""
    return round(stored_wh) if has_flat_night else 0


def _charged_at_night(flow: Flow) -> int | None:
    """None where the window's charge is not known: then all that is stored counts."""
    if not flow.night:
        return 0
    if flow.charge_wh is None:
        # an import bounds what can have been charged from the grid
        return flow.import_wh
    return flow.charge_wh if flow.import_wh is None else min(flow.charge_wh, flow.import_wh)


def _used_at_home(flow: Flow) -> int:
    """What certainly went from the battery into the house: discharge less all export."""
    if flow.discharge_wh is None or flow.export_wh is None:
        return 0
    return max(0, flow.discharge_wh - flow.export_wh)
