"""kill -9 while a simulated device is steered: it falls back by its own timer, or at our next start.

One scenario a family and control. At a seeded moment the gateway dies; then, in every second round, the
device's own time goes on past its lease, and it must be free where it has a timer and still be
forced where it has none. After the next start every register stands as before the first life.
HEG_MOMENTS sets how many moments are tried (100 for the record).
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any, TypeVar

import pytest

from gateway.domain.control import Control
from gateway.errors import DeviceError
from simulators.devices.family_file import family_files
from simulators.devices.registers import BlockUnit
from simulators.devices.serve import CHARGERS, HEATERS, Choice, serve_heater, serve_home
from simulators.physics.heat import Boiler, HeatPump
from simulators.physics.home import Home
from simulators.physics.values import Commands, House
from simulators.scenario import Scenario
from tests.devices.test_kill import life

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside a thread
T = TypeVar("T")
NOON = datetime(2026, 6, 1, 18, tzinfo=UTC)
MOMENTS = int(os.environ.get("HEG_MOMENTS", "4"))
MOST = 5  # times as many, until half of MOMENTS found a setpoint in force
BATTERY, PV = Control.BATTERY_POWER, Control.PV_LIMIT
EXPORT, CURRENT = Control.EXPORT_LIMIT, Control.CHARGE_CURRENT
RESERVE = Control.RESERVE
HEAT, SG = Control.HEAT_POWER, Control.SG_READY
VALUES = {
    BATTERY: (3000.0, -2000.0, 0.0, 1500.0),
    PV: (2000.0, 500.0, 8000.0),
    EXPORT: (4000.0, 0.0, 1000.0),
    RESERVE: (30.0, 20.0, 45.0),
    CURRENT: (16.0, 6.0, 0.0, 10.0),
    HEAT: (2000.0, 500.0, 3500.0),
    SG: (3.0, 1.0),
}
STEERED_BY = {"inverter": BATTERY, "charger": CURRENT, "heater": HEAT}
# family, profile, control, seconds until the device frees itself (None: never)
SCENARIOS = (
    ("fronius", "fronius-gen24", BATTERY, 60),
    ("fronius", "fronius-gen24", PV, 60),
    ("fronius", "fronius-gen24", RESERVE, None),
    ("solaredge", "solaredge-storedge", RESERVE, None),
    ("goodwe", "goodwe-et", RESERVE, None),
    ("victron", "victron-gx", RESERVE, None),
    ("fronius-float", "fronius-gen24", BATTERY, 60),
    ("sunspec-der", "sunspec-hybrid", BATTERY, 60),
    ("sunspec-der", "sunspec-hybrid", PV, 60),
    ("solaredge", "solaredge-storedge", BATTERY, 300),
    ("solaredge", "solaredge-storedge", EXPORT, None),
    ("sungrow", "sungrow-sh", BATTERY, 60),
    ("huawei", "huawei-sun2000", BATTERY, 120),
    ("huawei", "huawei-sun2000", EXPORT, None),
    ("goodwe", "goodwe-et", BATTERY, None),
    ("goodwe", "goodwe-et", EXPORT, None),
    ("solax", "solax-x", BATTERY, 600),
    ("sma", "sma-hybrid", BATTERY, 600),
    ("keba", "keba-p30", CURRENT, 60),
    ("go-e", "go-e", CURRENT, None),
    *(
        (name, file.profile, SG if name == "stiebel" else STEERED_BY[file.kind], file.falls_back_s)
        for name, file in family_files().items()
        if file.rules
    ),
)
# Let go by saying nothing: it takes the device's own time. s
LET_GO_BY_TIMER = {"alfen": 61.0, "kostal": 31.0}
# Registers that mean nothing while nobody controls: times and values of a mode that is off.
IDLE = {
    "huawei": {47083},
    "keba": {5004, 5016},  # let go, the box's own largest current applies
    "solax": {0, *range(0x7D, 0x8B)},  # 0: unlocked until its next restart
    "sunspec-der": set(range(40000, 40500)),  # checked by the commands it gives the home
    **{name: set(file.idle) for name, file in family_files().items()},
}


@dataclass
class StandingClock:
    """The device's time, moved by the test alone."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)


@dataclass
class Bench:
    """A simulated home behind its ports, in a thread of its own."""

    family: str
    clock: StandingClock = field(default_factory=StandingClock)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def open(self) -> None:
        if self.family in HEATERS:
            self._open_heater()
            return
        self.home = Home(self.clock, Scenario(NOON, seed=1))
        choice = (
            Choice(charger=self.family) if self.family in CHARGERS else Choice(inverter=self.family)
        )
        servers = self.run(serve_home(self.home, choice=choice))
        self.close = servers.close
        charger = self.family in CHARGERS
        self.server = servers.charger if charger else servers.inverter
        self.port = servers.ports.charger if charger else servers.ports.inverter

    def _open_heater(self) -> None:
        scenario = Scenario(NOON, seed=1, boiler=Boiler(), heat_pump=HeatPump())
        self.home = Home(self.clock, scenario)
        self.server, self.port = self.run(serve_heater(self.home, self.family))
        self.close = self.server.close

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def let_go(self) -> tuple[Commands, dict[int, int]]:
        """What it asks of the home once we have let go."""
        return self.look(LET_GO_BY_TIMER.get(self.family, 0.0))

    def look(self, forward_s: float = 0.0) -> tuple[Commands, dict[int, int]]:
        """Let the device's time go on; what it asks of the home, and its settings."""

        async def work() -> tuple[Commands, dict[int, int]]:
            self.clock.seconds += forward_s
            commands = self.home.commands
            units = [u for u in self.server.units.values() if isinstance(u, BlockUnit)]
            idle = IDLE.get(self.family, set())
            words = {a: v for u in units for a, v in u.writable().items() if a not in idle}
            return commands, words

        found: tuple[Commands, dict[int, int]] = self.run(work())
        return found


@contextmanager
def bench(family: str) -> Iterator[Bench]:
    one = Bench(family)
    thread = threading.Thread(target=one.loop.run_forever)
    thread.start()
    try:
        one.open()
        try:
            yield one
        finally:
            one.run(one.close())
    finally:
        one.loop.call_soon_threadsafe(one.loop.stop)
        thread.join()
        one.loop.close()


def steer_for_ever(key: str, control: Control, port: int, path: Path) -> None:
    """A gateway's life: another setpoint as fast as the wire and the flash budget allow."""

    async def run() -> None:
        one, _ = life(key, port, path)
        while True:
            for value in VALUES[control]:
                with suppress(DeviceError):  # the day's budget
                    await one.hold(control, value)

    asyncio.run(run())


async def next_life(key: str, port: int, path: Path) -> None:
    """The gateway starts again and polls once."""
    one, journal = life(key, port, path)
    await one.poll()
    assert not journal.pending("device")
    await one.close()


def freed(now: Commands, before: Commands) -> bool:
    """Whether nothing forces battery, generation, charger or heater any more; full power is no force."""
    battery = House().battery
    return (
        (now.charge_limit_w or battery.max_charge_w) >= battery.max_charge_w
        and (now.discharge_limit_w or battery.max_discharge_w) >= battery.max_discharge_w
        and 0.0 not in (now.charge_limit_w, now.discharge_limit_w)
        and now.ac_power_w == before.ac_power_w
        and now.grid_power_w == before.grid_power_w
        and now.pv_limit_w == before.pv_limit_w
        and now.export_limit_w == before.export_limit_w
        and now.reserve_pct == before.reserve_pct
        and now.charge_current_a == before.charge_current_a
        and now.charger_enabled == before.charger_enabled
        and (now.rod_w, now.sg_ready) == (before.rod_w, before.sg_ready)
    )


@pytest.mark.parametrize(
    ("family", "key", "control", "lease_s"),
    SCENARIOS,
    ids=[f"{family}-{control}" for family, _, control, _ in SCENARIOS],
)
def test_neutral_by_its_own_timer_or_at_the_next_start(
    family: str, key: str, control: Control, lease_s: float | None, tmp_path: Path
) -> None:
    rng = random.Random(f"{family} {control}")
    killed_in_hold = moment = 0
    with bench(family) as device:
        before, words = device.look()
        while moment < MOMENTS or (killed_in_hold < MOMENTS // 2 and moment < MOST * MOMENTS):
            path = tmp_path / f"{moment}.db"  # each moment has a day's budget of its own
            child = multiprocessing.get_context("fork").Process(
                target=steer_for_ever, args=(key, control, device.port, path)
            )
            child.start()
            while freed(device.look()[0], before) and child.is_alive():
                sleep(0.001)
            sleep(rng.uniform(0, 0.02))
            child.kill()
            child.join()
            held = not freed(device.look()[0], before)
            killed_in_hold += held
            if moment % 2:
                commands, _ = device.look(1.5 * (lease_s or 3600))
                assert freed(commands, before) or lease_s is None
                assert not (held and lease_s is None and freed(commands, before))
            asyncio.run(next_life(key, device.port, path))
            assert device.let_go() == (before, words)
            moment += 1
    assert killed_in_hold >= MOMENTS // 2
