"""The tour of all modes: complete, on a simulated hybrid that obeys, and on one that does not."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SimClock
from gateway.devices.verify import Step, tour, verify
from gateway.domain.control import Control
from gateway.guard.intents import GuardFile
from simulators.devices.serve import Choice, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.devices.conftest import HandClock, Intents, device
from tests.devices.sunspec_images import hybrid
from tests.devices.test_simulated_families import NOON, one_device, simulated
from tests.modbus.server import RegisterServer, serving

MODE, OUT_RATE, CHARGE_W, DISCHARGE_W = 40368, 40375, 40334, 40354


@given(st.integers(1, 8))
def test_the_tour_takes_every_ordered_pair_once(count: int) -> None:
    walk = tour(count)
    pairs = list(itertools.pairwise(walk))
    assert sorted(pairs) == sorted(itertools.permutations(range(count), 2))
    assert walk[0] == walk[-1] == 0


async def walked(obeys: bool, clock: HandClock, intents: Intents) -> tuple[list[Step], bool]:
    words = hybrid()[1]
    before = dict(words)

    def move(_unit: int, address: int, new: list[int]) -> int | None:
        """The battery follows rate and mode, as model 124 has it."""
        words.update({address + i: w for i, w in enumerate(new)})
        rate = words[OUT_RATE] - 65536 if words[OUT_RATE] >= 32768 else words[OUT_RATE]
        watts = rate * 256 // 100 if words[MODE] == 3 and obeys else -8240
        words[CHARGE_W], words[DISCHARGE_W] = max(0, -watts), max(0, watts)
        return -1

    async with serving(RegisterServer({1: words}, on_write=move)) as server:
        one = device(server, "fronius-gen24", clock, intents)
        await one.poll()
        steps = [s async for s in verify(one, Control.BATTERY_POWER, 2000, clock, 30)]
        await one.close()
    return steps, words[MODE] == 0 and words[40378] == before[40378]


async def test_a_device_that_obeys_passes_all_transitions_and_ends_neutral(
    clock: HandClock, intents: Intents
) -> None:
    steps, neutral = await walked(True, clock, intents)
    assert len(steps) == 4 * 3 + 1
    assert not [s for s in steps if s.problem]
    assert neutral
    assert not intents.stored


async def test_a_device_that_ignores_setpoints_is_told_by_its_power_and_ends_neutral(
    clock: HandClock, intents: Intents
) -> None:
    steps, neutral = await walked(False, clock, intents)
    bad = {s.after for s in steps if s.problem}
    assert bad == {"discharge", "rest"}  # the captured battery charges by itself
    assert neutral


SIMULATED = [
    ("growatt", "growatt-sph", Control.BATTERY_POWER),
    ("solax", "solax-x", Control.BATTERY_POWER),
    ("huawei", "huawei-sun2000", Control.EXPORT_LIMIT),
    ("goodwe", "goodwe-et", Control.EXPORT_LIMIT),
    ("solaredge", "solaredge-storedge", Control.EXPORT_LIMIT),
]


@pytest.mark.parametrize(("family", "key", "control"), SIMULATED)
@pytest.mark.parametrize("obeys", [True, False])
def test_a_simulated_device_passes_if_it_obeys_and_only_then(
    family: str, key: str, control: Control, obeys: bool, tmp_path: Path
) -> None:
    """A home in the sun with a half-full battery, or (for export) a full one."""
    clock = SimClock(NOON)
    soc = 60.0 if control is Control.BATTERY_POWER else 100.0

    async def work() -> None:
        home = Home(clock, Scenario(NOON, seed=1, soc_pct=soc, car=None))
        servers = await serve_home(home, choice=Choice(inverter=family))
        journal = GuardFile(tmp_path / "guard.json")
        one = one_device(servers.ports.inverter, key, journal, clock)
        await one.poll()
        if not obeys:
            home.command = lambda **_: None  # type: ignore[method-assign]
        steps = [s async for s in verify(one, control, 1500, clock, 30)]
        assert len(steps) == 4 * 3 + 1
        told = [s for s in steps if s.problem]
        assert bool(told) != obeys, told
        assert not steps[-1].problem
        assert not journal.pending("device")
        await one.close()
        await servers.close()

    simulated(clock, work())
