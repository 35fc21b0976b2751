"""A day of weak sun with a charger that can switch to one phase, and the same day with one that cannot."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.domain.control import PhaseReason
from gateway.store.decisions import FILE, DecisionStore
from simulators.devices.serve import Choice
from simulators.lab import (
    DAY,
    Battery,
    Car,
    Equipment,
    House,
    Lab,
    Script,
    Visit,
    broken_clouds,
    clear_day,
    play,
    steady,
)
from simulators.lab.result import Result
from simulators.lab.wire import Wire, play_on_wire
from simulators.physics.script import Watts

pytestmark = pytest.mark.story

at = DAY.at
CAR = {"energy_wh": 0, "more_per_kwh": 0.15}
TARIFF = {
    "import_price": {"kind": "flat", "per_kwh": "0.30"},
    "export_price": {"kind": "flat", "per_kwh": "0.08"},
}


def home(sun_w: Watts, *, switches: bool, hours: float = 11.0, phases: int = 3) -> Lab:
    """A small battery, a car that is worth 0.15 a kWh, and a look every 20 s."""
    script = Script(
        sun_w=sun_w,
        load_w=steady(400),
        visits=(Visit(at("06:00"), at("18:30"), car=Car(phases=phases), stored_wh=0),),
    )
    house = House(battery=Battery(capacity_wh=5_000))
    settings = {"control": {"period_s": 20}, "tariff": TARIFF, "car": CAR}
    equipment = Equipment(switches_phases=switches)
    return Lab(
        at("07:00"), hours, script, house, equipment, soc_pct=95, settings=settings, past_days=3
    )


def switches(result: Result) -> int:
    told = [bool(s.setpoints.charger_phases) for s in result.samples]
    return sum(after != before for before, after in pairwise(told))


def under_load(result: Result) -> int:
    """Switches at which the car drew just before."""
    return sum(
        before.cars_w[0] > 100
        for before, after in pairwise(result.samples)
        if bool(before.setpoints.charger_phases) != bool(after.setpoints.charger_phases)
    )


async def test_weak_sun_charges_on_one_phase(tmp_path: Path) -> None:
    """3.4 kW at noon never reach the 4.1 kW of three phases at 6 A; one phase takes nearly all of them."""
    weak = clear_day(3_400)
    without = await play(home(weak, switches=False), tmp_path / "without")
    with_it = await play(home(weak, switches=True), tmp_path / "with")
    assert with_it.car_wh() > 10_000
    assert with_it.car_wh() > 2 * without.car_wh()
    assert with_it.wh("grid_import") < without.wh("grid_import") + 1_000
    assert switches(with_it) == 1
    assert under_load(with_it) == 0


async def test_strong_sun_goes_back_to_three(tmp_path: Path) -> None:
    """Mornings and evenings on one phase, noon on three: two or three switches, and more in the car."""
    strong = clear_day(9_000)
    without = await play(home(strong, switches=False), tmp_path / "without")
    with_it = await play(home(strong, switches=True), tmp_path / "with")
    assert with_it.car_wh() > without.car_wh()
    assert 2 <= switches(with_it) <= 4
    assert under_load(with_it) == 0
    noon = with_it.between(at("11:00"), at("13:00"))
    assert not any(s.setpoints.charger_phases for s in noon.samples)


async def test_broken_clouds_wear_no_relay(tmp_path: Path) -> None:
    """Clouds of five minutes around the 4.1 kW of three phases: a few switches in a day."""
    clouds = broken_clouds(6_500, seed=3, minutes=5)
    without = await play(home(clouds, switches=False), tmp_path / "without")
    with_it = await play(home(clouds, switches=True), tmp_path / "with")
    assert with_it.car_wh() > without.car_wh() - 500
    assert switches(with_it) <= 8
    assert under_load(with_it) == 0


async def test_a_car_of_one_phase_is_found_out_once(tmp_path: Path) -> None:
    """Nobody knows it before it has drawn: to one phase in the morning, to all at noon, and then never again."""
    result = await play(home(clear_day(9_000), switches=True, phases=1), tmp_path)
    assert switches(result) <= 2
    assert under_load(result) == 0
    assert switches(result.between(at("13:00"), at("18:00"))) == 0


async def test_the_same_over_modbus(tmp_path: Path) -> None:
    """A real Alfen's registers: it refuses a switch under load, so nothing of that kind may be asked of it."""
    lab = home(clear_day(9_000), switches=True, hours=0.75)
    alfen = Wire(choice=Choice(charger="alfen"), charger="alfen-eve")
    result = await play_on_wire(lab, tmp_path, alfen)
    steered = result.between(at("07:00"), at("07:44"))  # then it is stopped, and lets go
    assert switches(steered) == 1
    assert under_load(steered) == 0
    assert 500 < result.car_wh() < 0.75 * 3_700, "on one phase"
    assert not [line for line in result.log if "charge_phases" in line or "not be neutral" in line]
    (told,) = DecisionStore(tmp_path / FILE, read_only=True).phases_between(
        at("07:00"), at("08:00")
    )
    assert (told.charger, told.phases, told.reason) == ("box", 1, PhaseReason.LITTLE)
    assert told.sentence.text.startswith(
        "charges from 1 phase (1.4 to 3.7 kW): its car is to get less than the 4.1 kW"
    )
    assert told.until - told.since > timedelta(minutes=10)
