"""What the forecasts learn of awkward days: held-back sun, a stuck sensor, a new heat pump, an empty house."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gateway.config.tariff import Tariff
from gateway.domain.intervals import quarter
from gateway.domain.plan import Observed
from gateway.forecasts.away import while_away
from gateway.forecasts.clear_sky import clear_sky_wm2
from gateway.forecasts.held_back import unlimited
from gateway.forecasts.history import Array, history_of, quarter_index
from gateway.forecasts.load_pv import EnergyForecaster
from gateway.planner.outlook import Home, KnownPrices, build_outlook
from gateway.store.history import History
from gateway.tariff import TariffRules

BERLIN = ZoneInfo("Europe/Berlin")
PLACE = (52.5, 13.4)
BEGIN = datetime(2026, 5, 1, 22, tzinfo=UTC)  # midnight in Berlin
DAY = timedelta(days=1)


def sun_wh(days: int) -> Array:
    """Panels of 10 kW under skies that differ from day to day."""
    clear = clear_sky_wm2(PLACE, quarter_index(BEGIN), days * 96)
    cover = np.repeat(np.random.default_rng(3).uniform(0.55, 1.0, days), 96)
    return np.asarray(2.0 * clear * cover)


def days_of(load: Array, pv: Array, most_wh: float = np.inf) -> list[Observed]:
    """As a home measures it whose panels are held to ``most_wh`` a quarter-hour, and know it."""
    return [
        Observed(
            quarter(BEGIN + i * timedelta(minutes=15)),
            float(wh),
            float(min(sun, most_wh)),
            held_back=bool(sun > most_wh),
        )
        for i, (wh, sun) in enumerate(zip(load, pv, strict=True))
    ]


def expected_pv(past: list[Observed]) -> float:
    """kWh of the next day."""
    history = history_of(past, {}, past[-1].interval.end)
    return float(EnergyForecaster(BERLIN, PLACE).pv(history, 96)[:, 1].sum()) / 1000


@pytest.mark.parametrize("most_w", [0.0, 1_500.0, 4_000.0])
def test_sun_that_was_held_back_is_not_learnt_as_weak_sun(most_w: float) -> None:
    """Three weeks at an export limit; the next day nothing holds it back. 44 kWh were forecast, 83 came."""
    days = 21
    pv, load = sun_wh(days), np.full(days * 96, 100.0)
    free = expected_pv(days_of(load, pv))
    held = expected_pv(days_of(load, pv, most_w / 4))
    forgotten = [replace(o, held_back=False) for o in days_of(load, pv, most_w / 4)]
    assert held == pytest.approx(free, rel=0.25 if most_w else 0.6)
    if most_w <= 1_500:
        assert expected_pv(forgotten) < 0.75 * free, "as it was"


def test_an_estimate_is_never_below_what_was_measured() -> None:
    pv = sun_wh(3)
    held = pv > 500
    sky = clear_sky_wm2(PLACE, quarter_index(BEGIN), pv.size)
    measured = np.minimum(pv, 500)
    made = unlimited(measured, held, sky)
    assert (made >= measured).all()
    assert (made[~held] == measured[~held]).all()
    assert made.sum() == pytest.approx(pv.sum(), rel=0.1)


def test_the_marks_outlive_a_restart(tmp_path: Path) -> None:
    row = Observed(quarter(BEGIN), 100.0, 200.0, held_back=True, away=True)
    store = History(tmp_path / "history.sqlite")
    store.add_quarter(row)
    store.close()
    assert History(tmp_path / "history.sqlite").quarters(BEGIN) == [row]


def evening_home(days: int, more_w: float = 0.0) -> Array:
    """A base and an evening; ``more_w`` on top at all hours."""
    hours = (np.arange(days * 96) % 96) / 4
    noise = np.random.default_rng(5).normal(0, 8, days * 96)
    evening = 300.0 * ((hours >= 18) & (hours < 22))
    return np.asarray(80.0 + evening + noise + more_w / 4)


def expected_load(past: list[Observed]) -> Array:
    history = history_of(past, {}, past[-1].interval.end)
    return EnergyForecaster(BERLIN, PLACE).load(history, 96)[:, 1]


def test_a_load_that_stood_at_zero_for_a_day_is_not_believed() -> None:
    for known in (2, 10):  # also where that is half of all that is known
        load = evening_home(known)
        load[-96:] = 0.0
        assert expected_load(days_of(load, np.zeros(load.size))).sum() > 0.7 * 80 * 96


def test_a_heat_pump_is_known_after_two_days_and_calm_is_kept() -> None:
    """2 kW more from one day to the next; and one loud evening does not make a loud week."""
    load = np.concatenate([evening_home(14), evening_home(2, 2_000.0)])
    pumped = expected_load(days_of(load, np.zeros(load.size)))
    true = evening_home(1, 2_000.0)
    assert np.abs(pumped - true).mean() < 0.15 * true.mean()
    calm = evening_home(15)
    calm[-16:-8] += 375.0  # a party, of which the next day knows nothing
    assert (
        expected_load(days_of(calm, np.zeros(calm.size)))[8:].sum() < 1.25 * evening_home(1).sum()
    )


def test_an_empty_house_needs_what_it_needs_at_night() -> None:
    """And its days are not learnt: after the holiday the evening is expected as before."""
    load = evening_home(14)
    past = days_of(load, np.zeros(load.size))
    now = past[-1].interval.end
    tariff = TariffRules(Tariff.model_validate({}), BERLIN)
    outlook = build_outlook(now, past, KnownPrices(), tariff, Home(None))
    away = while_away(outlook, past, BERLIN)
    assert max(f.load_wh[1] for f in away.forecasts) == pytest.approx(80, rel=0.1)
    gone = [
        Observed(quarter(now + i * timedelta(minutes=15)), 30.0, 0.0, away=True)
        for i in range(7 * 96)
    ]
    back = expected_load(past + gone)
    assert back.sum() == pytest.approx(evening_home(1).sum(), rel=0.15)
    still = while_away(replace(outlook, now=now + 7 * DAY), past + gone, BERLIN)
    assert still.forecasts[0].load_wh[1] == pytest.approx(30)


def test_the_night_of_an_inverter_that_sleeps_is_learnt() -> None:
    """It answers nothing at night, and no place is configured: by day it is, at night nothing is expected."""
    pv = sun_wh(5)
    past = [
        replace(o, pv_wh=None) if (o.pv_wh or 0) < 1 else o
        for o in days_of(np.full(pv.size, 90.0), pv)
    ]
    history = history_of(past, {}, past[-1].interval.end)
    made = EnergyForecaster(BERLIN).pv(history, 96)[:, 1]
    assert made[:16].max() == 0
    assert made.sum() == pytest.approx(pv[-96:].sum(), rel=0.6)


def test_snow_on_the_panels_is_known_after_a_day_and_forgotten_a_day_after_it_is_gone() -> None:
    pv = sun_wh(20)
    load = np.full(pv.size, 100.0)
    usual = expected_pv(days_of(load, pv))
    white = pv.copy()
    white[-2 * 96 :] = 0.0
    assert expected_pv(days_of(load, white)) < 0.4 * usual
    melted = pv.copy()
    melted[-4 * 96 : -96] = 0.0
    assert expected_pv(days_of(load, melted)) > 0.4 * usual
