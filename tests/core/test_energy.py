"""Quarter energies for the planner: the car is left out, a gap is not filled with guesses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.domain.plan import Observed
from gateway.domain.readings import Snapshot
from gateway.metering.energy import QuarterEnergy

START = datetime(2026, 6, 1, tzinfo=UTC)


def at(seconds: float, load: float | None, pv: float | None, car: float | None = 0) -> Snapshot:
    time = START + timedelta(seconds=seconds)
    return Snapshot(time, {}, pv, 0, 50, 0, load, car, None, None, None, None)


def feed(snapshots: list[Snapshot]) -> list[Observed]:
    energy = QuarterEnergy()
    return [done.observed for s in snapshots if (done := energy.add(s))]


def test_the_battery_is_counted_by_direction() -> None:
    energy = QuarterEnergy()
    flows = [
        done
        for s in range(0, 901, 10)
        if (done := energy.add(replace(at(s, 0, 0), battery_w=1_000 if s < 450 else -2_000)))
    ]
    assert round(flows[0].discharge_wh or -1, 6) == 125
    assert round(flows[0].charge_wh or -1, 6) == 250


def test_power_becomes_energy_and_the_car_is_left_out() -> None:
    done = feed([at(s, 8_000, 2_000, car=7_000) for s in range(0, 1_801, 10)])
    assert [round(o.load_wh or -1, 6) for o in done] == [250, 250]
    assert [round(o.pv_wh or -1, 6) for o in done] == [500, 500]


def test_a_quarter_seen_in_part_is_not_known() -> None:
    done = feed([at(s, 1_000, None if s < 300 else 1_000) for s in range(0, 901, 10)])
    assert done[0].load_wh is not None
    assert done[0].pv_wh is None


def test_a_long_silence_is_not_filled() -> None:
    done = feed([at(0, 1_000, 0), at(10, 1_000, 0), at(800, 1_000, 0), at(900, 1_000, 0)])
    assert done[0].load_wh is None
