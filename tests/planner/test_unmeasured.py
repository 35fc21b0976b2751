"""A new home's plan says what it does not know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.intervals import quarters
from gateway.domain.plan import Observed
from gateway.forecasts.load_pv import UNKNOWN_HOME, USUAL_PANELS, Usual
from gateway.forecasts.unmeasured import guesses

START = datetime(2026, 6, 1, tzinfo=UTC)
STATED = Usual(4_000_000 / 35_040, USUAL_PANELS * 9.8 / 5, panels_known=True)


def past(hours: int, pv_wh: float | None = 100.0) -> list[Observed]:
    return [Observed(q, 90.0, pv_wh) for q in quarters(START, START + timedelta(hours=hours))]


def test_until_a_day_was_measured_both_are_guesses() -> None:
    for hours in (0, 23):
        house, sun = guesses(past(hours), UNKNOWN_HOME, has_panels=True)
        assert "3,084 kWh a year (household.yearly_kwh" in house.text
        assert "5 kW of panels (household.panels_w" in sun.text
    assert guesses(past(24), UNKNOWN_HOME, has_panels=True) == ()


def test_what_the_owner_said_is_named() -> None:
    house, sun = guesses([], STATED, has_panels=True)
    assert house.text.endswith("your own figure until a day was measured: 4,000 kWh a year")
    assert sun.text.endswith("9.8 kW of panels")


def test_no_panels_no_word_of_them() -> None:
    [house] = guesses([], UNKNOWN_HOME, has_panels=False)
    assert "kWh a year" in house.text
    [sun] = guesses(past(30, None), UNKNOWN_HOME, has_panels=True)
    assert "panels" in sun.text
