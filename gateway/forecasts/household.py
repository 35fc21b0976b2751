"""What the user says of the household: its holidays, how much it needs a year, how large its panels are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from gateway.config.settings import Settings
from gateway.errors import ConfigError
from gateway.forecasts.drivers import RestDay, weekend
from gateway.forecasts.load_pv import USUAL_PANELS, EnergyForecaster, Usual
from gateway.forecasts.variants import USUAL, Variant

_QUARTERS_A_YEAR = 365 * 96


@dataclass(frozen=True, slots=True)
class Holidays:
    """Weekends, and the public holidays of a country or a part of it (ISO 3166 codes)."""

    country: str
    subdivision: str | None = None
    _known: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ConfigError for an unknown code, or where the library is not installed."""
        try:
            import holidays  # noqa: PLC0415 - an extra, needed only here
        except ImportError as error:
            raise ConfigError(
                "household.country needs the holidays library: pip install 'home-energy-gateway[holidays]'"
            ) from error
        try:
            known = holidays.country_holidays(self.country, subdiv=self.subdivision)
        except NotImplementedError as error:
            raise ConfigError(
                f"household.country: {error}; use ISO 3166 codes such as country = 'DE', subdivision = 'BY'"
            ) from error
        object.__setattr__(self, "_known", known)

    def __call__(self, day: date) -> bool:
        return weekend(day) or day in self._known


def rest_days(settings: Settings) -> RestDay:
    """On which days most do not work; raises ConfigError."""
    home = settings.household
    return weekend if home.country is None else Holidays(home.country, home.subdivision)


def usual(settings: Settings) -> Usual:
    """What is expected before anything was measured."""
    home, known = settings.household, Usual()
    load = known.load_wh
    if home.yearly_kwh is not None:
        load = home.yearly_kwh * 1000 / _QUARTERS_A_YEAR
    if home.panels_w is None:
        return Usual(load)
    return Usual(load, USUAL_PANELS * home.panels_w / 5_000, panels_known=True)


def forecaster_of(settings: Settings, variant: Variant = USUAL) -> EnergyForecaster:
    """The home's own forecaster; raises ConfigError."""
    zone, place = ZoneInfo(settings.site.time_zone), settings.site.place
    return EnergyForecaster(zone, place, rest_days(settings), usual(settings), variant.regression)
