"""Forty deaths of guard and agent with four backups put back between them; `benchmarks/kills.py` does more."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.safety.kills import Kills
from tests.safety.two_processes import NOON, Town, in_town

pytestmark = [
    pytest.mark.real_time,  # other processes take part
    pytest.mark.skipif(
        "HEG_KILLS" not in os.environ,
        reason="the shared clock of several processes stood still in one run of seven, cause not found;"
        " HEG_KILLS=1 runs it, benchmarks/kills.py does more",
    ),
]


async def test_nothing_is_lost_doubled_or_orphaned(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        kills = Kills(town, random.Random(5))
        await kills.run(40, 4)
        assert await kills.faults(NOON) == []
        assert sum(kills.kills.values()) == 40
        assert kills.restores == 4

    await in_town(tmp_path, story)
