"""Two cars under one fuse: who must begin first does not keep from it who leaves first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.control.charging import wished
from gateway.domain.intervals import QUARTER, Interval
from gateway.domain.plan import CarNeed, Forecast, Outlook
from gateway.planner import strategy

NOW = datetime(2026, 6, 1, 18, tzinfo=UTC)
HOUSE_WH, FUSE_W = 100.0, 3_400.0


def test_who_leaves_first_is_not_kept_from_the_fuse() -> None:
    """The later one has the most to charge and must begin first; planned first, it would take the cheap hours that the other
    needs, and leave it 1.5 kWh short."""
    soon = CarNeed(2_613.0, NOW + timedelta(hours=3, minutes=15), 3_700, 0.0, name="soon")
    later = CarNeed(13_500.0, NOW + timedelta(hours=6), 3_700, 0.0, name="later")
    prices = [30.0] * 13 + [200.0] * 11
    forecasts = tuple(
        Forecast(
            Interval(NOW + i * QUARTER, NOW + (i + 1) * QUARTER),
            (HOUSE_WH, HOUSE_WH, HOUSE_WH), (0.0, 0.0, 0.0), price, 0.0, price,
        )
        for i, price in enumerate(prices)
    )  # fmt: skip
    cars = wished({"soon": soon, "later": later})
    assert cars[0] == later, "the order in which they come to the planner"
    outlook = Outlook(NOW, forecasts, None, 0.0, 0.0, cars=cars, import_limit_w=FUSE_W)
    plan = strategy("value").plan(outlook)
    assert not plan.notes
    charged = sum(one.car_wh for one in plan.schedule)
    assert abs(charged - soon.energy_wh - later.energy_wh) < 20
    assert all(one.grid_wh <= FUSE_W / 4 + 1 for one in plan.schedule)
