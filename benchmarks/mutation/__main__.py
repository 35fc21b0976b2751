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
from collections.abc import Callable
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
    "induction": ("gateway/planner/induction.py", "gateway/planner/cash.py"),
    "ledger": ("gateway/store/chain.py", "gateway/store/journal.py", "gateway/store/book.py"),
}
LONGEST_S = 600  # a mutant that makes a test endless is noticed, too
MOST_TESTS = 250  # of those that execute the line
MOST_TESTS_S = 120.0  # as long as they took when nothing was changed


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
    """File and line, before and after, of the mutants that change nothing a user could see."""
    lines = (Path(__file__).parent / "same.txt").read_text().splitlines()
    rows = [line.split(" | ") for line in lines if line and not line.startswith("#")]
    return {(file, before, after) for file, before, after, _why in rows}


def as_row(mutant: Mutant) -> tuple[str, str, str]:
    """File and line, before and after."""
    text = (ROOT / mutant.file).read_bytes()
    before, after = text.splitlines(), mutant.source(text).splitlines()
    row = mutant.line - 1
    return mutant.file, before[row].decode().strip(), after[row].decode().strip()


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
        every = [mutant for mutant in every if as_row(mutant) not in known]
        rng = random.Random(f"{seed} {room}")
        drawn += rng.sample(every, min(len(every), -(-sample // len(rooms))))
    return drawn


def asked_for() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation")
    parser.add_argument("--sample", type=int, default=70, help="how many mutants, over all rooms")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--room", action="append", choices=ROOMS, help="default: all")
    parser.add_argument("--minutes", type=float, default=20, help="stop after this time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tests", nargs="+", help="judge by these alone, without the covered run")
    parser.add_argument("--only", help="the name of one mutant, judged again with its output")
    return parser.parse_args()


def chosen_by(asked: argparse.Namespace, rooms: list[str]) -> list[Mutant]:
    if not asked.only:
        return draw(rooms, asked.sample, asked.seed)
    found = [m for m in mutants(ROOT, asked.only.split(":")[0]) if m.name == asked.only]
    if not found:
        sys.exit(f"there is no mutant {asked.only}; the file may have changed")
    return found


def judges(asked: argparse.Namespace) -> Callable[[Mutant], list[str]]:
    """Which tests judge a mutant. Those that fail without any change judge nothing."""
    if not asked.tests:
        watched = sorted({file for room in ROOMS for file in files_of(room)})
        covering = TestsOf(ROOT, watched, FOLDER, asked.workers)

        def affordable(mutant: Mutant) -> list[str]:
            tests = covering.of(mutant.file, mutant.line, mutant.line + mutant.before.count("\n"))
            tests = tests[:MOST_TESTS]
            while covering.seconds(tests) > MOST_TESTS_S and len(tests) > 1:
                tests.pop()
            return tests

        return affordable
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", *asked.tests]
    if subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode:
        sys.exit("the tests fail without any change")
    return lambda _: list(asked.tests)


def report(rooms: list[str], chosen: list[Mutant], fates: list[Fate], seed: int) -> bool:
    """Print the figures; whether one survived."""
    for room in rooms:
        here = [fate for fate in fates if fate.mutant.file in files_of(room)]
        if here:
            print(f"{sum(fate.noticed for fate in here):4} of {len(here):4} noticed  {room}")
    noticed = sum(fate.noticed for fate in fates)
    left = len(chosen) - len(fates)
    print(f"{noticed:4} of {len(fates):4} noticed, seed {seed}", end="")
    print(f"; {left} not judged for want of time" if left else "")
    return noticed < len(fates)


def main() -> int:
    asked = asked_for()
    rooms = asked.room or list(ROOMS)
    chosen = chosen_by(asked, rooms)
    tests_of = judges(asked)
    until = time.monotonic() + 60 * asked.minutes
    places: SimpleQueue[Path] = SimpleQueue()

    def work(mutant: Mutant) -> Fate | None:
        if time.monotonic() > until:
            return None
        place = places.get()
        try:
            fate = judge(mutant, tests_of(mutant), place)
        finally:
            places.put(place)
        if asked.only:
            print(fate.said)
        if not fate.noticed:
            show(fate)
        return fate

    with tempfile.TemporaryDirectory(prefix="mutation-") as parent:
        for n in range(asked.workers):
            copy_of_the_code(place := Path(parent) / str(n))
            places.put(place)
        with ThreadPoolExecutor(asked.workers) as pool:
            fates = [fate for fate in pool.map(work, chosen) if fate is not None]
    return report(rooms, chosen, fates, asked.seed)


if __name__ == "__main__":
    sys.exit(main())
