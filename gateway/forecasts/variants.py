"""Ways to forecast that differ in one thing, so that a home can find out which one suits it (`gateway.backtest.trial`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variant:
    """``regression`` is the share of the regression in the forecast of load and PV, the rest is the plain mean of the
    days before; ``alike`` the share of like hours in what is expected of the market's price. ``words`` say so."""

    name: str
    words: str
    regression: float = 0.5
    alike: float = 0.5


USUAL = Variant("usual", "the usual forecasts")
VARIANTS = (
    USUAL,
    Variant("plain", "load and sun as the mean of the last days", regression=0.0),
    Variant("regression", "load and sun by the regression alone", regression=1.0),
    Variant("all-hours", "prices as they deviate at any hour", alike=0.0),
)
BY_NAME = {variant.name: variant for variant in VARIANTS}
