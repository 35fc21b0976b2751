"""Adoption, queue, makers, sites, data centre, night plan: each alone."""

from __future__ import annotations

from dataclasses import replace
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.network import adoption, data_centre, makers, retailer, sites
from simulators.network.charts import nice_ticks
from simulators.network.homes import shapes
from simulators.network.market import Tariffs, in_window
from simulators.network.queue import SERVICE_CV2, queue
from simulators.network.scenario import Scenario
from simulators.network.series import HOURS, synthetic_year
from tests.network.markets import scenario


@given(
    st.floats(0.1, 99), st.floats(0.1, 99), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)
)  # fmt: skip
def test_adoption_is_monotone_in_payback(
    one: float, other: float, share: float, p: float, q: float, s: float
) -> None:
    chosen = scenario(adoption={"innovation": p / 2, "imitation": q, "payback_sensitivity": s})
    quick, slow = adoption.hazard(chosen, np.array(sorted([one, other])), share)
    assert 0 <= slow <= quick <= 1


@given(st.floats(1, 1e5), st.floats(-1e3, 1e5), st.floats(0, 1e4))
def test_more_saved_is_paid_back_sooner(cost: float, saved: float, more: float) -> None:
    before, after = adoption.payback_years(np.array([cost, cost]), np.array([saved, saved + more]))
    assert 0 < after <= before <= adoption.LONGEST_YEARS * (1 + 1e-9)


@given(st.floats(0, 5e6), st.floats(1, 5e6))
def test_credits_are_shared_and_never_more_than_promised(homes: float, more: float) -> None:
    s = Scenario()
    one, other = adoption.credit_usd(s, homes), adoption.credit_usd(s, homes + more)
    assert 0 < other <= one <= s.credits.usd_per_home
    assert (homes + more) * other <= s.credits.usd_per_home * max(
        s.credits.need_mw / s.credits.kw_per_home * 1e3, 1
    ) * (1 + 1e-9)


def test_a_kwh_costs_less_with_time_with_learning_and_with_the_tax_credit() -> None:
    s = Scenario()
    cost = adoption.battery_usd_per_kwh(s, 2023, 2023, 0.0)
    assert cost == pytest.approx(1050 * 0.7)
    assert adoption.battery_usd_per_kwh(s, 2023, 2023, s.hardware.other_homes) == pytest.approx(
        cost * (1 - s.hardware.learning_rate)
    )
    assert adoption.battery_usd_per_kwh(s, 2023, 2026, 0.0) == pytest.approx(1050 * 0.97**3)


@given(st.integers(1, 30), st.floats(0.05, 0.9))
def test_patient_cars_wait_as_erlang_says(stalls: int, load: float) -> None:
    """Without impatience the queue is Erlang C, stretched for the shorter spread of service times."""
    offered = stalls * load
    last = offered**stalls / factorial(stalls) / (1 - load)
    wait_chance = last / (sum(offered**k / factorial(k) for k in range(stalls)) + last)
    wait_h = wait_chance / (stalls * 2.0 - offered * 2.0)  # two cars an hour at each plug
    q = queue(offered * 2.0, 2.0, stalls, 1e9)
    assert q.wait_min == pytest.approx(wait_h * 60 * (1 + SERVICE_CV2) / 2, rel=1e-3, abs=1e-9)
    assert q.use == pytest.approx(load, rel=1e-6)


@given(st.floats(0, 500), st.integers(1, 40), st.floats(1, 120))
def test_no_more_cars_are_served_than_come_or_fit(
    come: float, stalls: int, patience: float
) -> None:
    q = queue(come, 2.0, stalls, patience)
    assert 0 <= q.served_per_h <= come + 1e-9
    assert 0 <= q.lost_share <= 1
    assert 0 <= q.use <= 1 + 1e-9


def test_makers_come_in_the_order_of_the_record() -> None:
    by_name = {m.name: m for m in makers.MAKERS}
    order = [
        "Ford",
        "GM",
        "Rivian",
        "Honda",
        "Hyundai",
        "BMW",
        "Toyota",
        "Subaru",
        "Lucid",
        "VW",
        "Stellantis",
    ]
    days = [by_name[name].announced for name in order]
    assert days == sorted(days)
    shares = [makers.nacs_share(year, Scenario()) for year in range(2023, 2031)]
    assert shares == sorted(shares)
    assert 0.5 < shares[0] < 0.75
    assert shares[-1] > 0.85
    alone = scenario(switches={"nacs": False})
    assert makers.nacs_share(2030, alone) < makers.nacs_share(2023, alone)
    for year in (2023, 2030):
        for maker in makers.MAKERS:
            count, native = makers.fleet(maker, year)
            assert 0 <= native <= count + 1e-9


def test_a_stall_gives_what_was_reported_for_2025() -> None:
    year = sites.site_year(Scenario(), 2025)
    assert year.kwh_per_stall_day == pytest.approx(245, rel=0.1)
    crowded = sites.site_year(scenario(sites={"sessions_a_car": 150.0}), 2025)
    assert crowded.lost_share > 0.02
    assert crowded.kwh_per_stall_day < 72 * 24
    dear = sites.site_year(Scenario(), 2025, price_change=0.5)
    assert dear.energy_mw.sum() == pytest.approx(0.8 * year.energy_mw.sum(), rel=0.02)


def test_an_own_battery_and_cheap_hours_lower_what_a_kwh_costs() -> None:
    year = sites.site_year(Scenario(), 2025)
    price = 30 + 25 * np.sin(2 * np.pi * (np.arange(HOURS) % 24 - 13) / 24)
    cost = sites.site_cost(Scenario(), year, price)
    assert cost.exchange_battery < cost.exchange
    dearer = sites.site_cost(Scenario(), year, price + 10)
    assert dearer.exchange - cost.exchange == pytest.approx(0.01)
    assert dearer.contract == cost.contract


def test_two_histories_of_the_data_centre() -> None:
    s = Scenario()
    announced = data_centre.computing_mw("as announced", 2024)
    assert announced[-1] == pytest.approx(100 * 120 / 1.08 * 15e-3)
    came = data_centre.computing_mw("as it came", 2026)
    assert came[24 * 40] == pytest.approx(500)
    steady, pausing = data_centre.demand_mw(s, "as it came", 2026)
    assert steady[-1] + pausing[-1] == pytest.approx(500 * s.data_centre.pue)
    assert data_centre.demand_mw(s, "none", 2030)[0].max() == 0


def test_the_night_plan_earns_less_with_rebound_and_more_with_the_fee() -> None:
    def margin(**plan: float) -> float:
        s = scenario(night_plan=plan)
        year = retailer.night_plan(s, habits, Tariffs(0.095, 0.05, 0.01, 0.9), price, 1000)
        return year.margin

    series = synthetic_year(Scenario().market, 2024, 1)
    habits = shapes(series, 1)
    price = np.full(HOURS, 35.0)
    usual = margin()
    assert margin(rebound=0.5) < usual < margin(rebound=0.0)
    assert margin(fee_usd_per_month=31.0) - usual == pytest.approx(12_000)
    assert margin(begins=20) < usual  # a longer window gives more away


@given(st.integers(0, 23), st.integers(0, 23))
def test_a_window_may_wrap_midnight(begins: int, ends: int) -> None:
    assert in_window(begins, ends).sum() == (ends - begins) % 24
    assert not in_window(begins, ends)[ends]


def test_a_dearer_purchase_makes_a_dearer_tariff_only_with_feedback() -> None:
    t = Tariffs(0.095, 0.05, 0.01, 0.9)
    assert (
        retailer.next_tariffs(Scenario(), t, 0.05).energy
        > retailer.next_tariffs(Scenario(), t, 0.04).energy
    )
    off = scenario(switches={"retail_feedback": False})
    assert retailer.next_tariffs(off, t, 0.5) == replace(t)


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ticks_cover_the_values(low: float, size: float) -> None:
    ticks = nice_ticks(low, low + size)
    unseen = 1e-6 * (abs(low) + size) + 1e-9  # a millionth of the axis is less than a pixel
    assert ticks[0] <= low + unseen
    assert ticks[-1] >= low + size - unseen
    assert ticks == sorted(ticks)
    assert len(ticks) < 12
