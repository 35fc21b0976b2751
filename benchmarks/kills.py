"""kill -9 of guard and agent, the two real processes, a thousand times, with backups put back in between.

The processes trade with the simulated exchange on a simulated clock that all share; they die at random
moments around the market's calls, a third of the deaths takes both. At the end the account is held
against the exchange's own. Two towns run side by side, one a core.

    python -m benchmarks.kills --kills 1000 --restores 40

Ends with 1 where anything is lost, doubled or orphaned, or a sum is not 0.
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
import time
from pathlib import Path

from tests.safety.kills import Kills
from tests.safety.two_processes import NOON, Town, in_town

ROOT = Path(__file__).parents[1]


async def one_town(kills: int, restores: int, seed: int) -> dict[str, object]:
    """One town's deaths, and what was found."""
    result: dict[str, object] = {}

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


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--kills", type=int, default=20)
    words.add_argument("--restores", type=int, default=None, help="default: one in 25 kills")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--towns", type=int, default=os.cpu_count() or 1)
    words.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    asked = words.parse_args()
    restores = asked.kills // 25 if asked.restores is None else asked.restores
    if asked.alone:
        print(json.dumps(asyncio.run(one_town(asked.kills, restores, asked.seed))))
        return 0
    began, towns = time.monotonic(), max(1, min(asked.towns, asked.kills // 10))
    parts = []
    for n in range(towns):
        share, back = (
            total * (n + 1) // towns - total * n // towns for total in (asked.kills, restores)
        )
        parts.append(
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.kills", "--alone", "--kills", str(share),
                 "--restores", str(back), "--seed", str(asked.seed + n)],
                stdout=subprocess.PIPE, text=True, cwd=ROOT,
            )
        )  # fmt: skip
    faults: list[str] = []
    total = {"agent": 0, "both": 0, "restores": 0, "hours": 0.0}
    for part in parts:
        out, _ = part.communicate()
        if part.returncode:
            faults.append(f"a town ended with {part.returncode}")
            continue
        found = json.loads(out)
        faults += found["faults"]
        sys.stderr.write(found.get("log", ""))
        total["restores"] += found["restores"]
        total["hours"] += found["hours"]
        for kind, count in found["kills"].items():
            total[kind] += count
    print(
        f"{total['agent'] + total['both']} kills ({total['both']} of guard and agent together),"
        f" {total['restores']} backups put back, {total['hours']:.0f} simulated hours,"
        f" {(time.monotonic() - began) / 60:.1f} min"
    )
    for fault in faults[:20]:
        print(fault)
    print(f"lost, doubled, orphan or a sum that is not 0: {len(faults)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
