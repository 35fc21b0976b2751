"""What the agent asks the nightly trial, and what it hears. The trial is a process of its own (`gateway.agent.trial_process`).

The question names the files, not what is in them: the agent never holds the weeks that are replayed.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.agent.posted import PostedPrices
from gateway.agent.prices import Feeds
from gateway.config.settings import Settings
from gateway.domain.plan import BatterySpec

_LONGEST_S = 3 * 3600.0


@dataclass(frozen=True, slots=True)
class Weeks:
    """How many days are replayed, how many of them are judged, and of how many all must be known."""

    simulated: int = 42
    judged: int = 28
    least: int = 21

    @property
    def learnt_from(self) -> int:
        """The first days, before anything is judged."""
        return self.simulated - self.judged


@dataclass(frozen=True, slots=True)
class Question:
    """Would another way than the one that is ``used`` have earned this home more? The past is in ``journal`` and ``history``;
    what only the agent knows of prices comes along."""

    settings: Settings
    now: datetime
    used: str
    battery: BatterySpec
    journal: Path
    history: Path
    feeds: Feeds = field(default_factory=dict)
    posted: PostedPrices = field(default_factory=PostedPrices)
    weeks: Weeks = Weeks()


@dataclass(frozen=True, slots=True)
class Answer:
    """The way to forecast from now on, and what it would have earned a day more than the usual one over ``days``: on average, and
    at ``least`` in all likelihood. ``why_not``: there was nothing to be judged by."""

    variant: str = ""
    gain: float = 0.0
    least: float = 0.0
    days: int = 0
    why_not: str = ""


async def ask(question: Question) -> Answer:
    """Asks the process. Raises TimeoutError, OSError, or ValueError with its last words."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.agent.trial_process",
        str(os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        async with asyncio.timeout(_LONGEST_S):
            said, complaint = await process.communicate(pickle.dumps(question))
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        last = complaint.decode(errors="replace").strip().splitlines()[-1:]
        raise ValueError(last[0] if last else f"it ended with code {process.returncode}")
    return msgspec.json.decode(said, type=Answer)
