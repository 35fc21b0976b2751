"""The grid operator's limits: who says them, how long they hold, what is dimmed, and what is on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.guard import GuardSettings
from gateway.config.home_settings import GridOperator as Table
from gateway.control.decide import decide
from gateway.control.inputs import ControlMemory, DecisionInputs
from gateway.domain.control import GridLimits
from gateway.domain.grid_operator import (
    HEARTBEAT_LOST_S,
    INIT_S,
    LEAST_FAILSAFE_S,
    OperatorCommand,
    OperatorPhase,
    OperatorRules,
    OperatorWord,
    RelayInput,
    guaranteed_14a_w,
)
from gateway.domain.order import StandingSettings
from gateway.domain.readings import HeaterState
from gateway.guard import operator_state as states
from gateway.guard.intents import GuardFile
from gateway.guard.limit_log import LimitLog, rows
from gateway.guard.operator import GridOperator, house_w
from simulators.devices.protocol import COILS
from simulators.devices.relay import RelayBox
from simulators.devices.serve import Choice, Servers
from simulators.devices.server import ModbusServer
from simulators.devices.view import Lifetime, View
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.control.homes import NOON, SETTINGS, battery, charger, flat, inputs, order, snapshot
from tests.devices.guard_bench import Bench, at, on_bench, state

EVENING = datetime(2026, 6, 2, 1, tzinfo=UTC)  # 20 h in Texas: the car is there, no sun to speak of
P = OperatorPhase
FREE = OperatorWord()


def command(limit_w: float | None, seconds: float | None = 3600, name: str = "a1") -> OperatorWord:
    until = None if seconds is None else NOON + timedelta(seconds=seconds)
    return OperatorWord((OperatorCommand(name, "import", limit_w, until),))


def operator(folder: Path, rules: OperatorRules | None = None) -> GridOperator:
    return GridOperator(
        rules or OperatorRules(), {}, GuardFile(folder / "guard.json"), LimitLog(folder)
    )


def look(
    one: GridOperator, seconds: float, word: OperatorWord = FREE, grid_w: float = 3_000
) -> GridLimits:
    """The limits at the connection ``seconds`` after noon; the house draws 3 kW."""
    return one.look(snapshot(grid_w), word, NOON + timedelta(seconds=seconds), 100.0 + seconds)


# -- what is guaranteed --


def test_the_guaranteed_power_is_that_of_the_decision() -> None:
    """BK6-22-300, annex 1; the example of four devices is 13.02 kW."""
    assert guaranteed_14a_w(1) == 4_200
    assert guaranteed_14a_w(2) == pytest.approx(4_200 * 1.8)
    assert guaranteed_14a_w(4) == pytest.approx(13_020)
    assert guaranteed_14a_w(12) == pytest.approx(4_200 * (1 + 11 * 0.45))
    assert guaranteed_14a_w(2, [14_000]) == pytest.approx(5_600 + 0.8 * 4_200)


def test_no_command_takes_what_is_guaranteed(tmp_path: Path) -> None:
    """A limit that was made a switch on its way asks for 0 W; a heat pump went off for it elsewhere."""
    one = operator(tmp_path)
    assert look(one, 0, command(0.0)).import_w == 4_200 + 3_000
    assert "0 W were asked for, 4200 W are guaranteed" in one.alarms[0].text
    assert Table(applies_to="connection").rules().guaranteed_w == 0


# -- who holds how long --


def test_a_limit_ends_by_itself(tmp_path: Path) -> None:
    one = operator(tmp_path)
    assert look(one, 0).import_w is None
    assert look(one, 2, command(5_000, 600)).import_w == 8_000
    assert look(one, 598, command(5_000, 600)).import_w == 8_000
    assert look(one, 601, command(5_000, 600)).import_w is None
    assert one.alarms == ()
    assert look(one, 602, command(6_000, 900, "a2")).import_w == 9_000
    assert look(one, 604, command(None, None, "a3")).import_w is None, "or when it is lifted"


def test_it_outlives_the_agent_and_a_restart(tmp_path: Path) -> None:
    """A guard that is killed -9 and comes back holds the limit for the rest of its time."""
    look(operator(tmp_path), 0, command(5_000, 600))
    again = operator(tmp_path)
    assert look(again, 60).import_w == 8_000, "before any agent has said a word"
    assert look(again, 300, command(5_000, 600)).import_w == 8_000
    assert look(again, 601).import_w is None
    assert look(operator(tmp_path), 700).import_w is None, "and what has run out does not come back"


def test_a_control_box_that_falls_silent_leaves_the_fail_safe_behind(tmp_path: Path) -> None:
    one = operator(tmp_path, OperatorRules(heartbeat=True, failsafe_import_w=4_200))

    def beat(n: int, commands: OperatorWord = FREE) -> OperatorWord:
        return replace(commands, heartbeat=f"h{n}")

    assert look(one, 0).import_w == 7_200, "at the start, until a limit is told"
    assert look(one, 10, beat(1, command(6_000, None))).import_w == 9_000
    for n in range(2, 10):
        assert look(one, 60 * n, beat(n, command(6_000, None))).import_w == 9_000
    last = 60 * 9
    assert look(one, last + HEARTBEAT_LOST_S - 1, beat(9)).import_w == 9_000
    assert look(one, last + HEARTBEAT_LOST_S, beat(9)).import_w == 7_200
    assert "not heard any more" in one.alarms[0].text
    assert look(one, last + HEARTBEAT_LOST_S + LEAST_FAILSAFE_S - 1, beat(9)).import_w == 7_200
    assert look(one, last + HEARTBEAT_LOST_S + LEAST_FAILSAFE_S, beat(9)).import_w is None
    kept = [(r["direction"], r["state"], r["limit_w"]) for r in rows(tmp_path)]
    assert [k[1:] for k in kept if k[0] == "import"] == [
        ("init", "4200"),
        ("limited", "6000"),
        ("failsafe", "4200"),
        ("unlimited/autonomous", ""),
    ]


def test_the_states_are_those_of_the_use_case() -> None:
    def phase(state: states.OperatorState, seconds: float) -> OperatorPhase:
        return states.passed(state, LEAST_FAILSAFE_S, seconds).phase

    begun = states.started(True, 0.0)
    assert phase(begun, INIT_S - 1) is P.INIT
    assert phase(begun, INIT_S) is P.AUTONOMOUS
    free = states.told(begun, None, 1e9, 5.0)
    assert free.phase is P.UNLIMITED
    limited = states.told(free, 5_000, 50.0, 10.0)
    assert phase(limited, 49.0) is P.LIMITED
    assert phase(limited, 50.0) is P.UNLIMITED
    lost = states.passed(free, LEAST_FAILSAFE_S, 125.0)
    assert lost.phase is P.FAILSAFE
    back = states.heard(lost, 200.0)
    assert phase(back, 200.0 + INIT_S - 1) is P.FAILSAFE, (
        "a heartbeat alone limits and frees nothing"
    )
    assert phase(states.heard(back, 260.0), 200.0 + INIT_S) is P.AUTONOMOUS
    assert states.told(back, 4_500, 1e9, 210.0).phase is P.LIMITED
    unwatched = states.told(states.started(False, 0.0), 5_000, 1e9, 0.0)
    assert phase(unwatched, 1e6) is P.LIMITED, "where no heartbeats are promised, none is missed"


@given(st.lists(st.tuples(st.sampled_from("hlup"), st.floats(1, 400)), max_size=40))
def test_whoever_is_silent_never_leaves_a_home_limited_for_ever(
    acts: list[tuple[str, float]],
) -> None:
    state, at_s = states.started(True, 0.0), 0.0
    for act, seconds in acts:
        at_s += seconds
        state = states.passed(state, LEAST_FAILSAFE_S, at_s)
        if act == "h":
            state = states.heard(state, at_s)
        elif act in "lu":
            state = states.told(state, 5_000 if act == "l" else None, 1e9, at_s)
    for _ in range(3):
        at_s += LEAST_FAILSAFE_S
        state = states.passed(state, LEAST_FAILSAFE_S, at_s)
    assert state.phase is P.AUTONOMOUS
    assert states.limit_w(state, 4_200) is None


# -- what is dimmed --


def asked(seen: Any, limits: GridLimits, **more: Any) -> Any:
    cheap = order(
        import_price=1.0,
        export_price=0.5,
        value=flat(300),
        car_values={"box": flat(300, 10_000)},
        **more,
    )
    return decide(replace(inputs(seen, cheap), operator=limits)).setpoints


def test_the_car_is_dimmed_first_then_the_battery_and_never_the_house() -> None:
    """5 kW for the battery, 11 kW for the car, 1 kW for the house; 4.2 kW are left of it."""
    seen = snapshot(17_000, 0.0, (battery(power_w=-5_000),), (charger(power_w=11_000),))
    house = house_w(replace(seen, load_w=12_000))
    assert house == 1_000
    allowed = GridLimits(import_w=4_200 + house)
    assert asked(seen, allowed).chargers_a == {"box": 0.0}
    calm = snapshot(6_000, 0.0, (battery(power_w=-5_000),), (charger(power_w=0.0),))
    dimmed = asked(calm, allowed)
    assert dimmed.batteries_w == {"battery": -4_200}


def test_what_a_heat_pump_draws_that_does_not_tell_is_not_the_houses() -> None:
    seen = replace(snapshot(5_000, 0.0, (), ()), load_w=5_000)
    rod, pump = HeaterState("rod", 2_000, 50.0), HeaterState("pump", None, 48.0, pump=True)
    assert house_w(seen) == 5_000
    assert house_w(replace(seen, heaters=(rod,))) == 3_000
    assert house_w(replace(seen, heaters=(rod, pump))) == 0
    assert house_w(replace(seen, heaters=(rod, replace(pump, steerable=False)))) == 3_000


def test_own_sun_is_netted() -> None:
    """With 6 kW of own sun beyond the house the car may draw 10.2 kW: 4.2 kW of it come from the grid."""
    seen = snapshot(-6_000, 7_000, (), (charger(),))
    assert house_w(replace(seen, load_w=1_000)) == 0
    amps = asked(seen, GridLimits(import_w=4_200)).chargers_a["box"]
    assert 9_500 < amps * 690 <= 10_200


def test_no_setting_of_the_user_widens_it() -> None:
    limits = GridLimits(import_w=4_200, export_w=0.0)
    wide = StandingSettings(20, export_limit_w=9_000, import_limit_w=30_000)
    seen = snapshot(-3_000, 4_000, (battery(soc_pct=100.0),))
    made = decide(replace(inputs(seen, settings=wide), operator=limits))
    assert made.grid_limits == limits
    assert made.setpoints.export_limit_w == 0
    assert made.setpoints.pv_limits_w == {"roof": 1_000}


# -- over the wire --


def test_a_ripple_control_relay_dims_the_car_and_is_on_record(tmp_path: Path) -> None:
    contacts: list[RelayBox] = []
    box: list[ModbusServer] = []
    relay = (
        RelayInput(2, "discrete", True, import_limit_w=4_200),
        RelayInput(0, "coil", True, export_limit_w=0),
    )

    def settings(servers: Servers) -> GuardSettings:
        port = box_port[0]
        return GuardSettings(
            (
                at(servers, servers.ports.inverter, "inverter", "fronius-gen24"),
                at(servers, servers.ports.meter, "meter", "sunspec-meter", 200),
                at(servers, servers.ports.charger, "box", "keba-p30"),
                replace(at(servers, port, "ripple", "relay"), inputs=relay),
            ),
            state(tmp_path),
            operator=OperatorRules(),
        )

    box_port: list[int] = []

    async def play(bench: Bench) -> None:
        bench.guard.intake.settings = replace(SETTINGS, charge_now=True)
        await bench.clock.sleep(60)
        assert bench.home.powers().ev > 9_000
        assert bench.last.alarms == ()
        (contact,) = contacts
        contact.close(2)
        await bench.clock.sleep(30)
        house_kw = bench.home.powers().load
        assert bench.home.powers().grid < 4_200 + house_kw + 50
        assert "import limit (ripple): 4200 W" in " ".join(map(str, bench.last.alarms))
        contact.open(2)
        await bench.clock.sleep(180)
        assert bench.home.powers().ev > 9_000
        contact.close(0, COILS)
        await bench.clock.sleep(10)
        assert bench.last.setpoints.export_limit_w == 0
        await box[0].close()
        await bench.clock.sleep(HEARTBEAT_LOST_S + 30)
        assert "not heard any more" in " ".join(map(str, bench.last.alarms))
        assert bench.home.powers().ev < 4_300, "a relay that can't be read is no free pass"

    on_bench(
        Scenario(EVENING, seed=1, soc_pct=20.0), Choice(), settings, play,
        before=lambda home: _serve_box(home, contacts, box, box_port),
    )  # fmt: skip
    record = [
        (r["source"], r["direction"], r["state"], r["limit_w"]) for r in rows(tmp_path / "state")
    ]
    assert ("ripple", "import", "limited", "4200") in record
    assert ("ripple", "import", "failsafe", "4200") in record
    ended = [r for r in rows(tmp_path / "state") if r["state"] == "unlimited/controlled"][-1]
    assert float(ended["over_s"]) <= 16, "what was over it is on record, too"


async def _serve_box(
    home: Home, contacts: list[RelayBox], box: list[ModbusServer], port: list[int]
) -> None:
    view = partial(View, home, Lifetime(), 40000)
    contacts.append(RelayBox(view()))
    box.append(ModbusServer({1: contacts[0]}))
    port.append(await box[0].start("127.0.0.1", 0))


def test_memory_of_a_decision_is_not_needed(tmp_path: Path) -> None:
    """A first decision after a restart keeps the limit, too."""
    seen = snapshot(17_000, 0.0, (battery(power_w=-5_000),), (charger(power_w=11_000),))
    first: DecisionInputs = replace(
        inputs(seen), operator=GridLimits(import_w=5_200), memory=ControlMemory()
    )
    assert decide(first).setpoints.chargers_a == {"box": 0.0}


# -- a programme's limits (OpenADR): by the same door, beside the operator's --


def programme(limit_w: float | None, direction: Any = "import", seconds: float = 3600) -> Any:
    until = None if limit_w is None else NOON + timedelta(seconds=seconds)
    name = "" if limit_w is None else f"e1/{limit_w:g}"
    return OperatorCommand(name, direction, limit_w, until, "programme")


def in_a_programme(folder: Path) -> GridOperator:
    file, log = GuardFile(folder / "guard.json"), LimitLog(folder)
    return GridOperator(OperatorRules(), {}, file, log, ("mqtt", "programme"))


def test_a_programmes_limit_is_of_the_connection_and_the_tighter_holds(tmp_path: Path) -> None:
    """The operator's 4.2 kW are of what can be steered, with 3 kW for the house; a programme's are all that is drawn."""
    one = in_a_programme(tmp_path)
    both = OperatorWord((*command(5_000).commands, programme(6_000)))
    assert look(one, 0, both).import_w == 6_000
    assert look(one, 2, replace(both, commands=(*command(2_000, name="a2").commands, programme(9_000)))).import_w == 7_200  # fmt: skip
    assert "the programme's import limit" in " ".join(map(str, one.alarms))
    nothing = replace(both, commands=(*command(None, None, "a3").commands, programme(0)))
    assert look(one, 4, nothing).import_w == 0, "the contract says what it may ask"
    lifted = replace(both, commands=(programme(None),))
    assert look(one, 6, lifted).import_w is None


def test_a_programmes_limit_outlives_the_agent_and_ends_by_itself(tmp_path: Path) -> None:
    word = OperatorWord((programme(3_000, "export", 600), programme(2_000, "import", 300)))
    assert look(in_a_programme(tmp_path), 0, word) == GridLimits(2_000, 3_000)
    again = in_a_programme(tmp_path)
    assert look(again, 10) == GridLimits(2_000, 3_000), "before any agent has said a word"
    assert look(again, 301) == GridLimits(None, 3_000)
    assert look(again, 601) == GridLimits(None, None)
    sources = {(r["source"], r["direction"]) for r in rows(tmp_path) if r["limit_w"]}
    assert sources == {("programme", "import"), ("programme", "export")}


def test_without_a_programme_nobody_listens_to_one(tmp_path: Path) -> None:
    assert look(operator(tmp_path), 0, OperatorWord((programme(2_000),))).import_w is None
