"""Cars wait for a stall, and some lose patience: M/G/c with abandonment, by hour. Pure.

The exact Markov chain with exponential service and patience (Erlang A, Palm 1957); the wait is
stretched for other service times by (1 + cv^2) / 2 (Allen and Cunneen 1978).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

SERVICE_CV2 = 0.35  # [A] squared coefficient of variation of the time at the plug


@dataclass(frozen=True, slots=True)
class Queue:
    """What an hour with these arrivals is like in the long run."""

    served_per_h: float
    wait_min: float  # of those who come, until served or gone
    lost_share: float
    use: float  # of the stalls


def queue(arrivals_per_h: float, service_per_h: float, stalls: int, patience_min: float) -> Queue:
    """Stationary queue; ``patience_min`` is the mean time a car waits before it drives on."""
    if arrivals_per_h <= 0:
        return Queue(0.0, 0.0, 0.0, 0.0)
    leave_per_h = 60.0 / patience_min
    weights, waiting, busy = _chain(arrivals_per_h, service_per_h, stalls, leave_per_h)
    stretch = (1 + SERVICE_CV2) / 2
    lost = leave_per_h * waiting * stretch
    lost = min(lost, arrivals_per_h)
    served = arrivals_per_h - lost
    _ = weights
    return Queue(
        served, 60.0 * waiting * stretch / arrivals_per_h, lost / arrivals_per_h, busy / stalls
    )


def _chain(come: float, serve: float, stalls: int, leave: float) -> tuple[float, float, float]:
    """Sum of weights, mean number waiting and mean number charging of the birth-death chain."""
    total, waiting, busy, weight, n = 1.0, 0.0, 0.0, 0.0, 0
    best = 0.0
    while n < 10_000:
        n += 1
        weight += log(come) - log(min(n, stalls) * serve + max(n - stalls, 0) * leave)
        best = max(best, weight)
        if n > stalls and weight < best - 40:
            break
    total, waiting, busy, weight = exp(-best), 0.0, 0.0, 0.0
    for k in range(1, n + 1):
        weight += log(come) - log(min(k, stalls) * serve + max(k - stalls, 0) * leave)
        share = exp(weight - best)
        total += share
        waiting += share * max(k - stalls, 0)
        busy += share * min(k, stalls)
    return total, waiting / total, busy / total
