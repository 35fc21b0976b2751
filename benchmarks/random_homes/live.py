"""A home's day: steered, and by its inverter's own rule."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.random_homes.homes import home
from benchmarks.random_homes.judge import same_day
from simulators.lab import Lab, Result, play


async def lived(seed: int, *, calm: bool = False) -> tuple[Lab, Result, Result | None]:
    """Its day steered and, where that would be the same day, alone."""
    lab = home(seed, calm=calm)
    with tempfile.TemporaryDirectory() as folder:
        steered = await play(lab, Path(folder) / "steered")
        alone = None
        if same_day(lab):
            alone = await play(replace(lab, agent=False, agent_off=()), Path(folder) / "alone")
    return lab, steered, alone
