"""See the package."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.random_heat import __doc__ as about
from benchmarks.random_heat.homes import alone, home
from benchmarks.random_heat.judge import faults
from simulators.lab import (
    Lab,
    Result,
    play,
)


async def lived(seed: int) -> tuple[Lab, Result]:
    lab = home(seed)
    with tempfile.TemporaryDirectory() as folder:
        return lab, await play(lab, Path(folder))


def main() -> int:
    words = argparse.ArgumentParser(description=about)
    words.add_argument("--homes", type=int, default=5)
    words.add_argument("--first", type=int, default=0, help="the first seed")
    asked = words.parse_args()
    bad = 0
    for seed in range(asked.first, asked.first + asked.homes):
        lab, steered = asyncio.run(lived(seed))
        usual = alone(lab)
        found = faults(lab, steered, usual)
        bad += bool(found)
        kind = "rod" if lab.equipment.thermometer else "plug"
        with_pump = " and heat pump" if lab.heat_pump else ""
        print(
            f"home {seed} ({kind}{with_pump}): {steered.cost:.2f}, on its own {usual.cost:.2f}",
            flush=True,
        )
        for line in found:
            print(f"  {line}", flush=True)
    print(f"{asked.homes} homes, {bad} with a fault")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
