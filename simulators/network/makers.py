"""The makers of cars and the plug: when each announced, gave adapters, and built the inlet in.

Announcements are public record. Adapter dates: TechCrunch's list (March 2025), Green Car Reports
(January 2025) and the makers' releases; those after mid-2025, and all years of inlets after 2025,
are [A]. Sales: Cox Automotive / Kelley Blue Book totals (1.19 million in 2023, 1.30 million in
2024), by maker from their releases, rounded, in thousands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from simulators.network.scenario import Scenario

FIRST_MAKER = "Tesla"


@dataclass(frozen=True, slots=True)
class Maker:
    """A maker. ``fleet_2022`` and sales are thousands of battery cars in the United States."""

    name: str
    announced: date
    adapter: date
    native: date
    fleet_2022: float
    sales_2023: float
    sales_2024: float


MAKERS = (
    Maker("Tesla", date(2012, 9, 24), date(2012, 9, 24), date(2012, 9, 24), 1750, 655, 634),
    Maker("Ford", date(2023, 5, 25), date(2024, 2, 29), date(2027, 1, 1), 110, 73, 98),
    Maker("GM", date(2023, 6, 8), date(2024, 9, 18), date(2025, 7, 1), 160, 76, 114),
    Maker("Rivian", date(2023, 6, 20), date(2024, 3, 18), date(2025, 7, 1), 22, 46, 51),
    Maker("Volvo", date(2023, 6, 27), date(2024, 10, 29), date(2026, 1, 1), 22, 14, 14),
    Maker("Mercedes", date(2023, 7, 7), date(2025, 2, 6), date(2025, 10, 1), 15, 40, 27),
    Maker("Nissan", date(2023, 7, 19), date(2024, 12, 4), date(2025, 9, 1), 170, 21, 31),
    Maker("Polestar", date(2023, 7, 1), date(2024, 10, 30), date(2026, 1, 1), 13, 12, 6),
    Maker("Honda", date(2023, 9, 7), date(2025, 6, 1), date(2026, 1, 1), 5, 0, 40),
    Maker("Hyundai", date(2023, 10, 5), date(2025, 3, 1), date(2025, 2, 1), 70, 63, 68),
    Maker("Kia", date(2023, 10, 5), date(2025, 3, 1), date(2025, 4, 1), 55, 29, 56),
    Maker("BMW", date(2023, 10, 17), date(2025, 12, 1), date(2026, 1, 1), 60, 45, 51),
    Maker("Toyota", date(2023, 10, 19), date(2025, 7, 1), date(2025, 9, 1), 5, 15, 26),
    Maker("Subaru", date(2023, 11, 1), date(2025, 7, 1), date(2025, 9, 1), 1, 9, 12),
    Maker("Lucid", date(2023, 11, 6), date(2025, 7, 31), date(2025, 1, 1), 4, 5, 7),
    Maker("VW", date(2023, 12, 19), date(2025, 8, 18), date(2026, 1, 1), 140, 71, 50),
    Maker("Stellantis", date(2024, 2, 12), date(2026, 1, 1), date(2026, 7, 1), 25, 4, 12),
)
ADAPTER_USE = 0.5  # [A] of the drivers who could have an adapter, those who have and use it
SCRAPPED = 0.03  # [A] of the fleet, a year
SALES_GROWTH = {2025: 0.0, 2026: -0.10, 2027: 0.03, 2028: 0.08, 2029: 0.08, 2030: 0.08}  # [A]


def sales(maker: Maker, year: int) -> float:
    """Thousands sold in the year."""
    if year <= 2023:
        return maker.sales_2023
    sold = maker.sales_2024
    for y in range(2025, year + 1):
        sold *= 1 + SALES_GROWTH.get(y, 0.05)
    return sold


def fleet(maker: Maker, year: int) -> tuple[float, float]:
    """Thousands on the road at mid-year: all of the maker's, and those with the inlet built in."""
    count, native = maker.fleet_2022, maker.fleet_2022 if maker.native.year < 2023 else 0.0
    for y in range(2023, year + 1):
        part = 0.5 if y == year else 1.0
        new = sales(maker, y) * part
        kept = 1 - SCRAPPED * part
        built_in = min(1.0, max(0.0, _years_since(maker.native, y, part)))
        count, native = count * kept + new, native * kept + new * built_in
    return count, native


def _years_since(day: date, year: int, part: float) -> float:
    """The part of the (part of the) year after ``day``."""
    begin = (day - date(year, 1, 1)).days / 365
    return (part - max(begin, 0.0)) / part


def _open(day: date, year: int) -> float:
    """The part of the year on which ``day`` has passed."""
    return min(1.0, max(0.0, _years_since(day, year, 1.0)))


def with_access(maker: Maker, year: int, scenario: Scenario) -> float:
    """Thousands of the maker's cars that can use the sites, in the mean of the year."""
    count, native = fleet(maker, year)
    if maker.name == FIRST_MAKER:
        return count
    if not scenario.switches.nacs:
        return 0.0
    return native + (count - native) * ADAPTER_USE * _open(maker.adapter, year)


def nacs_share(year: int, scenario: Scenario) -> float:
    """The share of battery cars on the road that can plug in at the network's sites."""
    return reached(year, scenario) / sum(fleet(m, year)[0] for m in MAKERS)


def reached(year: int, scenario: Scenario) -> float:
    """Thousands of cars that can come to the sites, in the United States."""
    return sum(with_access(m, year, scenario) for m in MAKERS)


def traffic(year: int, scenario: Scenario) -> float:
    """Cars in the United States, thousands, each counted by how much it comes to the sites."""
    first = fleet(MAKERS[0], year)[0]
    return first + scenario.sites.others_use * (reached(year, scenario) - first)


def others_share(year: int, scenario: Scenario) -> float:
    """The share of the sites' traffic that is not of the first make."""
    return 1 - fleet(MAKERS[0], year)[0] / traffic(year, scenario)


def inlet_share(year: int) -> float:
    """The share of battery cars on the road with the inlet built in."""
    return sum(fleet(m, year)[1] for m in MAKERS) / sum(fleet(m, year)[0] for m in MAKERS)
