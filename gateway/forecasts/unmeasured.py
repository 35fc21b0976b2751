"""What a new home's plan does not know yet, in words: house and sun are guesses until a day of each was measured. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain.plan import Observed
from gateway.forecasts.history import DAY
from gateway.forecasts.load_pv import UNKNOWN_HOME, USUAL_PANELS, Usual

_QUARTERS_A_YEAR = 35_040
_USUAL_PANELS_W = 5_000.0  # what `USUAL_PANELS` stands for


def guesses(past: Sequence[Observed], usual: Usual, *, has_panels: bool) -> tuple[str, ...]:
    """One sentence for the house and one for the sun, as long as less than a day of it is in ``past``; empty after that.

    ``has_panels``: something in the home measures them.
    """
    load = sum(row.load_wh is not None for row in past)
    sun = sum(row.pv_wh is not None for row in past)
    found = []
    if load < DAY:
        yearly = usual.load_wh * _QUARTERS_A_YEAR / 1000
        own = usual.load_wh != UNKNOWN_HOME.load_wh
        found.append(
            f"the house's need is {'your own figure' if own else 'a guess'} until a day was measured: {yearly:,.0f} kWh a year"
            + ("" if own else " (household.yearly_kwh says it better)")
        )
    if has_panels and sun < DAY:
        size = usual.panels / USUAL_PANELS * _USUAL_PANELS_W / 1000
        found.append(
            f"the sun is {'reckoned from your figure' if usual.panels_known else 'a guess'} until a day was measured: {size:g} kW of panels"
            + ("" if usual.panels_known else " (household.panels_w says it better)")
        )
    return tuple(found)
