"""What a new home's plan does not know yet, in words: house and sun are guesses until a day of each was measured. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain.plan import Observed
from gateway.domain.sentences import Sentence, sentence
from gateway.forecasts.history import DAY
from gateway.forecasts.load_pv import UNKNOWN_HOME, USUAL_PANELS, Usual

_QUARTERS_A_YEAR = 35_040
_USUAL_PANELS_W = 5_000.0  # what `USUAL_PANELS` stands for


def guesses(past: Sequence[Observed], usual: Usual, *, has_panels: bool) -> tuple[Sentence, ...]:
    """One sentence for the house and one for the sun, as long as less than a day of it is in ``past``; empty after that.

    ``has_panels``: something in the home measures them.
    """
    load = sum(row.load_wh is not None for row in past)
    sun = sum(row.pv_wh is not None for row in past)
    found = []
    if load < DAY:
        yearly = usual.load_wh * _QUARTERS_A_YEAR / 1000
        own = usual.load_wh != UNKNOWN_HOME.load_wh
        found.append(sentence("guess.own_house" if own else "guess.house", count=f"{yearly:,.0f}"))
    if has_panels and sun < DAY:
        size = usual.panels / USUAL_PANELS * _USUAL_PANELS_W / 1000
        code = "guess.own_sun" if usual.panels_known else "guess.sun"
        found.append(sentence(code, size=f"{size:g}"))
    return tuple(found)
