"""Homes that `benchmarks/random_homes` makes by seed: nothing that somebody would complain of, on a calm day or a bad one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.random_homes import faults, lived
from simulators.lab import Equipment

pytestmark = pytest.mark.story


@pytest.mark.parametrize("seed", [107, 111])
async def test_a_home_that_nobody_thought_of(seed: int) -> None:
    lab, steered, alone = await lived(seed, calm=True)
    assert alone is not None
    assert faults(lab, steered, alone) == []
    assert steered.cost < alone.cost - 1, "these have prices that move"


async def test_the_judge_sees_what_is_wrong() -> None:
    """Played by its inverter's own rule and judged as if it had been told to keep more."""
    lab, _, alone = await lived(111, calm=True)
    assert alone is not None
    strict = replace(
        lab,
        equipment=Equipment(),
        settings={**lab.settings, "site": {"reserve_pct": 100, "export_limit_w": 0}},
    )
    found = " ".join(faults(strict, alone, alone))
    assert "below the reserve" in found
    assert "export limit of 0 W" in found
