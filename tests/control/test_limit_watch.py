"""Limits are kept at the meter: the whole loop of measuring, deciding and a simulated home's physics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.decide import decide
from gateway.control.inputs import ControlMemory
from gateway.domain.control import GridLimits, Reason, Setpoints, Tightening
from gateway.domain.order import Order, StandingSettings
from gateway.domain.readings import BatteryState, InverterState, Snapshot
from gateway.domain.sentences import alike
from gateway.site.limit_watch import (
    ALARM_S,
    ANSWERED_S,
    MOST_OVER,
    QUIET_S,
    SETTLE_S,
    LimitState,
    LimitWatch,
    watched,
)
from simulators.physics.house import step
from simulators.physics.values import Battery, Commands, House, Inputs, State, soc_pct
from tests.control.homes import CONTROL, SETTINGS, ask, flat, inputs, order, snapshot

TICK_S = 2.0
AGREED = replace(CONTROL, export_limit_w=2_000.0)
CHARGE = order(import_price=10.0, export_price=5.0, value=flat(300, 13_500))
NOTHING = replace(CONTROL, export_limit_w=0.0)


@dataclass
class Loop:
    """A hybrid home, its meter and the gateway's two functions. ``obeys`` is what the register does."""

    sun_w: Callable[[float], float] = lambda _: 9_000.0
    load_w: Callable[[float], float] = lambda _: 500.0
    obeys: Callable[[float | None], float | None] = lambda asked_w: asked_w
    lag_ticks: int = 0
    asked: Order | None = CHARGE
    settings: StandingSettings = SETTINGS
    house: House = field(default_factory=lambda: House(Battery(standby_w=0.0)))
    state: State = field(default_factory=lambda: State(6_000.0))
    watch: LimitWatch = field(default_factory=LimitWatch)
    exported_w: list[float] = field(default_factory=list)
    charged_w: list[float] = field(default_factory=list)

    def run(self, seconds: float, *, watching: bool = True) -> Loop:
        memory, limits, commands = ControlMemory(), GridLimits(), Commands(grid_charge=True)
        measured: list[Snapshot] = []
        for tick in range(int(seconds / TICK_S)):
            at = tick * TICK_S
            asked = Inputs(self.sun_w(at), self.load_w(at))
            self.state = step(self.house, self.state, commands, asked, TICK_S)
            measured.append(self._seen())
            seen = measured[max(0, tick - self.lag_ticks)]
            tightening = Tightening()
            if watching:
                tightening = self.watch.look(seen.grid_w, limits, at)
            decision = decide(
                inputs(
                    seen, self.asked, None, NOTHING, self.settings,
                    tightening=tightening, memory=memory, monotonic_s=at,
                )
            )  # fmt: skip
            memory, limits = decision.memory, decision.grid_limits
            commands = self._told(decision.setpoints)
            self.exported_w.append(max(0.0, -self.state.powers.grid))
            self.charged_w.append(max(0.0, -self.state.powers.battery))
        return self

    def over_after(self, seconds: float) -> float:
        """The longest excess from then on, in W."""
        return max(self.exported_w[int(seconds / TICK_S) :])

    def excess_wh(self) -> float:
        return sum(self.exported_w) * TICK_S / 3600

    def _seen(self) -> Snapshot:
        now = self.state.powers
        one = InverterState("hybrid", now.pv, now.inverter_ac, tells_ac=True)
        own = BatteryState(
            "hybrid", now.battery, soc_pct(self.house, self.state), 13_500, 5_000, 5_000
        )
        seen = snapshot(now.grid, now.pv, (own,), inverters=(one,))
        return replace(seen, load_w=max(0.0, now.inverter_ac + now.grid))

    def _told(self, asked: Setpoints) -> Commands:
        battery_w = asked.battery_w
        return Commands(
            discharge_limit_w=battery_w,
            charge_limit_w=None if battery_w is None else -battery_w,
            grid_charge=battery_w is not None,
            pv_limit_w=self.obeys(asked.pv_limit_w),
        )


def test_a_home_without_feed_in_does_not_export_while_its_battery_charges() -> None:
    """9 kW of sun, 0.5 kW of load, 5 kW into the battery: 3.4 kW went out, steadily."""
    loop = Loop().run(600)
    assert loop.over_after(10) < 50
    assert min(loop.charged_w[5:]) > 4_500, "and the battery is filled all the same"
    assert Loop().run(600, watching=False).over_after(10) < 50, "the formula alone does it"


def steps(at: float) -> float:
    """A cooker of 0 to 8 kW, each minute another."""
    return (500, 8_500, 500, 3_000, 6_500, 500)[int(at // 60) % 6]


@pytest.mark.parametrize("lag_ticks", [0, 3])
def test_a_load_that_comes_does_not_let_all_the_sun_go(lag_ticks: int) -> None:
    """500 W of 9 kW were let through, so that the sun seemed far from a limit of 3 kW, and it went out for a tick."""
    loop = Loop(
        load_w=lambda at: 500.0 if at < 120 else 3_000.0,
        lag_ticks=lag_ticks,
        asked=None,
        state=State(13_500.0),
    ).run(300)
    assert loop.over_after(100) < 50
    assert loop.state.powers.pv > 2_900, "and the load gets its sun"


def clouds(at: float) -> float:
    return 9_000.0 if (at // 40) % 2 else 1_500.0


@pytest.mark.parametrize(
    ("case", "loop", "longest_s", "excess_wh"),
    [
        ("load steps", Loop(load_w=steps), 6, 50),
        ("clouds", Loop(sun_w=clouds), 6, 30),
        ("the register lets a fifth more through", Loop(obeys=lambda w: None if w is None else 1.2 * w), 12, 30),
        ("the register is off by 400 W", Loop(obeys=lambda w: None if w is None else w + 400), 12, 30),
        ("a meter that lags by 6 s", Loop(load_w=steps, lag_ticks=3), 20, 130),
        ("nothing is planned", Loop(asked=None, load_w=steps), 6, 50),
    ],
)  # fmt: skip
def test_what_is_over_the_limit_is_taken_back_within_seconds(
    case: str, loop: Loop, longest_s: float, excess_wh: float
) -> None:
    loop.run(900)
    longest = running = 0
    for exported_w in loop.exported_w[5:]:
        running = running + 1 if exported_w > 100 else 0
        longest = max(longest, running)
    assert longest * TICK_S <= longest_s, case
    assert loop.excess_wh() <= excess_wh, f"{case}: {loop.excess_wh():.0f} Wh"


@pytest.mark.parametrize("lag_ticks", [0, 2, 3])
def test_a_load_that_goes_off_for_a_moment_costs_no_sun(lag_ticks: int) -> None:
    """Control answers it by itself; held against the watch, it cost the sun for ten minutes, or for ever."""
    loop = Loop(
        asked=None,
        sun_w=lambda _: 6_000.0,
        load_w=lambda at: 500.0 if 200 <= at < 210 else 5_500.0,
        state=State(13_500.0),
        lag_ticks=lag_ticks,
    ).run(230)
    assert loop.state.powers.pv > 5_600
    assert loop.state.powers.grid < 50


def test_a_limit_that_begins_to_hold_costs_no_more_than_it_forbids() -> None:
    """9 kW go out when a limit of 0 is set: what the home itself uses is still the sun's."""
    watch, state = LimitWatch(), []
    for tick, grid_w in enumerate((-9_000.0, -9_000.0, -4_000.0, 0.0, 0.0)):
        state.append(watch.look(grid_w, GridLimits(export_w=0.0 if tick else None), tick * TICK_S))
    assert state == [Tightening()] * 5


def test_a_limit_that_a_device_ignores_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop(obeys=lambda _: None, state=State(13_500.0))
    loop.run(600)
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(said) == 1
    assert "the export limit of 0 W is not kept" in said[0]


def test_it_is_given_back_when_the_cause_is_gone() -> None:
    loop = Loop(load_w=lambda _: 3_000, obeys=lambda w: None if w is None else w + 1_000)
    state = loop.run(120).watch._export
    assert 900 < state.tighter_w < 1_200
    for at in range(122, 122 + 400, 2):
        state = watched(state, -500.0, float(at))
    assert state.tighter_w == 0


def test_what_cannot_be_kept_does_not_pile_up() -> None:
    """The register's least still lets 500 W out; later the sun may be used at once."""
    loop = Loop(obeys=lambda w: None if w is None else w + 1_000).run(1_200)
    assert loop.watch._export.tighter_w <= 2_100


def test_no_battery_is_filled_from_the_grid_for_a_limit_that_was_broken() -> None:
    """The sun was not limited though it should; after sunset that is no reason to buy energy."""
    day = Loop(asked=None, sun_w=lambda at: 9_000.0 if at < 300 else 0.0, obeys=lambda _: None)
    day.run(900)
    assert day.over_after(100) > 3_000
    assert max(day.charged_w[160:]) < 50


@given(st.lists(st.none() | st.floats(-20_000, 20_000), max_size=200))
def test_it_is_never_below_nothing_nor_beyond_reason(over_w: list[float | None]) -> None:
    state = LimitState()
    for tick, over in enumerate(over_w):
        before, state = state, watched(state, over, tick * TICK_S)
        worst = max([o for o in over_w[: tick + 1] if o is not None], default=0.0)
        assert 0 <= state.tighter_w <= MOST_OVER * max(worst, 0.0)
        if over is None or over <= 0:
            assert state.tighter_w <= before.tighter_w
        assert state.tighter_w - before.tighter_w <= max(over or 0.0, 0.0) + 1e-6


def test_a_lagging_meter_is_not_answered_many_times() -> None:
    state = LimitState()
    lasting = int(ANSWERED_S / TICK_S)
    for tick in range(lasting + 3):  # the same 2 kW seen three times before the first answer shows
        state = watched(state, 2_000.0, tick * TICK_S)
        assert state.tighter_w == (2_000 if tick >= lasting else 0)
    state = watched(state, 3_000.0, ANSWERED_S + SETTLE_S - 0.1)
    assert state.tighter_w == 3_000, "but what comes on top of it counts at once"


def test_no_limit_is_watched_where_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    watch = LimitWatch()
    for tick in range(60):
        assert watch.look(-9_000.0, GridLimits(), tick * TICK_S) == Tightening()
    assert not caplog.records
    for tick in range(60, 60 + int(ALARM_S / TICK_S) + 1):
        watch.look(9_000.0, GridLimits(import_w=8_000), tick * TICK_S)
    assert "the import limit of 8000 W is not kept: 1000 W more" in caplog.text


def test_the_alarm_tells_the_present_excess_and_the_log_the_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who looks after an hour sees how it is now; it is one alarm, and one line, all the time."""
    watch, seen = LimitWatch(), []
    for tick in range(int(4 * ALARM_S / TICK_S)):
        watch.look(9_000.0 + 10 * tick, GridLimits(import_w=8_000), tick * TICK_S)
        seen += [alarm for alarm in watch.alarms if alarm not in seen]
    assert len({alike(alarm) for alarm in seen}) == 1
    assert len(seen) == 3, "in two minutes, the first half of one without"
    figures = [dict(alarm.values) for alarm in seen]
    assert [f["seconds"] for f in figures] == ["30", "60", "90"]
    assert [int(str(f["more"])) for f in figures] == [
        1_000 + int(10 * s / TICK_S) for s in (30, 60, 90)
    ]
    assert [r.getMessage() for r in caplog.records] == [str(seen[0])]


def test_sun_that_a_price_alone_wants_held_back_breaks_no_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An inverter feeds in while that costs money: it is told to give less still, and nobody is woken."""
    watch, unpaid = LimitWatch(), GridLimits(export_w=5_000, unpaid=True)
    for tick in range(60):
        tightening = watch.look(-700.0, unpaid, tick * TICK_S)
    assert tightening.export_w > 0
    assert not caplog.records
    assert not watch.alarms
    for tick in range(60, 60 + int(ALARM_S / TICK_S) + 1):
        watch.look(-5_200.0, unpaid, tick * TICK_S)
    assert "the export limit of 5000 W is not kept: 200 W more" in caplog.text


def test_a_battery_that_is_released_is_taken_over_while_the_import_is_too_high() -> None:
    """Its inverter does not cover the house by itself, whatever it should do."""
    fuse = replace(CONTROL, import_limit_w=8_000)
    seen = snapshot(9_000)
    released = decide(inputs(seen, None, control=fuse)).setpoints
    assert released.battery_w is None
    taken = decide(
        inputs(seen, None, control=fuse, tightening=Tightening(import_w=1_000))
    ).setpoints
    assert (taken.battery_w, taken.reason) == (5_000, Reason.SELF_CONSUMPTION)


def test_a_device_that_says_it_keeps_the_limit_is_believed_until_the_meter_says_otherwise() -> None:
    sunny = snapshot(-2_000, 2_500, ())
    own = inputs(sunny, None, control=NOTHING, keeps_export=True)
    assert decide(own).setpoints.pv_limits_w == {}
    broken = replace(own, tightening=Tightening(export_w=2_000))
    assert decide(broken).setpoints.pv_limits_w == {"roof": 0}


def test_an_import_limit_that_is_not_kept_is_taken_tighter() -> None:
    fuse = replace(CONTROL, import_limit_w=8_000)
    bought = order(position_wh=-3_000)
    plain = inputs(snapshot(5_000), bought, control=fuse)
    assert decide(plain).setpoints.battery_w == -3_000
    tighter = replace(plain, tightening=Tightening(import_w=500))
    assert decide(tighter).setpoints.battery_w == -2_500


def test_while_everything_is_given_the_limit_is_not_taken_tighter() -> None:
    """Batteries at their most, no car: what would be taken off now would only stay afterwards."""
    state = LimitState()
    for tick in range(100):
        state = watched(state, 800.0, tick * TICK_S, spent=True)
    assert state.tighter_w == 0


def test_what_the_house_alone_draws_too_much_is_no_fault_of_a_device(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is said, but nobody is sent to look at inverter and meter for it."""
    watch, limits = LimitWatch(), GridLimits(import_w=8_000)
    for tick in range(60):
        watch.look(9_000.0, limits, tick * TICK_S, import_spent=True)
    (alarm,) = watch.alarms
    assert (alarm.about, alarm.code) == ("limit_not_kept", "limit_not_kept.alone")
    assert "1000 W more" in alarm
    assert [r.levelname for r in caplog.records] == ["WARNING"]


def test_decided_at_its_most_is_said_to_be_spent() -> None:
    fuse = replace(CONTROL, import_limit_w=8_000)
    idle, full = (BatteryState("b", w, 60.0, 10_000, 5_000, 5_000) for w in (0.0, 4_900.0))
    told, left = Tightening(import_w=40.0), Tightening()
    for seen, tightening, spent in (
        (snapshot(14_000, 0, (idle,)), told, True),
        (snapshot(9_000, 0, (full,)), left, True),  # left to the inverter, which gives what it can
        (snapshot(9_000, 0, (idle,)), left, False),
    ):
        decision = decide(inputs(seen, None, control=fuse, tightening=tightening))
        assert decision.import_spent is spent


@pytest.mark.parametrize(
    ("case", "load_w", "least_w", "most_w"),
    [
        ("the limit is kept without help", 7_900, 0, 0),
        ("the limit needs help, and the meter shows that more is needed", 8_300, 300, 800),
    ],
)
def test_the_reserve_is_not_given_for_a_limit_that_is_only_taken_tighter(
    case: str, load_w: float, least_w: float, most_w: float
) -> None:
    """500 W went out of the reserve because the batteries had been at their most before."""
    fuse = replace(CONTROL, import_limit_w=8_000)
    low = BatteryState("b", 0.0, 20.0, 10_000, 5_000, 5_000)
    told = decide(
        inputs(snapshot(load_w, 0, (low,)), None, control=fuse, tightening=Tightening(import_w=500))
    ).setpoints
    assert told.battery_w is not None, case
    assert least_w <= told.battery_w <= most_w, case


@pytest.mark.parametrize(("limitable", "writes"), [(True, 0), (False, 3)])
def test_a_limit_that_a_device_keeps_in_flash_is_not_written_at_each_tick(
    limitable: bool, writes: int
) -> None:
    """Taken tighter twice and given back over minutes: that is what an inverter's output is limited by, where it can be.
    Elsewhere it goes down in two steps and back in one, and is never wider than it has to be."""
    roof = InverterState("roof", 5_000, 5_000, tells_ac=True, limitable=limitable)
    seen = snapshot(-2_200, 5_000, (), inverters=(roof,))
    memory, told = ControlMemory(), list[int | None]()
    tighter = [0.0, *(200.0 for _ in range(5)), *(700.0 - 7 * n for n in range(100)), 0.0]
    for n, watts in enumerate(tighter):
        made = decide(
            inputs(
                seen, None, control=AGREED, keeps_export=True, memory=memory,
                tightening=Tightening(export_w=watts), monotonic_s=2.0 * n,
            )
        )  # fmt: skip
        memory = made.memory
        told.append(made.setpoints.export_limit_w)
        if not limitable:
            assert (made.setpoints.export_limit_w or 0) <= 2_000 - watts
    assert sum(a != b for a, b in pairwise(told)) == writes
    assert told[0] == told[-1] == 2_000


def test_one_inverter_at_its_limit_is_not_let_go_because_the_other_gives_way_by_itself() -> None:
    """The hybrid keeps the export by itself and has gone to 0; the roof stands at its limit, and its sun is not known."""
    hybrid = InverterState("hybrid", 0.0, -12.0, tells_ac=True)
    roof = InverterState("roof", 1_450.0, 1_450.0, tells_ac=True)
    store = BatteryState("store", 700.0, 99.0, 5_000, 800, 800)
    told = Setpoints(pv_limits_w={"hybrid": 680, "roof": 1_450}, export_limit_w=0)
    memory = ControlMemory(told, mode_since_s=0.0, decided_s=980.0, held_s=900.0)
    seen = replace(snapshot(0.0, 1_450, (store,), inverters=(hybrid, roof)), load_w=2_130.0)
    limits_w = ask(
        seen, order(import_price=280.0, export_price=50.0), control=NOTHING, memory=memory
    ).pv_limits_w
    assert "roof" in limits_w, "else it feeds in all that it has until the next tick"


def test_a_limit_that_a_load_breaks_every_half_hour_is_two_lines_in_six_hours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A made-up home's log had 41 pairs of them in a day; the alarm itself is there each time."""
    watch, limits, alarms = LimitWatch(), GridLimits(import_w=8_000), 0
    caplog.set_level(logging.INFO)
    period_s = 20.0
    for tick in range(int(QUIET_S / period_s)):
        at = tick * period_s
        before = watch.alarms
        watch.look(9_000.0 if at % 1_800 < 120 else 500.0, limits, at, import_spent=True)
        alarms += bool(watch.alarms) and not before
    assert alarms == 12
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]
    for tick in range(4):  # that a device is at fault is another thing
        watch.look(9_000.0, limits, QUIET_S - 60 + tick * period_s)
    assert [r.levelname for r in caplog.records][2:] == ["ERROR"]
