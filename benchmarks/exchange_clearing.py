"""Clearing a million tenders, against sorting the same prices with numpy in the same run.

    python -m benchmarks.exchange_clearing [--tenders 1000000]

Floor: numpy sorts the bid and the ask prices and nothing else. Target: at most 2 times that.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from simulators.exchange.clearing import Book, clear_book


def book(tenders: int, seed: int) -> Book:
    rng = np.random.default_rng(seed)
    return Book(
        [f"{n:032x}" for n in range(tenders)],
        rng.random(tenders) < 0.5,
        rng.integers(-25_000, 500_001, tenders),
        rng.integers(5, 626, tenders) * 10,
    )


def best(work: Callable[[], object], rounds: int = 7) -> float:
    """Seconds of the fastest of some rounds."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenders", type=int, default=1_000_000)
    tenders = parser.parse_args().tenders
    made = book(tenders, 1)
    bids, asks = made.price[made.buy], made.price[~made.buy]
    price, volume, filled = clear_book("call", made, 10)
    if not filled[made.buy].sum() == filled[~made.buy].sum() == volume:
        raise SystemExit("bought and sold differ")
    floor_s = best(lambda: (np.sort(bids), np.sort(asks)))
    argsort_s = best(lambda: (np.argsort(bids), np.argsort(asks)))
    clear_s = best(lambda: clear_book("call", made, 10))
    print(f"{tenders} tenders, price {price}, volume {volume} Wh, numpy {np.__version__}")
    print(f"numpy sort      {floor_s * 1e3:8.1f} ms")
    print(f"numpy argsort   {argsort_s * 1e3:8.1f} ms")
    print(f"clearing        {clear_s * 1e3:8.1f} ms")
    print(f"ratio to sort   {clear_s / floor_s:8.2f}    (target <= 2)")
    print(f"ratio to argsort{clear_s / argsort_s:8.2f}")


if __name__ == "__main__":
    main()
