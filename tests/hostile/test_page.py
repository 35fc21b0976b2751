"""Guests of the page who mean harm: others are served, nothing is a server error, and the log stays short.

The bad guest comes from another address of the loopback than the good one. Time leaps, so that what is
closed after a while is closed at once.
"""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from pathlib import Path

import pytest

from tests.hostile.control import control_beside
from tests.hostile.five import PAGE, Property, Trial
from tests.hostile.page_acts import ACTS
from tests.hostile.page_stage import (
    LOGGED_IN,
    MOST_MEMORY,
    Act,
    on_stage,
    others_are_served,
)
from tests.waiting import HANG_S


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
async def test_others_are_served(
    act: Act, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trial = Trial(PAGE)
    async with control_beside() as control, on_stage(tmp_path) as stage:
        caplog.set_level(logging.INFO)
        caplog.clear()
        tracemalloc.start()
        try:
            await act(stage)
            await others_are_served(stage)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        trial.saw(Property.NUMBERS, (status for status in stage.statuses if status >= 500))
        trial.saw(Property.NUMBERS, [f"{peak} bytes"] if peak >= MOST_MEMORY else ())
        records = [
            r for r in caplog.records if r.name.startswith(("gateway", "aiohttp", "asyncio"))
        ]
        trial.logged([r.getMessage() for r in records])
        trial.saw(Property.LINES, (r.getMessage() for r in records if r.exc_info))
        trial.saw(Property.MONEY, (c for c in stage.source.home.done if c.id not in LOGGED_IN))
        async with asyncio.timeout(HANG_S):
            while stage.dashboard._door.count:  # each is closed by itself, however it stays
                await asyncio.sleep(1)
        trial.saw(Property.BACK)
        await control.ticks(2)
        trial.saw(Property.CONTROL, control.late())
    trial.judge()
