"""What electricity usually costs a household, by currency: to ask about what can hardly be meant.

Bands are generous: from about a third of the cheapest to three times the dearest that households were charged in
2024 and 2025, energy, grid and taxes together. They are estimates for a question and for nothing that is reckoned: the
figures were not looked up one by one. Who knows better in a country changes the row; where it can be looked up: Eurostat
nrg_pc_204, Ofgem's price cap, US EIA Electric Power Monthly table 5.6.A, the regulator or statistics office elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Band:
    """Per kWh: what is usual, and outside what nobody believes it without being asked."""

    usual: float
    low: float
    high: float


BANDS = {
    "EUR": Band(0.29, 0.03, 1.0),
    "USD": Band(0.17, 0.02, 1.2),
    "GBP": Band(0.25, 0.03, 1.0),
    "CHF": Band(0.29, 0.05, 1.2),
    "AUD": Band(0.32, 0.03, 1.8),
    "NZD": Band(0.33, 0.04, 1.5),
    "CAD": Band(0.17, 0.02, 1.0),
    "SEK": Band(2.2, 0.2, 12.0),
    "NOK": Band(1.6, 0.1, 12.0),
    "DKK": Band(2.7, 0.3, 12.0),
    "PLN": Band(1.1, 0.15, 5.0),
    "CZK": Band(7.0, 0.8, 30.0),
    "HUF": Band(40.0, 8.0, 250.0),
    "RON": Band(1.1, 0.2, 5.0),
    "BGN": Band(0.26, 0.04, 1.2),
    "ISK": Band(22.0, 4.0, 90.0),
    "RSD": Band(12.0, 2.0, 60.0),
    "TRY": Band(2.6, 0.4, 15.0),
    "JPY": Band(33.0, 6.0, 130.0),
    "KRW": Band(160.0, 30.0, 900.0),
    "CNY": Band(0.55, 0.1, 3.0),
    "INR": Band(7.0, 1.0, 30.0),
    "MXN": Band(2.0, 0.3, 12.0),
    "BRL": Band(0.85, 0.15, 4.0),
    "ZAR": Band(3.0, 0.4, 12.0),
}


def band(currency: str) -> Band | None:
    """The band of an ISO 4217 code; None where nothing is known of it."""
    return BANDS.get(currency.upper())
