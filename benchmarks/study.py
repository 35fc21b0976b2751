"""What a home-day of the network study costs, and how it grows with homes, years and seeds.

python benchmarks/study.py            # small, to see that it works
python benchmarks/study.py --full     # one million homes for a year, all played one by one
"""

from __future__ import annotations

import resource
import sys
import time

from simulators.network.fast import ADVICE, HAS_NUMBA
from simulators.network.history import first_state, history, make_case
from simulators.network.scenario import Scenario
from simulators.network.supply import parametric


def measure(homes: int, years: int, seeds: int) -> float:
    """Seconds for so many homes, all played one by one."""
    scenario = Scenario()
    curve = parametric(scenario.market)
    begin = time.perf_counter()
    for seed in range(1, seeds + 1):
        case = make_case(scenario, homes, homes, seed, 2024, curve)
        history(case, range(first_state(case).year, 2024 + years))
    return time.perf_counter() - begin


def main() -> None:
    if not HAS_NUMBA:
        print(ADVICE)
        return
    measure(50, 1, 1)  # compiles
    sizes = [(1_000, 1, 1), (10_000, 1, 1), (10_000, 2, 1), (10_000, 1, 2), (100_000, 1, 1)]
    if "--full" in sys.argv:
        sizes.append((1_000_000, 1, 1))
    print(
        f"{'homes':>10} {'years':>6} {'seeds':>6} {'seconds':>9} {'us per home-day':>16} {'MB':>6}"
    )
    for homes, years, seeds in sizes:
        seconds = measure(homes, years, seeds)
        each = seconds / (homes * years * seeds * 365) * 1e6
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{homes:>10,} {years:>6} {seeds:>6} {seconds:>9.1f} {each:>16.2f} {peak:>6}")


if __name__ == "__main__":
    main()
