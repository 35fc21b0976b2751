"""The simulated home at its clock: physics is caught up lazily, whenever somebody looks or writes.

The result depends only on time and commands. Steps end on a fixed grid of 10 s; a look in between
is a preview that changes nothing; a command that changes something ends the step at its moment.
Timers (the devices' reversion timers and watchdogs) act at their exact moment, however late the
next look comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from simulators.data import STEP_S
from simulators.physics import heat, storage
from simulators.physics.cars import CarDemand
from simulators.physics.heat import HeatState
from simulators.physics.house import step
from simulators.physics.household import load_power
from simulators.physics.script import Script
from simulators.physics.values import (
    PHASES,
    BoxState,
    Commands,
    Inputs,
    Powers,
    State,
    Totals,
    imbalance_wh,
    soc_pct,
)
from simulators.physics.weather import pv_power
from simulators.scenario import Scenario

_CAR = frozenset(
    {"charge_current_a", "charge_phases", "charger_enabled", "boxes", "rod_w", "sg_ready"}
)
_AT_ONCE_S = 1e-3


class HasTime(Protocol):
    """What the home needs of a clock."""

    def now(self) -> datetime:
        """Aware UTC."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened so far, to check the gateway's account against. Wh and W."""

    time: datetime
    state: State
    soc_pct: float
    stored_change_wh: float
    imbalance_wh: float
    car: CarDemand | None


class Home:
    """House, weather, people and car at one clock."""

    def __init__(self, clock: HasTime, scenario: Scenario) -> None:
        self.scenario = scenario
        self.house = scenario.house
        self._commands = Commands()
        self._clock = clock
        self._zone = ZoneInfo(scenario.time_zone)
        self._now_s = self._done_s = scenario.start.timestamp()
        self._first = self._done = self._view = self._initial()
        self._inputs: tuple[int, Inputs, float] | None = None
        self._timers: dict[str, tuple[float, Callable[[], None]]] = {}
        self._in_timer = False
        self._outage = False
        self._seen: datetime | None = None  # the clock's time to which all is caught up

    def _initial(self) -> State:
        boiler, pump, other = self.scenario.boiler, self.scenario.heat_pump, self.house.storage
        return replace(
            self._at_start(),
            boiler=HeatState(boiler.start_c) if boiler else None,
            pump=HeatState(pump.start_c) if pump else None,
            storage_wh=other.capacity_wh * other.soc_pct / 100 if other else 0.0,
        )

    def _at_start(self) -> State:
        scenario, house = self.scenario, self.house
        car = scenario.car
        if scenario.script is not None:
            return State(
                stored_wh=house.battery.capacity_wh * scenario.soc_pct / 100.0,
                boxes=(BoxState(),) * (scenario.script.chargers - 1),
            )
        return State(
            stored_wh=house.battery.capacity_wh * scenario.soc_pct / 100.0,
            car_stored_wh=house.car.capacity_wh * scenario.car_soc_pct / 100.0,
            car_plugged=bool(car and car.plugged(scenario.start, self._zone, scenario.seed)),
        )

    @property
    def now(self) -> datetime:
        """The moment to which the home has been caught up."""
        return datetime.fromtimestamp(self._now_s, UTC)

    def state(self) -> State:
        """The home at the clock's time."""
        self._catch_up()
        return self._view

    @property
    def commands(self) -> Commands:
        """What is asked for at the clock's time."""
        self._catch_up()
        return self._commands

    def powers(self) -> Powers:
        return self.state().powers

    def totals(self) -> Totals:
        """Energies since the start, Wh."""
        return self.state().totals

    def boxes_wh(self) -> tuple[float, ...]:
        """What each further charger has given since the start, Wh."""
        return tuple(box.total_wh for box in self.state().boxes)

    def cars_w(self) -> list[tuple[float, int]]:
        """What the car at each charger draws, W, and from how many phases."""
        state, told, script = self.state(), self._commands, self.scenario.script
        switched = (told.charge_phases, *(b.phases for b in told.boxes))
        found = []
        for i, watts in enumerate((state.powers.ev, *(b.power_w for b in state.boxes))):
            visit = script.visit(i, self.now) if script is not None else None
            car = visit.car if visit is not None else self.house.car
            found.append((watts, min(car.phases, switched[i] if i < len(switched) else PHASES)))
        return found

    def truth(self) -> Truth:
        """State, balance and the car's demand at the clock's time."""
        state = self.state()
        return Truth(
            time=self.now,
            state=state,
            soc_pct=soc_pct(self.house, state),
            stored_change_wh=state.stored_wh - self._first.stored_wh,
            imbalance_wh=imbalance_wh(self._first, state),
            car=self.car(),
        )

    def car(self) -> CarDemand | None:
        """What the car's owner wants, or None when no car is plugged in."""
        state, schedule = self.state(), self.scenario.car
        if schedule is None or not state.car_plugged:
            return None
        car = self.house.car
        missing = car.capacity_wh * schedule.target_pct / 100.0 - state.car_stored_wh
        return CarDemand(
            energy_wh=max(0.0, missing) / car.charge_efficiency,
            departure=schedule.next_departure(self.now, self._zone, self.scenario.seed),
            soc_pct=100.0 * state.car_stored_wh / car.capacity_wh,
        )

    def command(self, **changes: Any) -> None:
        """Change fields of `Commands` at this moment; what is already so changes nothing."""
        self._catch_up()
        wanted = replace(self._commands, **changes)
        if wanted != self._commands:
            self._done, self._done_s = self._at(self._now_s), self._now_s
            self._view = self._done
            car = _CAR.intersection(k for k in changes if changes[k] != getattr(self._commands, k))
            self._commands = wanted
            if car:  # it follows at once, and a device that looks at this moment sees it
                after = self._at(self._now_s + _AT_ONCE_S)
                self._view = replace(
                    self._done,
                    powers=after.powers,
                    boxes=after.boxes,
                    boiler=after.boiler,
                    pump=after.pump,
                )

    def outage(self, away: bool) -> None:
        """The grid goes away at this moment, or comes back."""
        self._catch_up()
        self._done, self._done_s = self._at(self._now_s), self._now_s
        self._outage = away
        self._view = self._done

    @property
    def alone(self) -> bool:
        """Whether the home lives without the grid now."""
        return self._outage

    def timer(self, key: str, seconds: float | None, action: Callable[[], None]) -> None:
        """(Re)start the timer ``key``; at its end ``action`` is called once. None stops it."""
        self._catch_up()
        if seconds is None:
            self._timers.pop(key, None)
        else:
            self._timers[key] = (self._now_s + seconds, action)
            self._seen = None

    def remaining_s(self, key: str) -> float:
        """Seconds until the timer ``key`` ends, 0 if it does not run."""
        self._catch_up()
        return max(0.0, self._timers[key][0] - self._now_s) if key in self._timers else 0.0

    def _catch_up(self) -> None:
        if self._in_timer:
            return  # an action asks: it is already at its own moment
        now = self._clock.now()
        if now == self._seen:
            return
        target = now.timestamp()
        while self._timers:
            key = min(self._timers, key=lambda k: (self._timers[k][0], k))
            deadline, action = self._timers[key]
            if deadline > target:
                break
            del self._timers[key]
            self._move_to(max(deadline, self._now_s))
            self._in_timer = True
            try:
                action()
            finally:
                self._in_timer = False
        self._move_to(target)
        self._seen = now

    def _move_to(self, time_s: float) -> None:
        if time_s <= self._now_s:  # a wall clock may step back; the home does not
            return
        grid_s = (self._done_s // STEP_S + 1) * STEP_S
        while grid_s <= time_s:
            self._done, self._done_s = self._at(grid_s), grid_s
            grid_s += STEP_S
        self._now_s = time_s
        self._view = self._at(time_s)

    def _at(self, time_s: float) -> State:
        """The state at ``time_s``, within the step_number of the last committed one."""
        dt_s = time_s - self._done_s
        if dt_s <= 0:
            return self._done
        inputs, drive_wh = self._step_inputs(int(self._done_s // STEP_S))
        state = self._done
        if self.scenario.script is not None:
            state = _arrived(state, self.scenario.script, self._done_s)
        elif inputs.car_plugged and not state.car_plugged:
            state = replace(state, car_stored_wh=max(3000.0, state.car_stored_wh - drive_wh))
        inputs = replace(inputs, outage=self._outage)
        state, heat_w = self._heated(state, dt_s / 3600)
        inputs = replace(inputs, load_w=inputs.load_w + heat_w) if heat_w else inputs
        state, storage_w = self._storage(state, dt_s / 3600)
        inputs = replace(inputs, storage_w=storage_w) if storage_w else inputs
        return step(self.house, state, self._commands, inputs, dt_s)

    def _storage(self, state: State, hours: float) -> tuple[State, float]:
        """The second battery after the step, and what it gave, W; it does not work without a grid."""
        spec, last = self.house.storage, state.powers
        if spec is None or self._outage:
            return state, 0.0
        told_w = self._commands.storage_w
        given_w = storage.power_w(spec, state.storage_wh, told_w, (last.storage, last.grid), hours)
        stored_wh = storage.stored_after(spec, state.storage_wh, given_w, hours)
        return replace(state, storage_wh=stored_wh), given_w

    def _heated(self, state: State, hours: float) -> tuple[State, float]:
        """The tanks after the step, and what they drew, W; without a grid they draw nothing."""
        scenario = self.scenario
        if scenario.boiler is None and scenario.heat_pump is None:
            return state, 0.0
        local, drawn_w = datetime.fromtimestamp(self._done_s, self._zone), 0.0
        if scenario.boiler is not None and state.boiler is not None:
            told_w = 0.0 if self._outage else self._commands.rod_w
            power_w = heat.boiler_power_w(scenario.boiler, state.boiler, told_w)
            warm = heat.after(scenario.boiler.tank, state.boiler, power_w, 1.0, local, hours)
            state, drawn_w = replace(state, boiler=warm), power_w
        if scenario.heat_pump is not None and state.pump is not None:
            pump, sg_ready = scenario.heat_pump, 1 if self._outage else self._commands.sg_ready
            power_w = heat.pump_power_w(pump, state.pump, sg_ready)
            warm = heat.after(pump.tank, state.pump, power_w, pump.cop, local, hours)
            state, drawn_w = replace(state, pump=warm), drawn_w + power_w
        return state, drawn_w

    def _step_inputs(self, step_number: int) -> tuple[Inputs, float]:
        """Inputs of one 10 s step_number, and what a car that arrives in it has driven (Wh)."""
        if self._inputs is not None and self._inputs[0] == step_number:
            return self._inputs[1], self._inputs[2]
        scenario, seed = self.scenario, self.scenario.seed
        time = datetime.fromtimestamp(step_number * STEP_S, UTC)
        middle = time + timedelta(seconds=STEP_S / 2)
        if scenario.script is not None:
            self._inputs = (step_number, _scripted(scenario.script, time), 0.0)
            return self._inputs[1], 0.0
        if scenario.recording is not None:
            load, pv = scenario.recording.powers(middle, seed, scenario.noise)
        else:
            load = load_power(middle, self._zone, seed)
            pv = pv_power(middle, scenario.latitude, scenario.longitude, scenario.panels, seed)
        plugged, drive_wh = False, 0.0
        if scenario.car is not None:
            plugged = scenario.car.plugged(time, self._zone, seed)
            drive_wh = scenario.car.drive_wh(time, self._zone, seed)
        inputs = Inputs(pv, load, plugged)
        self._inputs = (step_number, inputs, drive_wh)
        return inputs, drive_wh


def _scripted(script: Script, time: datetime) -> Inputs:
    """What stands in the script for the step that begins at ``time``."""
    first, *others = (script.at_box(i, time) for i in range(script.chargers))
    return Inputs(
        pv_w=script.sun_w(time),
        load_w=script.load_w(time),
        car_plugged=first is not None,
        car=first,
        ac_pv_w=script.ac_sun_w(time),
        boxes=tuple(others),
    )


def _arrived(state: State, script: Script, time_s: float) -> State:
    """The state with what cars that have just come bring with them."""
    time = datetime.fromtimestamp(time_s // STEP_S * STEP_S, UTC)
    first = script.visit(0, time)
    if first is not None and not state.car_plugged:
        state = replace(state, car_stored_wh=first.stored_wh)
    boxes = list(state.boxes)
    for i, box in enumerate(boxes):
        visit = script.visit(i + 1, time)
        if visit is not None and not box.plugged:
            boxes[i] = BoxState(car_stored_wh=visit.stored_wh, total_wh=box.total_wh)
    return replace(state, boxes=tuple(boxes)) if boxes else state
