"""Prints which share of each room's lines the last `make coverage` has run.

python -m tests.rooms_covered [ROOM]     with a ROOM (gateway/control): its files, and the lines missed
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import coverage

ROOT = Path(__file__).parents[1]


def room_of(file: Path) -> str:
    """gateway/control for gateway/control/limits.py; a file that stands alone is its own room."""
    return "/".join(file.parts[:2])


def spans(lines: list[int]) -> str:
    """1-3, 7 for 1, 2, 3, 7."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][-1] + 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def main(wanted: str) -> None:
    data = coverage.Coverage()
    data.load()
    lines: dict[str, int] = defaultdict(int)
    missed: dict[str, int] = defaultdict(int)
    for name in sorted(data.get_data().measured_files()):
        file = Path(name).relative_to(ROOT)
        _, statements, _, absent, _ = data.analysis2(name)
        lines[room_of(file)] += len(statements)
        missed[room_of(file)] += len(absent)
        if wanted and str(file).startswith(wanted) and absent:
            print(f"{file}: {spans(absent)}")
    for room in sorted(lines):
        if lines[room] and room.startswith(wanted):
            print(f"{1 - missed[room] / lines[room]:6.1%} of {lines[room]:5}  {room}")
    total = sum(lines.values())
    if total and not wanted:
        print(f"{1 - sum(missed.values()) / total:6.1%} of {total:5}  all")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
