"""Homes that `benchmarks/random_homes` makes by seed: nothing that somebody would complain of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.random_homes import faults, home, lived
from simulators.lab import Equipment

pytestmark = pytest.mark.story


async def test_a_home_that_nobody_thought_of() -> None:
    """Its prices move; and its day by the inverter's own rule, judged as if that had been told to keep more."""
    lab, steered, alone = await lived(111, calm=True)
    assert alone is not None
    assert faults(lab, steered, alone) == []
    assert steered.cost < alone.cost - 1
    site = {**lab.settings["site"], "reserve_pct": 100, "export_limit_w": 0}
    strict = replace(lab, equipment=Equipment(), settings={**lab.settings, "site": site})
    found = " ".join(faults(strict, alone))
    assert "below the reserve" in found
    assert "export limit: up to" in found


async def test_a_bad_day() -> None:
    """A meter that falls silent in a home that may feed in nothing; its battery starts below its reserve."""
    lab, steered, alone = await lived(1008)
    assert lab.equipment.silent
    assert alone is None, "not the same day"
    assert faults(lab, steered) == []


async def test_panels_and_battery_do_not_both_make_up_for_one_excess() -> None:
    """A roof and a battery of its own under an export limit, while a little is delivered: each answered the whole excess, and the next
    tick its opposite, 160 times in an hour, with 3.2 kW fed in of the 500 W that are allowed."""
    lab, steered, _ = await lived(5004)
    assert faults(lab, steered) == []
    assert steered.reversals() <= 10


def test_bad_days_are_of_every_kind() -> None:
    """Forty seeds have each trouble at least once, and every day ends within its lab."""
    labs = [home(seed) for seed in range(1000, 1040)]
    kinds = {
        "a second battery": any(lab.house.storage for lab in labs),
        "a silent device": any(lab.equipment.silent for lab in labs),
        "a fuse": any("fuse_a" in lab.settings["site"] for lab in labs),
        "a meter that errs": any(lab.script.sensors for lab in labs),
        "a dead agent": any(lab.agent_off for lab in labs),
        "a restart": any(lab.off for lab in labs),
        "an exchange": any(lab.exchange for lab in labs),
        "the grid operator": any("grid_operator" in lab.settings for lab in labs),
        "commands": any(lab.commands for lab in labs),
        "an outage": any(lab.outages for lab in labs),
        "another zone": len({lab.settings["site"]["time_zone"] for lab in labs}) == 3,
    }
    assert [kind for kind, there in kinds.items() if not there] == []
    for lab in labs:
        assert all(begin < end <= lab.end for begin, end in (*lab.outages, *lab.off))
