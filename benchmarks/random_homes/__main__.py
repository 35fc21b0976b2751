"""Homes by seed, and what somebody would complain of.

    python -m benchmarks.random_homes --homes 20 [--first 0] [--calm]

About 15 s of processor a home. Ends with 1 where a fault was found.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from benchmarks.random_homes import faults, lived


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--homes", type=int, default=5)
    words.add_argument("--first", type=int, default=0, help="the first seed")
    words.add_argument("--calm", action="store_true", help="days on which nothing goes wrong")
    asked = words.parse_args()
    bad, saved = 0, list[float]()
    for seed in range(asked.first, asked.first + asked.homes):
        lab, steered, alone = asyncio.run(lived(seed, calm=asked.calm))
        found = faults(lab, steered, alone)
        bad += bool(found)
        cost = f"home {seed}: cost {steered.cost:.2f}"
        if alone is not None:
            saved.append(alone.cost - steered.cost)
            cost += f", by its inverter's own rule {alone.cost:.2f}"
        print(cost, flush=True)
        for line in found:
            print(f"  {line}", flush=True)
    compared = f"{sum(saved) / max(1, len(saved)):.2f} less a home-day than by its own rule in the {len(saved)} compared"
    print(f"{asked.homes} homes, {bad} with a fault; {compared}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
