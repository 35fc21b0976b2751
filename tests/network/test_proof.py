"""The light home that is laid beside a full gateway keeps the gateway's rules and physics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulators.network.proof import Days, light

QUARTERS = 96


def days(sell_usd_per_mwh: float, car_kwh: float = 0.0, pv_kwh: float = 0.0) -> Days:
    """A day of a house that needs 400 W; a car charges from 1:00 to 2:00, the sun shines from 10:00 to 15:00."""
    zeros = np.zeros(QUARTERS)
    car, sun, price = zeros.copy(), zeros.copy(), np.full(QUARTERS, sell_usd_per_mwh)
    car[4:8] = car_kwh / 4
    sun[40:60] = pv_kwh / 20
    load = np.full(QUARTERS, 0.1)
    return Days(
        np.floor(np.arange(QUARTERS, dtype=np.float64) / 4),
        load,
        car,
        sun,
        price,
        price,
        zeros,
        zeros,
        10.0,
        {},
    )


def test_the_car_is_not_charged_from_the_battery() -> None:
    without, beside = light(days(20.0), 20.0), light(days(20.0, car_kwh=8.0), 20.0)
    assert beside["import"] - without["import"] == pytest.approx(8.0)
    assert beside["discharge"] == pytest.approx(without["discharge"])


def test_an_unforeseen_price_is_sold_at_and_a_low_one_covers_the_house() -> None:
    cheap = days(20.0)
    dear = replace(cheap, sell=np.full(QUARTERS, 900.0))
    assert light(cheap, 20.0)["export"] == pytest.approx(0)
    assert light(dear, 20.0)["export"] > 3.0


def test_a_stored_surplus_never_went_through_the_inverter() -> None:
    """30 kWh of sun: what the house does not need fills the battery first, at 97.5 % of the panels' own energy."""
    sunny = replace(days(20.0, pv_kwh=30.0), stored_kwh=2.7)
    got = light(sunny, 20.0)
    surplus_kwh = 30.0 * 0.97 - 20 * 0.103  # at the AC side, what runs by itself too
    filled_kwh = (13.5 - 2.7 + 0.008 * 15) / (0.975 / 0.97)
    assert got["export"] == pytest.approx(surplus_kwh - filled_kwh, abs=0.25)
