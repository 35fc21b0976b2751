"""kill -9 of guard and agent, the two real processes, a thousand times, with backups put back in between.

The processes trade with the simulated exchange on a simulated clock that all share; they die at seeded
moments around the market's calls: the agent alone, the guard (the kernel ends its agent), or both at once.
The deaths are told in chapters, each with a home, an account and an exchange of its own; at a chapter's end
the account is held against the exchange's own. Two chapters run side by side, one a core.

    python -m benchmarks.kills --kills 1000 --restores 40 [--progress FILE]

With a file of progress each chapter that has ended is a line there, and whoever starts again goes on with
those that are missing. Ends with 1 where anything is lost, doubled or orphaned, or a sum is not 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tests.safety.kills import Kills
from tests.safety.two_processes import NOON, Town, in_town

ROOT = Path(__file__).parents[1]
CHAPTER = 50  # kills of one home


async def chapter(kills: int, restores: int, seed: int) -> dict[str, Any]:
    """One home's deaths, and what was found."""
    result: dict[str, Any] = {"seed": seed}

    async def story(town: Town) -> None:
        run = Kills(town, random.Random(seed))
        await run.run(kills, restores)
        faults = await run.faults(NOON)
        hours = (town.clock.now() - NOON).total_seconds() / 3600
        result.update(kills=dict(run.kills), restores=run.restores, hours=hours, faults=faults)
        if faults:
            result["log"] = town.log.read_text()[-4000:]

    with tempfile.TemporaryDirectory() as folder:
        await in_town(Path(folder), story)
    return result


def in_its_own_process(kills: int, restores: int, seed: int) -> dict[str, Any]:
    command = (sys.executable, "-m", "benchmarks.kills", "--alone", "--kills", str(kills),
               "--restores", str(restores), "--seed", str(seed))  # fmt: skip
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    if ended.returncode:
        return {"seed": seed, "faults": [f"chapter {seed} ended with {ended.returncode}"]}
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def shares(total: int, parts: int) -> list[int]:
    return [total * (n + 1) // parts - total * n // parts for n in range(parts)]


def told(chapters: list[dict[str, Any]]) -> int:
    """Print the sum of all; the exit code."""
    kills: Counter[str] = Counter()
    for one in chapters:
        kills.update(one.get("kills", {}))
    who = ", ".join(f"{kills[name]} of {words}" for name, words in _WORDS.items())
    print(
        f"{kills.total()} kills ({who}), {sum(one.get('restores', 0) for one in chapters)} backups"
        f" put back, {sum(one.get('hours', 0) for one in chapters):.0f} simulated hours"
    )
    faults = [fault for one in chapters for fault in one["faults"]]
    print(*faults[:20], sep="\n", end="\n" if faults else "")
    print(f"lost, doubled, orphan or a sum that is not 0: {len(faults)}")
    return 1 if faults else 0


_WORDS = {"agent": "the agent", "guard": "the guard", "both": "both at once"}


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--kills", type=int, default=20)
    words.add_argument("--restores", type=int, default=None, help="default: one in 25 kills")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    words.add_argument("--progress", type=Path, help="a line for each chapter that has ended")
    words.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    asked = words.parse_args()
    restores = asked.kills // 25 if asked.restores is None else asked.restores
    if asked.alone:
        print(json.dumps(asyncio.run(chapter(asked.kills, restores, asked.seed))))
        return 0
    count = -(-asked.kills // CHAPTER)
    plan = list(
        zip(
            shares(asked.kills, count),
            shares(restores, count),
            range(asked.seed, asked.seed + count),
            strict=True,
        )
    )
    ended: list[dict[str, Any]] = []
    if asked.progress and asked.progress.exists():
        ended = [json.loads(line) for line in asked.progress.read_text().splitlines()]
    done = {one["seed"] for one in ended}
    with ThreadPoolExecutor(asked.at_once) as pool:
        running = [pool.submit(in_its_own_process, *one) for one in plan if one[2] not in done]
        for each in as_completed(running):
            ended.append(found := each.result())
            if asked.progress:
                with asked.progress.open("a") as file:
                    file.write(json.dumps(found) + "\n")
    return told(ended)


if __name__ == "__main__":
    sys.exit(main())
