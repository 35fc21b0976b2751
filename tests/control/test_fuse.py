"""The fuse of each phase is kept, whatever the sum says: by the car first, then by the battery."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.checkup import _fuse
from gateway.config.guard import GuardSettings
from gateway.control.decide import decide
from gateway.control.fuse import fullest_w, fused_a, loads_a, total_w
from gateway.control.inputs import ControlMemory
from gateway.domain.control import ChargerAssumptions, Fuse, GridLimits, Setpoints, Tightening
from gateway.domain.readings import Phase, Snapshot
from gateway.site.limit_watch import LimitWatch
from simulators.devices.serve import Choice, Servers
from simulators.physics.values import Car, House
from simulators.scenario import Scenario
from tests.control.homes import CONTROL, SETTINGS, battery, charger, flat, inputs, order, snapshot
from tests.devices.guard_bench import Bench, at, on_bench, state

FUSE = Fuse(35.0)
FUSED = replace(CONTROL, export_limit_w=None, fuse=FUSE)
NOW = replace(SETTINGS, charge_now=True)
EVENING = datetime(2026, 6, 2, 1, tzinfo=UTC)


def phased(amps: tuple[float, float, float], **more: Any) -> Snapshot:
    """The meter tells each phase; the sum is theirs."""
    seen = snapshot(230.0 * sum(amps), 0.0, **more)
    return replace(seen, phases=tuple(Phase(230.0 * a, abs(a)) for a in amps))


def amps(seen: Snapshot, control: Any = FUSED) -> float:
    return decide(inputs(seen, control=control, settings=NOW)).setpoints.chargers_a["box"]


def test_one_full_phase_dims_the_car_though_the_sum_is_small() -> None:
    """28 A on L1 alone: the sum is far below three fuses, and 16 A more would blow it."""
    box = {"batteries": (), "chargers": (charger(),)}
    assert amps(phased((2.0, 2.0, 2.0), **box)) == 16
    assert amps(phased((28.0, 2.0, 2.0), **box)) == 7
    assert amps(phased((31.0, 2.0, 2.0), **box)) == 0, "less than a car takes is left"


def test_a_one_phase_car_is_taken_to_be_on_the_fullest_phase_unless_somebody_says_which() -> None:
    one = replace(FUSED, charger=ChargerAssumptions(phases=1))
    seen = phased((5.0, 28.0, 5.0), batteries=(), chargers=(charger(),))
    assert amps(seen, one) == 7
    assert amps(seen, replace(one, phases={"box": (1,)})) == 16
    assert amps(seen, replace(one, phases={"box": (2,)})) == 7


def test_a_one_phase_car_that_nobody_knows_is_not_stopped_at_its_second_tick() -> None:
    """Its 15 A were taken for 5 A on each of three phases, and what else was on its phase for the house: it was stopped, waited
    and began anew 13 times in half an hour, and nobody came to know it."""
    tight = replace(FUSED, fuse=Fuse(16.0))
    told = ControlMemory(Setpoints(chargers_a={"box": 15.0}))

    def next_a(seen: Snapshot, memory: ControlMemory = told) -> float:
        decision = decide(inputs(seen, control=tight, settings=NOW, memory=memory))
        return decision.setpoints.chargers_a["box"]

    drawing = charger(power_w=3_450.0)
    box = {"batteries": (), "chargers": (drawing,)}
    assert next_a(phased((15.3, 0.2, 0.1), **box)) == 15, "no more than it was told"
    assert next_a(phased((18.3, 0.2, 0.1), **box)) == 12, "less where the house takes more"
    known = {"batteries": (), "chargers": (replace(drawing, phases=3),)}
    assert next_a(phased((15.3, 5.2, 5.1), **known)) == 0, (
        "three phases: the house has 10 A of the first"
    )


def test_the_battery_gives_way_after_the_car_and_helps_where_the_house_alone_is_too_much() -> None:
    cheap = order(import_price=1.0, export_price=0.5, value=flat(300))

    def asked(seen: Snapshot) -> float:
        watts = decide(inputs(seen, cheap, control=FUSED)).setpoints.battery_w
        assert watts is not None
        return watts

    assert asked(phased((5.0, 5.0, 5.0))) == -5_000
    assert asked(phased((33.0, 5.0, 5.0))) == -1_380, "2 A on each phase are left"
    assert asked(phased((38.0, 5.0, 5.0))) == 2_070, "3 A too many: all phases are relieved alike"


def test_a_battery_on_another_phase_cannot_help() -> None:
    alone = replace(FUSED, phases={"battery": (2,)})
    cheap = order(import_price=1.0, export_price=0.5, value=flat(300))
    watts = decide(inputs(phased((38.0, 5.0, 5.0)), cheap, control=alone)).setpoints.battery_w
    assert watts == -5_000, "it charges on L2, where there is room"


def test_where_only_the_sum_is_told_the_worst_case_of_the_configuration_holds() -> None:
    """35 A three times, less 20 A on two of them: 65 A in all, for one phase may carry the most of it."""
    seen = snapshot(6_000, 0.0, (), (charger(),))
    assert loads_a(seen, FUSE) is None
    assert total_w(seen, FUSE) == pytest.approx(65 * 230)
    assert amps(seen) == 12, "65 A less the 26 A of the house, on three phases"
    said = _fuse(seen, FUSE)
    assert "tells no phases: at most 14950 W" in said.says
    assert said.good
    told = _fuse(phased((3.0, 4.0, 5.0)), FUSE)
    assert "the meter tells each: 3.0, 4.0, 5.0 A now" in told.says


def test_phases_that_nobody_measures_do_not_cost_the_reserve() -> None:
    """16 A three times less 40 A of unbalance are 1.8 kW in all: a battery stood in for that guess below its reserve all night."""
    small = replace(CONTROL, fuse=Fuse(16.0))
    at_reserve = battery(soc_pct=20.0)

    def asked(grid_w: float, control: Any = small) -> tuple[int | None, bool]:
        decision = decide(
            inputs(snapshot(grid_w, 0.0, (at_reserve,)), order(value=flat(0)), control=control)
        )
        return decision.setpoints.battery_w, decision.import_spent

    assert asked(5_000) == (0, True), "all is done that may be"
    assert asked(12_000)[0] == 5_000, (
        "three fuses of 3,680 W do not carry that, however it is shared"
    )
    known = replace(small, import_limit_w=4_000.0)
    assert asked(5_000, known)[0] == 5_000 - 1_840, "beyond a limit that is no guess"


def test_a_current_without_direction_gets_that_of_the_power() -> None:
    assert loads_a(phased((-6.0, 2.0, 3.0)), FUSE) == pytest.approx((-6.0, 2.0, 3.0))
    bare = replace(snapshot(-3_000), phases=(Phase(None, 4.0),) * 3)
    assert loads_a(bare, FUSE) == (-4.0, -4.0, -4.0)
    assert loads_a(replace(bare, phases=(Phase(None, None),) * 3), FUSE) is None


def test_the_watch_takes_off_what_is_over_and_says_what_is_not_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A charger that draws more than it is told: the meter sees it, and it is told less."""
    watch, tightening = LimitWatch(), Tightening()
    limits = GridLimits(phase_w=35 * 230)
    over = phased((37.0, 5.0, 5.0), batteries=(), chargers=(charger(power_w=9_000),))
    for tick in range(20):
        tightening = watch.look(over.grid_w, limits, 2.0 * tick, fullest_w(over, FUSE))
    assert tightening.phase_w > 400
    made = decide(inputs(over, control=FUSED, settings=NOW, tightening=tightening))
    without = decide(inputs(over, control=FUSED, settings=NOW))
    assert 6 <= made.setpoints.chargers_a["box"] < without.setpoints.chargers_a["box"]
    assert made.grid_limits.phase_w == 35 * 230
    assert "the fuse limit of 8050 W is not kept" in caplog.text


@given(
    st.tuples(*[st.floats(-40, 60)] * 3),
    st.lists(st.floats(0, 16), min_size=1, max_size=3),
    st.sampled_from([1, 3]),
)
def test_no_car_ever_gets_what_a_phase_has_not(
    loads: tuple[float, float, float], drawn: list[float], phases: int
) -> None:
    control = replace(FUSED, charger=ChargerAssumptions(phases=phases))
    boxes = tuple(charger(f"box{i}", power_w=a * 230 * phases) for i, a in enumerate(drawn))
    seen = phased(loads, batteries=(), chargers=boxes)
    specs = {b.name: control.charger for b in boxes}
    powers = {b.name: b.power_w or 0.0 for b in boxes}
    given_a = fused_a({b.name: 16.0 for b in boxes}, seen, specs, powers, control)
    more = sum(max(0.0, given_a[b.name] - a) for b, a in zip(boxes, drawn, strict=True))
    assert max(loads) + more <= max(FUSE.amps, *loads) + 1e-6
    assert all(a == 0 or 6 <= a <= 16 for a in given_a.values())


def test_over_the_wire_a_loaded_phase_keeps_its_fuse(tmp_path: Path) -> None:
    """Four fifths of the load on L1, a one-phase car beside it, and a fuse of 25 A."""

    def settings(servers: Servers) -> GuardSettings:
        return GuardSettings(
            (
                at(servers, servers.ports.inverter, "inverter", "fronius-gen24"),
                at(servers, servers.ports.meter, "meter", "sunspec-meter", 200),
                at(servers, servers.ports.charger, "box", "keba-p30"),
            ),
            state(tmp_path),
            fuse=Fuse(12.0),
            charger=ChargerAssumptions(phases=1, max_a=16),
        )

    async def play(bench: Bench) -> None:
        bench.guard.intake.settings = NOW
        fullest = []
        for _ in range(60):
            await bench.clock.sleep(5)
            phases = bench.last.snapshot.phases
            fullest.append(max((p.current_a or 0.0) for p in phases))
        assert max(fullest[12:]) < 12.3
        assert max(fullest[12:]) > 7, "and the car charges all the same"
        assert bench.home.powers().ev > 1_300

    on_bench(
        Scenario(
            EVENING, seed=1, soc_pct=5.0, load_shares=(0.8, 0.1, 0.1), house=House(car=Car(phases=1))
        ),
        Choice(), settings, play,
    )  # fmt: skip
