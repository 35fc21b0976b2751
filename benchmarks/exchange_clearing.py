"""Clearing a million tenders, against sorting the same prices with numpy in the same run.

    python -m benchmarks.exchange_clearing [--tenders 1000000]

Floor: numpy sorts the bid and the ask prices and nothing else. Target: at most 2 times that.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

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


def rounds(works: Sequence[Callable[[], object]], count: int) -> list[float]:
    """Least processor seconds of each, in turn: what else runs on the machine meets all of them."""
    found = [[0.0] * len(works) for _ in range(count)]
    for row in found:
        for n, work in enumerate(works):
            start = time.thread_time()
            work()
            row[n] = time.thread_time() - start
    return [min(column) for column in zip(*found, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenders", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    tenders = args.tenders
    made = book(tenders, 1)
    bids, asks = made.price[made.buy], made.price[~made.buy]
    price, volume, filled = clear_book("call", made, 10)
    if not filled[made.buy].sum() == filled[~made.buy].sum() == volume:
        raise SystemExit("bought and sold differ")
    floor_s, argsort_s, clear_s = rounds(
        (
            lambda: (np.sort(bids), np.sort(asks)),
            lambda: (np.argsort(bids), np.argsort(asks)),
            lambda: clear_book("call", made, 10),
        ),
        args.rounds,
    )
    print(f"{tenders} tenders, price {price}, volume {volume} Wh, numpy {np.__version__}")
    print(f"numpy sort      {floor_s * 1e3:8.1f} ms")
    print(f"numpy argsort   {argsort_s * 1e3:8.1f} ms")
    print(f"clearing        {clear_s * 1e3:8.1f} ms")
    print(f"ratio to sort   {clear_s / floor_s:8.2f}    (target <= 2)")
    print(f"ratio to argsort{clear_s / argsort_s:8.2f}")


if __name__ == "__main__":
    main()
