"""See the package's text."""

from __future__ import annotations

import argparse
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from benchmarks.mutation.mutants import Mutant, mutants
from benchmarks.mutation.tests_of import TestsOf

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "mutation"
ROOMS = {
    "control": ("gateway/control/*.py",),
    "leases": ("gateway/devices/setpoint_lease.py", "gateway/devices/write_budget.py"),
    "registers": ("gateway/modbus/registers.py",),
    "connection": ("gateway/modbus/connection.py", "gateway/modbus/frames.py"),
    "settlement": ("gateway/market/settlement.py", "gateway/market/settling.py"),
    "induction": ("gateway/planner/induction.py",),
    "ledger": ("gateway/store/chain.py", "gateway/store/journal.py", "gateway/store/book.py"),
}
LONGEST_S = 180  # a mutant that makes a test endless is noticed, too
MOST_TESTS = 150  # of those that execute the line; the quickest


@dataclass(frozen=True)
class Fate:
    mutant: Mutant
    noticed: bool
    tests: int
    said: str = ""


def files_of(room: str) -> list[str]:
    """The room's files; a pattern that finds none is an error, so that no room is lost by a move."""
    found = []
    for pattern in ROOMS[room]:
        files = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))
        if not files:
            sys.exit(f"room {room}: no file is {pattern}; correct ROOMS in {__file__}")
        found += files
    return found


def same() -> set[tuple[str, str, str]]:
    """File, text before and after of the mutants that change nothing a user could see."""
    lines = (Path(__file__).parent / "same.txt").read_text().splitlines()
    rows = [line.split(" | ") for line in lines if line and not line.startswith("#")]
    return {(file, before, after) for file, before, after, _why in rows}


def one_line(text: str) -> str:
    return " ".join(text.split())


def copy_of_the_code(folder: Path) -> None:
    """What the tests need, so that a mutant never stands in the working tree."""
    for name in ("gateway", "simulators", "tests", "benchmarks", "docs", "systemd"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile"):
        shutil.copy(ROOT / name, folder)


def judge(mutant: Mutant, tests: list[str], folder: Path) -> Fate:
    """Run the tests on the changed file."""
    if not tests:
        return Fate(mutant, noticed=False, tests=0, said="no test executes this line")
    target = folder / mutant.file
    whole = target.read_bytes()
    target.write_bytes(mutant.source(whole))
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist",
               "--no-header", "--tb=line", *tests]  # fmt: skip
    environment = {**os.environ, "HEG_SHARED": str(ROOT.parent / "shared"), "HEG_NO_INSTALL": "1"}
    run = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=environment | {"HEG_SHARED": os.environ.get("HEG_SHARED", environment["HEG_SHARED"])},
        start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = run.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        said = f"endless (more than {LONGEST_S} s)"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, 9)
        run.wait()
        target.write_bytes(whole)
    return Fate(mutant, run.returncode != 0, len(tests), said)


def show(fate: Fate) -> None:
    mutant = fate.mutant
    text = (ROOT / mutant.file).read_bytes()
    change = difflib.unified_diff(
        text.decode().splitlines(), mutant.source(text).decode().splitlines(), lineterm="", n=0
    )
    lines = [line for line in change if line[:2] not in {"--", "++", "@@"}]
    said = f" ({fate.said})" if not fate.tests else f" ({fate.tests} tests)"
    print(f"survived{said}  {mutant.name}", *lines, sep="\n    ", flush=True)


def draw(rooms: list[str], sample: int, seed: int) -> list[Mutant]:
    """As many of each room as its share of the sample allows; the same for the same seed."""
    known, drawn = same(), []
    for room in rooms:
        every = [m for file in files_of(room) for m in mutants(ROOT, file)]
        every = [m for m in every if (m.file, one_line(m.before), one_line(m.after)) not in known]
        rng = random.Random(f"{seed} {room}")
        drawn += rng.sample(every, min(len(every), -(-sample // len(rooms))))
    return drawn


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation")
    parser.add_argument("--sample", type=int, default=70, help="how many mutants, over all rooms")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--room", action="append", choices=ROOMS, help="default: all")
    parser.add_argument("--minutes", type=float, default=20, help="stop after this time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", help="the name of one mutant, judged again with its output")
    asked = parser.parse_args()
    rooms = asked.room or list(ROOMS)
    chosen = draw(rooms, asked.sample, asked.seed)
    if asked.only:
        file = asked.only.split(":")[0]
        chosen = [m for m in mutants(ROOT, file) if m.name == asked.only]
        if not chosen:
            sys.exit(f"there is no mutant {asked.only}; the file may have changed")
    watched = sorted({file for room in ROOMS for file in files_of(room)})
    tests = TestsOf(ROOT, watched, FOLDER, asked.workers)
    until = time.monotonic() + 60 * asked.minutes
    places: SimpleQueue[Path] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="mutation-") as parent:
        for n in range(asked.workers):
            copy_of_the_code(place := Path(parent) / str(n))
            places.put(place)

        def work(mutant: Mutant) -> Fate | None:
            if time.monotonic() > until:
                return None
            last = mutant.line + mutant.before.count("\n")
            place = places.get()
            try:
                fate = judge(mutant, tests.of(mutant.file, mutant.line, last)[:MOST_TESTS], place)
            finally:
                places.put(place)
            if asked.only:
                print(fate.said)
            if not fate.noticed:
                show(fate)
            return fate

        with ThreadPoolExecutor(asked.workers) as pool:
            fates = [fate for fate in pool.map(work, chosen) if fate is not None]
    for room in rooms:
        here = [fate for fate in fates if fate.mutant.file in files_of(room)]
        if here:
            print(f"{sum(fate.noticed for fate in here):4} of {len(here):4} noticed  {room}")
    survived = [fate for fate in fates if not fate.noticed]
    left = len(chosen) - len(fates)
    print(f"{len(fates) - len(survived):4} of {len(fates):4} noticed, seed {asked.seed}", end="")
    print(f"; {left} not judged for want of time" if left else "")
    return bool(survived)


if __name__ == "__main__":
    sys.exit(main())
