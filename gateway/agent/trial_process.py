"""The nightly trial in a process of its own: `python -m gateway.agent.trial_process`, a `Question` on its input, an `Answer` as JSON out.

It must not hurt whoever steers the house meanwhile: it is as polite as the system lets it be, works no more than half of the time, and ends
itself when it takes too much. It ends with the one that started it.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import pickle
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.agent.trial_material import trial_for
from gateway.agent.trial_question import Answer, Question
from gateway.backtest.trial import choose, replayed
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


def answer_to(question: Question) -> Answer:
    """Replays each variant over the home's last weeks, and chooses."""
    trial = trial_for(question)
    if isinstance(trial, str):
        return Answer(why_not=trial)
    name, verdict = choose(question.used, replayed(trial, VARIANTS, Rests()))
    return Answer(name, verdict.gain, verdict.low, verdict.days)


def main() -> None:
    """Reads one question, writes the answer."""
    restrained(int(sys.argv[1]))
    question = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the agent that started us
    if not isinstance(question, Question):
        sys.exit(f"a Question is needed, not {type(question).__name__}")
    sys.stdout.buffer.write(msgspec.json.encode(answer_to(question)))


if __name__ == "__main__":
    main()
