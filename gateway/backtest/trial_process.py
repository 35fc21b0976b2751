"""The replays in a process of their own: `python -m gateway.backtest.trial_process`, a `Trial` on its input, JSON out.

It must not hurt whoever steers the house meanwhile: it is as polite as the system lets it be, works no more than half of the time, and ends
itself when it takes too much. It ends with the one that started it.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import pickle
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from gateway.backtest.trial import Trial, replayed
from gateway.clock import pause
from gateway.forecasts.variants import VARIANTS

CPU_S = 1_800  # of a slow machine; a usual one takes a minute
MEMORY_BYTES = 256 << 20  # of data; 107 MB were seen
_PR_SET_PDEATHSIG = 1  # prctl(2)


def restrained(parent: int) -> None:
    """Bounds on time and memory; lowest priority; first to go when memory gets short."""
    for what, most in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_DATA, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):  # a lower bound holds already
            resource.prlimit(0, what, (most, most))
    with suppress(OSError):
        os.nice(19)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("whoever wanted the trial is gone")


class Rests:
    """After each replayed day as long a rest as it took."""

    def __init__(self) -> None:
        self._worked = time.process_time()

    def __call__(self, _done: int, _all: int) -> None:
        since = time.process_time() - self._worked
        asyncio.run(pause(since))
        self._worked = time.process_time()


def main() -> None:
    """Reads one trial, writes what each variant earned by day."""
    restrained(int(sys.argv[1]))
    trial = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the agent that started us
    if not isinstance(trial, Trial):
        sys.exit(f"a Trial is needed, not {type(trial).__name__}")
    money = replayed(trial, VARIANTS, Rests())
    said = {name: {day.isoformat(): m for day, m in days.items()} for name, days in money.items()}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
