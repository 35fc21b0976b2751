"""Charging sessions: what was charged, from where, and for how much."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.dashboard.car import as_csv, body, sessions
from gateway.domain.readings import Snapshot
from gateway.store.car_quarters import CarPast, CarQuarter, read_car_past
from gateway.store.energies import Energies
from gateway.store.history import History
from gateway.store.minutes import Prices

START = datetime(2026, 6, 1, 8, tzinfo=UTC)


def at(n: int) -> datetime:
    return START + n * timedelta(minutes=15)


def quarter(
    n: int, energies: Energies, buying: float | None = 0.30, selling: float | None = 0.10
) -> CarQuarter:
    return CarQuarter(at(n), energies, buying, selling)


SUN = Energies(
    pv_wh=3000,
    load_wh=2500,
    import_wh=0,
    export_wh=500,
    charge_wh=0,
    discharge_wh=0,
    charger_wh=2000,
)
GRID = Energies(
    pv_wh=0, load_wh=2500, import_wh=2500, export_wh=0, charge_wh=0, discharge_wh=0, charger_wh=2000
)
MIXED = Energies(
    pv_wh=500,
    load_wh=2000,
    import_wh=1000,
    export_wh=0,
    charge_wh=0,
    discharge_wh=500,
    charger_wh=1000,
)


def test_sun_is_paid_by_what_it_would_have_earned() -> None:
    (sun,) = sessions(CarPast((quarter(0, SUN),)))
    assert (sun.sun_wh, sun.grid_wh, sun.cost) == (2000, 0, 0.2)
    (grid,) = sessions(CarPast((quarter(0, GRID),)))
    assert (grid.sun_wh, grid.grid_wh, round(grid.cost or 0, 9)) == (0, 2000, 0.6)
    (mixed,) = sessions(CarPast((quarter(0, MIXED),)))
    assert (mixed.sun_wh, mixed.battery_wh, mixed.grid_wh) == (250, 250, 500)


def test_a_session_lasts_while_a_car_stands_there() -> None:
    charged = (quarter(0, GRID), quarter(1, GRID), quarter(12, SUN), quarter(60, SUN))
    assert len(sessions(CarPast(charged))) == 2, (
        "three hours of waiting are a part, eleven are none"
    )
    assert [s.energy_wh for s in sessions(CarPast(charged, (at(5),)))] == [4000, 2000, 2000]


def test_a_price_that_was_not_known_leaves_the_cost_open() -> None:
    past = CarPast((quarter(0, GRID, buying=None), quarter(100, SUN, buying=None)))
    assert [s.cost for s in sessions(past)] == [None, 0.2]
    shown = body(sessions(past), "EUR", "Europe/Berlin")
    assert shown["cost"] is None
    assert [row["sun_pct"] for row in shown["sessions"]] == [100, 0]
    assert (
        as_csv(sessions(past)).splitlines()[1]
        == "2026-06-01T08:00:00Z,2026-06-01T08:15:00Z,2000,0,0,2000,"
    )


WH = st.none() | st.floats(0, 20_000)
ENERGIES = st.builds(Energies, WH, WH, WH, WH, WH, WH, st.floats(6, 5000))


@given(st.lists(ENERGIES, max_size=8))
def test_the_parts_are_the_whole(energies: list[Energies]) -> None:
    for s in sessions(CarPast(tuple(quarter(n, e) for n, e in enumerate(energies)))):
        assert min(s.sun_wh, s.grid_wh) >= 0
        assert s.battery_wh > -1e-6
        assert abs(s.sun_wh + s.battery_wh + s.grid_wh - s.energy_wh) < 1e-6


def test_it_is_read_from_the_history(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    for n in range(40):
        car_w = 6000.0 if n < 30 else 0.0
        seen = Snapshot(
            START + timedelta(minutes=n),
            {},
            0.0,
            0.0,
            None,
            6500.0,
            6500.0,
            car_w,
            True,
            None,
            None,
            None,
        )
        history.add(seen, Prices(0.30, 0.10))
    history.close()
    past = read_car_past(tmp_path / "history.sqlite", START, at(10))
    (found,) = sessions(past)
    assert (round(found.energy_wh), found.start, found.end) == (3000, START, at(2))
    assert round(found.cost or 0, 6) == 0.9
    assert read_car_past(tmp_path / "none.sqlite", START, at(10)) == CarPast()
