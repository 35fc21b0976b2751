"""The tariff by local rules, its odd days among them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.config.tariff import Tariff
from gateway.domain.intervals import Interval, quarter
from gateway.tariff import TariffRules

CHICAGO = ZoneInfo("America/Chicago")


def rules(**parts: Any) -> TariffRules:
    return TariffRules(Tariff.model_validate(parts), CHICAGO)


def local(day: int, hour: int, minute: int = 0, month: int = 7) -> Interval:
    return quarter(datetime(2024, month, day, hour, minute, tzinfo=CHICAGO).astimezone(UTC))


def test_flat_price_with_tax() -> None:
    tariff = rules(import_price={"kind": "flat", "per_kwh": "0.14"}, tax_pct="10")
    assert tariff.import_price(local(1, 12)) == pytest.approx(154)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (local(1, 16), 300),  # Monday in summer
        (local(1, 20, 45), 300),
        (local(1, 21), 120),  # half-open
        (local(6, 16), 120),  # Saturday
        (local(8, 16, month=1), 120),  # Monday in winter
        (local(1, 23), 60),  # the window wraps midnight
        (local(1, 5, 45), 60),
        (local(1, 6), 120),
    ],
)
def test_time_of_use_by_weekday_season_and_wrapping_window(at: Interval, expected: float) -> None:
    tariff = rules(
        import_price={
            "kind": "time_of_use",
            "otherwise_per_kwh": "0.12",
            "periods": [
                {
                    "from": "16:00",
                    "to": "21:00",
                    "per_kwh": "0.30",
                    "days": ["mon", "tue", "wed", "thu", "fri"],
                    "months": [6, 7, 8, 9],
                },
                {"from": "22:00", "to": "06:00", "per_kwh": "0.06"},
            ],
        }
    )
    assert tariff.import_price(at) == pytest.approx(expected)


def test_local_rules_follow_daylight_saving() -> None:
    tariff = rules(flat_night={})
    spring = datetime(2024, 3, 10, 0, tzinfo=CHICAGO).astimezone(UTC)
    hours = [
        tariff.is_flat_night(quarter(spring + i * timedelta(minutes=15))) for i in range(23 * 4)
    ]
    assert sum(hours) == (8 - 1) * 4  # one hour of that night does not exist


def test_wholesale_passes_negative_prices_through() -> None:
    tariff = rules(
        import_price={"kind": "wholesale", "adder_per_kwh": "0.045"},
        export_price={"kind": "wholesale"},
    )
    assert tariff.import_price(local(1, 3), market=-60.0) == pytest.approx(-15)
    assert tariff.export_price(local(1, 3), market=-60.0) == pytest.approx(-60)
    assert tariff.import_price(local(1, 3)) is None


def test_published_price_and_night_window() -> None:
    tariff = rules(
        import_price={"kind": "flat", "per_kwh": "0.14"},
        export_price={"kind": "published"},
        flat_night={"from": "22:00", "to": "06:00"},
    )
    assert tariff.export_price(local(1, 3), market=30.0, published=25.0) == 25.0
    assert tariff.export_price(local(1, 3), market=30.0) is None, "the market's is another price"
    assert tariff.import_price(local(1, 23)) == 0.0
    assert tariff.import_price(local(1, 6)) == pytest.approx(140)
