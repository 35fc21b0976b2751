"""Runs pytest as a tired machine would: its processes are stopped at random moments for random times.

python -m tests.tired [--seed N] [pytest's arguments]

A test that passes here does not depend on how fast the machine is. Each stop hits one process of
the run (pytest, a broker, a browser, a gateway that a test started) or all of them; most are
short, some are longer than any time-out of the daemon. Costs no computing time.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path


def processes_of(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[2]) == group and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


def stop_for(rng: random.Random) -> float:
    """Seconds: most are short, one in twelve outlasts the time-outs of links and brokers."""
    return rng.uniform(2.0, 7.0) if rng.random() < 1 / 12 else rng.uniform(0.02, 0.6)


def harass(run: subprocess.Popen[bytes], rng: random.Random) -> int:
    """Stop and let go until it ends; its exit code."""
    while run.poll() is None:
        time.sleep(rng.uniform(0.05, 0.6))
        victims = processes_of(run.pid)
        if rng.random() < 0.5 and victims:
            victims = [rng.choice(victims)]
        for process in victims:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        time.sleep(stop_for(rng))
        for process in victims:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
    return run.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    known, rest = parser.parse_known_args()
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", *rest]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run = subprocess.Popen(command, start_new_session=True)
    try:
        return harass(run, random.Random(known.seed))
    finally:  # nothing of it stays behind, least of all stopped
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
