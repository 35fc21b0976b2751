"""Every steered simulated family through every pair of modes: nothing of a mode is left by the next."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.control import Control
from simulators.physics.values import Commands
from tests.devices.test_kill import life
from tests.devices.test_kill_simulated import SCENARIOS, VALUES, Bench, bench

# The permission to charge from the grid is a setting in flash: once given, it is kept until we let go.
PERMITTED = ("huawei", "growatt")


def asked(device: Bench) -> Commands:
    """What the device asks of the home now; the current of a paused car means nothing."""
    commands = device.look()[0]
    return commands if commands.charger_enabled else replace(commands, charge_current_a=0.0)


async def walk(device: Bench, key: str, control: Control, path: Path) -> None:
    before = device.look()
    straight: dict[float, Commands] = {}
    for value in VALUES[control]:
        one, journal = life(key, device.port, path / f"{value}.db")
        await one.hold(control, value)
        straight[value] = asked(device)
        assert (await one.release()).neutral
        assert device.let_go() == before
        await one.close()
    for first, second in itertools.permutations(VALUES[control], 2):
        one, journal = life(key, device.port, path / f"{first} {second}.db")
        await one.hold(control, first)
        assert asked(device) == straight[first]
        await one.hold(control, second)
        passed = asked(device)
        if device.family in PERMITTED:
            passed = replace(passed, grid_charge=straight[second].grid_charge)
        assert passed == straight[second], (first, second)
        report = await one.release()
        assert report.neutral, report.problems
        assert device.let_go() == before, (first, second)
        assert not journal.pending("device")
        await one.close()


@pytest.mark.parametrize(
    ("family", "key", "control"),
    [scenario[:3] for scenario in SCENARIOS],
    ids=[f"{family}-{control}" for family, _, control, _ in SCENARIOS],
)
def test_all_transitions_of_a_simulated_family(
    family: str, key: str, control: Control, tmp_path: Path
) -> None:
    with bench(family) as device:
        asyncio.run(walk(device, key, control, tmp_path))
