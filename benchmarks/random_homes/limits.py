"""Limits and reserve as the meter has them: what was broken while something could have been held back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from benchmarks.random_homes.told import FUSE_V, Told
from simulators.lab import Lab, Result, Sample

# What is a fault: longer above a limit than three ticks of 20 s. The standby of a full battery is refilled at once in
# physics' short steps, which is up to 160 W when the guard looks, and 8 W in truth.
OVER_W, OVER_S, RESERVE_PCT, LOW_TICKS = 200, 60, 1.5, 6
HELD_BACK_W = 300.0  # so much of cars or charging batteries could still be held back


def kept(lab: Lab, steered: Result) -> Iterator[str]:
    """A sentence for each limit that was not."""
    told, samples = Told(lab), steered.samples
    yield from _longest("export limit", samples, lambda s: _export_over_w(told, s))
    yield from _longest("import limit", samples, lambda s: _import_over_w(told, s))
    if lab.equipment.tells_phases:
        yield from _longest("fuse", samples, lambda s: _phase_over_w(told, s))
    yield from _reserve(told, steered)


def _longest(
    what: str, samples: Sequence[Sample], over_w: Callable[[Sample], float]
) -> Iterator[str]:
    """The longest time without a break above a limit, where it is too long."""
    lasting_s = longest_s = worst_w = 0.0
    since = None
    for a, b in pairwise(samples):
        over = over_w(b)
        lasting_s = lasting_s + (b.time - a.time).total_seconds() if over > OVER_W else 0.0
        if lasting_s > longest_s:
            longest_s, since = lasting_s, b.time
            worst_w = max(worst_w, over)
    if longest_s > OVER_S:
        yield f"{what}: up to {worst_w:.0f} W over, {longest_s:.0f} s without a break until {since:%d %H:%M:%S}"


def _export_over_w(told: Told, sample: Sample) -> float:
    if told.blind(sample.time) or told.sources_deaf(sample.time):
        return 0.0
    return -sample.powers.grid - told.export_limit_w(sample.time)


def _can_be_held_back(told: Told, sample: Sample) -> bool:
    steered_w = sum(sample.cars_w) + max(0.0, -sample.powers.battery)
    steered_w += max(0.0, -sample.powers.storage)
    return steered_w > HELD_BACK_W and not told.blind(sample.time)


def _all_answer(told: Told, sample: Sample) -> bool:
    boxes = (s.device for s in told.lab.equipment.silent)
    return not told.deaf(sample.time, *boxes)


def _import_over_w(told: Told, sample: Sample) -> float:
    if not _can_be_held_back(told, sample) or not _all_answer(told, sample):
        return 0.0
    p = sample.powers
    house_w = p.load - p.pv - p.ac_pv
    return p.grid - told.import_limit_w(sample.time, house_w)


def _fuse_a(told: Told) -> float | None:
    found: float | None = told.lab.settings["site"].get("fuse_a")
    return found


def _phase_over_w(told: Told, sample: Sample) -> float:
    """A phase above its fuse, while something on it could be held back."""
    fuse_a = _fuse_a(told)
    if fuse_a is None or not _can_be_held_back(told, sample) or not _all_answer(told, sample):
        return 0.0
    return max(sample.phases_w) - fuse_a * FUSE_V


def _reserve(told: Told, steered: Result) -> Iterator[str]:
    """Below the reserve only the import limit's and the fuse's need takes something out."""
    stores: list[tuple[str, Callable[[Sample], float], Callable[[Sample], float]]] = []
    if told.lab.equipment.battery:
        stores.append(("battery", lambda s: s.soc_pct, lambda s: s.powers.battery))
    if told.lab.house.storage is not None:
        stores.append(
            ("second battery", lambda s: s.storage_pct or 0.0, lambda s: s.powers.storage)
        )
    for name, soc_pct, power_w in stores:
        low = []
        for a, b in pairwise(steered.samples):
            before, after, least = soc_pct(a), soc_pct(b), told.reserve_pct(b.time) - RESERVE_PCT
            needed = _needed(told, a) or _needed(
                told, b
            )  # what is given now answers what was seen then
            if after < min(least, before) and power_w(b) > OVER_W and not needed:
                low.append(b)
        if len(low) > LOW_TICKS:
            yield f"the {name}: {len(low)} times discharged below the reserve, first {low[0].time:%d %H:%M}"


def _needed(told: Told, sample: Sample) -> bool:
    """Whether a limit of import is near, or nobody could have held it."""
    if told.blind(sample.time) or not _all_answer(told, sample):
        return True
    p = sample.powers
    given_w = max(0.0, p.battery) + max(0.0, p.storage)
    without_w = p.grid + given_w
    limit_w = told.import_limit_w(sample.time, p.load - p.pv - p.ac_pv)
    fuse_a = _fuse_a(told)
    fullest_w = max(sample.phases_w) + given_w / 3
    fuse_near = fuse_a is not None and fullest_w > fuse_a * FUSE_V - 200
    return without_w >= limit_w - 500 or fuse_near
