"""Ten deaths of guard and agent with two backups put back between them; `benchmarks/kills.py` does more."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.safety.kills import Kills
from tests.safety.two_processes import NOON, Town, in_town

pytestmark = pytest.mark.real_time  # other processes take part


async def test_nothing_is_lost_doubled_or_orphaned(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        kills = Kills(town, random.Random(5))
        await kills.run(10, 2)
        assert await kills.faults(NOON) == []
        assert sum(kills.kills.values()) == 10
        assert kills.restores == 2

    await in_town(tmp_path, story)
