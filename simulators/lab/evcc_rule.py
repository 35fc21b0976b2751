"""The rule by which evcc lets a car follow the sun, as its documentation has it, on the same physics: to compare with.

Every 30 s: what the home feeds in, what its battery charges and what the car draws is available. A car starts
when for a minute that was at least what 6 A take, and stops when for three minutes it was less
(docs.evcc.io, "PV" mode: enable and disable delay at their defaults).
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import SimClock, every
from gateway.domain.control import Setpoints
from simulators.lab.lab import Lab
from simulators.lab.recorder import Recorder
from simulators.lab.result import Result
from simulators.lab.site import LabSite, box_name
from simulators.physics.home import Home
from simulators.physics.values import MIN_CURRENT_A, PHASES, VOLTAGE_V

INTERVAL_S, ENABLE_S, DISABLE_S = 30.0, 60.0, 180.0
_PER_A = PHASES * VOLTAGE_V
_MOST_A = 16.0


@dataclass(frozen=True, slots=True)
class Rule:
    """Whether the car is let charge, and since when (s) the surplus says otherwise."""

    on: bool = False
    turning_s: float | None = None

    def after(self, available_w: float, at: float) -> tuple[float, Rule]:
        """The current, A, and the rule after this look."""
        amperes = math.floor(available_w / _PER_A)
        enough = amperes >= MIN_CURRENT_A
        turning_s = None
        if enough != self.on:
            turning_s = at if self.turning_s is None else self.turning_s
            if at - turning_s >= (DISABLE_S if self.on else ENABLE_S):
                return self.after_turn(enough, amperes)
        current_a = min(_MOST_A, max(MIN_CURRENT_A, amperes)) if self.on else 0.0
        return current_a, Rule(self.on, turning_s)

    @staticmethod
    def after_turn(on: bool, amperes: float) -> tuple[float, Rule]:
        return (min(_MOST_A, amperes) if on else 0.0), Rule(on)


async def play_evcc_rule(lab: Lab, folder: Path) -> Result:
    """Play ``lab`` with that rule for its first charger; the battery is left to the inverter."""
    clock = SimClock(lab.begins)
    home = Home(clock, lab.scenario())
    site = LabSite(home, lab.equipment, clock)
    recorder = Recorder(lab, home, lab.made_settings(folder, [{"name": "x", "host": "x"}]))

    async def steer() -> None:
        rule = Rule()
        async for _ in every(clock, INTERVAL_S):
            seen = site.observe()
            if not seen.car_plugged:
                rule = Rule()
                await site.apply(Setpoints(chargers_a={box_name(0): 0.0}))
                continue
            available_w = (seen.charger_w or 0.0) - (seen.grid_w or 0.0) - (seen.battery_w or 0.0)
            current_a, rule = rule.after(available_w, clock.monotonic())
            await site.apply(Setpoints(chargers_a={box_name(0): current_a}))

    async def end() -> None:
        await clock.sleep_until(lab.end)
        for task in tasks:
            task.cancel()

    async with asyncio.TaskGroup() as group:
        tasks = [
            clock.spawn(group, recorder.run(clock), "recorder"),
            clock.spawn(group, steer(), "steer"),
        ]
        clock.spawn(group, end(), "end")
    return recorder.result()
