"""What a home with a boiler would have cost without us: the same hot water, heated by the boiler's own thermostat."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bill.account import Quarter
from gateway.bill.columns import Quarters
from gateway.bill.otherwise import known, without_battery, without_sun, without_us
from gateway.domain.flows import Flow, Heated
from gateway.domain.heat import Heater
from gateway.domain.intervals import QUARTER, quarter
from gateway.store.history import History
from simulators.physics.heat import Boiler, HeatState, after

MIDNIGHT = datetime(2026, 4, 14, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
ROD = Heater(most_w=3_500, litres=300, target_c=55, min_c=42, max_c=65, loss_w=55)
PLUG = Heater(most_w=2_000, step_w=2_000, energy_wh=4_000, ready_by=(time(6, 30), time(18)))


def quarters_of(
    energies: list[float],
    temperatures: list[float | None],
    load_wh: float = 100.0,
    pv_wh: float = 0.0,
) -> tuple[list[Quarter], list[Flow]]:
    """A home without a battery: what its meter counted, and what flowed."""
    rows, flows = [], []
    for n, (wh, warm_c) in enumerate(zip(energies, temperatures, strict=True)):
        net = round(load_wh + wh - pv_wh)
        interval = quarter(MIDNIGHT + n * QUARTER)
        rows.append(Quarter(interval, max(net, 0), max(-net, 0)))
        heated = (Heated("boiler", wh, warm_c),)
        flows.append(Flow(interval, None, None, pv_wh, load_wh=load_wh, heated=heated))
    return rows, flows


def otherwise(rows: list[Quarter], flows: list[Flow], spec: Heater) -> Any:
    heaters = {"boiler": spec}
    found = known(Quarters(rows), flows, heaters)
    return without_us(found, None, 0.0, heaters, UTC_ZONE)


def tank_of(told: Any, days: int) -> tuple[list[float], list[float]]:
    """Energy and temperature by the quarter of the simulators' tank; ``told(time, temperature, was on)`` is the rod's power."""
    tank, state, on = Boiler().tank, HeatState(50.0), False
    energies, warm = [], []
    for n in range(96 * days):
        wh = 0.0
        for minute in range(15):
            now = MIDNIGHT + n * QUARTER + timedelta(minutes=minute)
            power_w = told(now, state.temperature_c, on)
            on = power_w > 0
            state = after(tank, state, power_w, 1.0, now, 1 / 60)
            wh += power_w / 60
        energies.append(wh)
        warm.append(state.temperature_c)
    return energies, warm


def by_night(now: datetime, warm_c: float, was_on: bool) -> float:
    """What a plan does: in cheap hours, and once more at noon."""
    return 3_500.0 if now.hour in (3, 4, 12, 13) and warm_c < 62 else 0.0


def by_thermostat(now: datetime, warm_c: float, was_on: bool) -> float:
    return 3_500.0 if warm_c < (55.0 if was_on else 50.0) else 0.0


def test_a_rod_would_have_heated_when_its_own_thermostat_asks() -> None:
    """Measured on a planned week, compared with the same tank on a thermostat: energy, and the hours of it."""
    planned, warm = tank_of(by_night, 7)
    alone, its_warmth = tank_of(by_thermostat, 7)
    rows, flows = quarters_of(planned, list(warm))
    found = otherwise(rows, flows, ROD)
    nets = [wh - 100 for wh in found.netted.nets_wh]
    assert sum(nets) == pytest.approx(sum(alone), rel=0.03)
    by_hour = [[0.0] * 24, [0.0] * 24]
    for n, (ours, theirs) in enumerate(zip(nets, alone, strict=True)):
        by_hour[0][n // 4 % 24] += ours
        by_hour[1][n // 4 % 24] += theirs
    misplaced = sum(abs(a - b) for a, b in zip(*by_hour, strict=True)) / 2
    assert misplaced < 0.2 * sum(alone), by_hour
    assert sum(by_hour[0][2:5]) < 0.2 * sum(nets), "no more in the cheap hours of the plan"
    warmer_wh = (its_warmth[-1] - warm[-1]) * ROD.wh_per_k
    assert found.more_heat_wh[-1] == pytest.approx(warmer_wh, abs=2_000)


def test_a_rod_on_its_thermostat_is_as_it_was() -> None:
    """Nobody steered: what would have been is what was, but for the quarter-hour in which it began."""
    energies, warm = tank_of(by_thermostat, 7)
    rows, flows = quarters_of(energies, list(warm))
    found = otherwise(rows, flows, ROD)
    assert sum(found.netted.nets_wh) == pytest.approx(sum(energies) + 100 * len(rows), rel=0.02)


def test_behind_a_plug_the_energy_is_spread_between_the_times_it_is_wanted() -> None:
    energies = [2_000.0 if n in (8, 9) else 0.0 for n in range(96)]  # from two o'clock on
    rows, flows = quarters_of(energies, [None] * 96)
    found = otherwise(rows, flows, PLUG)
    nets = list(found.netted.nets_wh)
    assert nets[:26] == [round(100 + 4_000 / 26)] * 26, "up to half past six"
    assert nets[26:] == [100] * 70
    assert found.more_heat_wh[25] == pytest.approx(0.0, abs=1e-6)


@given(
    st.lists(st.floats(0, 875), min_size=1, max_size=120),
    st.sampled_from([ROD, PLUG]),
)
def test_no_energy_is_made_or_lost(energies: list[float], spec: Heater) -> None:
    """What would have been drawn more is what the water would hold more, and what it would have lost more."""
    lossless = replace(spec, loss_w=0.0)
    rows, flows = quarters_of(energies, [50.0] * len(energies))
    found = otherwise(rows, flows, lossless)
    change = sum(found.netted.nets_wh) - sum(100 + wh for wh in energies)
    assert change == pytest.approx(found.more_heat_wh[-1], abs=len(energies))


def test_heat_is_used_in_every_comparison_and_a_row_of_before_goes_by_the_meter() -> None:
    rows, flows = quarters_of([500.0] * 4, [50.0] * 4, pv_wh=300.0)
    flows[1] = replace(flows[1], heated=None)
    flows[2] = replace(flows[2], heated=(Heated("boiler", None, None),), load_wh=None)
    found = known(Quarters(rows), flows, {"boiler"})
    assert [q.import_wh for q in without_battery(found)] == pytest.approx([300] * 4, abs=10)
    assert [q.import_wh for q in without_sun(found)] == pytest.approx([600] * 4, abs=10)
    none = known(Quarters(rows), [replace(f, heated=None) for f in flows])
    assert len(none) == 4


def test_what_heated_is_kept(tmp_path: Path) -> None:
    """With its name and temperature, over a restart, and beside rows of a gateway that did not know it."""
    path = tmp_path / "history.sqlite"
    heated = (Heated("boiler", 500.5, 48.25), Heated("rod", None, None))
    now = Flow(quarter(MIDNIGHT), 0.0, 0.0, 0.0, heated=heated)
    before = replace(now, interval=quarter(MIDNIGHT + QUARTER), heated=None)
    history = History(path)
    for flow in (now, before):
        history.add_flow(flow)
    history.close()
    again = History(path)
    assert again.flows(MIDNIGHT, MIDNIGHT + timedelta(hours=1)) == [now, before]
    again.close()
