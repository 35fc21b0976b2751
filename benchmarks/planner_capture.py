"""What share of perfect foresight the planner captures, beside peers with the same information.

    python benchmarks/planner_capture.py [--days 28] [--emhass-python P] [--flexmeasures-python P]

Every policy replans each hour of the same days with the same forecasts (expected prices, load and PV,
36 h at 15 min) and the same battery. Peers answer with a schedule for the battery, which is followed as
far as energy allows; ours answers with values. A peer that cannot be imported is left out, and that is
said. EMHASS and FlexMeasures are heavy and pin their own versions: give each its own environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gateway.backtest.case import Case, evaluation_case
from gateway.backtest.data import Series, read_series
from gateway.backtest.foresight import perfect_foresight
from gateway.backtest.simulate import (
    Replay,
    Schedule,
    no_battery,
    outcome,
    self_consumption,
    simulate,
)
from gateway.domain.plan import Outlook
from gateway.planner import strategy

HERE = Path(__file__).parent
FILE = "data/ercot_south_2024_jun_oct.csv"


def shared() -> Path:
    """The folder of the shared data."""
    return Path(os.environ.get("HEG_SHARED", HERE.parent.parent / "shared"))


class Peer:
    """A peer's worker process: one JSON problem a line in, one schedule a line out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def schedule(self, outlook: Outlook) -> list[float] | None:
        forecasts = outlook.forecasts
        problem = {
            "import": [f.import_price for f in forecasts],
            "export": [f.export_price for f in forecasts],
            "load_wh": [f.load_wh[1] for f in forecasts],
            "pv_wh": [f.pv_wh[1] for f in forecasts],
            "stored_wh": outlook.stored_wh,
        }
        self.send(problem)
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the peer ended")
        answer: list[float] | None = json.loads(line)
        return answer

    def send(self, content: object) -> None:
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe
        self._process.stdin.write(json.dumps(content) + "\n")
        self._process.stdin.flush()


@contextmanager
def peer(python: str, worker: str, case: Case) -> Iterator[Peer | None]:
    """The running peer, or None when it cannot be imported."""
    module = worker.removeprefix("planner_peer_").removesuffix(".py")
    probe = subprocess.run(
        [python, "-c", f"import {module}"], capture_output=True, check=False, env=os.environ
    )
    if probe.returncode:
        yield None
        return
    spec = case.battery
    with tempfile.TemporaryDirectory() as work:
        setup = {
            "capacity_wh": spec.capacity_wh,
            "reserve_wh": spec.reserve_wh,
            "power_w": spec.max_discharge_w,
            "eta_c": spec.charge_efficiency,
            "eta_d": spec.discharge_efficiency,
            "wear_per_kwh": spec.wear_per_mwh / 1000,
            "work": work,
        }
        command = [python, str(HERE / worker)]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        ) as process:
            running = Peer(process)
            running.send(setup)
            yield running
            if process.stdin:
                process.stdin.close()


def follow(series: Series, case: Case, running: Peer) -> tuple[float, float, int]:
    """Money, median seconds a plan, and how often the peer had no answer."""
    replay = Replay(series, case)
    moved, held = np.zeros(len(series)), np.zeros(len(series))
    schedule: list[float] = []
    seconds, silent = [], 0
    for i in range(len(series)):
        part = i % case.replan_quarters
        if part == 0:
            outlook = replay.outlook(i)
            begin = time.perf_counter()
            answer = running.schedule(outlook)
            seconds.append(time.perf_counter() - begin)
            silent += answer is None
            schedule = answer or [0.0] * case.replan_quarters
        moved[i] = replay.follow(i, schedule[part])
        held[i] = replay.stored
    done = Schedule(moved, np.zeros(len(series)), held)
    return outcome("peer", series, case, done).total, float(np.median(seconds)), silent


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--skip", type=int, default=0, help="days left out at the beginning")
    parser.add_argument("--emhass-python", default=sys.executable)
    parser.add_argument("--flexmeasures-python", default=sys.executable)
    options = parser.parse_args()
    path = shared() / FILE
    if not path.exists():
        raise SystemExit(f"{path} is absent; set HEG_SHARED to the folder of the shared data")
    series, case = read_series(path), evaluation_case()
    series = series.part(options.skip * 96, (options.skip + options.days) * 96)
    none, most = no_battery(series, case).total, perfect_foresight(series, case).total

    def show(name: str, total: float, seconds: float | None = None, note: str = "") -> None:
        took = "" if seconds is None else f"{1000 * seconds:8.0f} ms"
        share = (total - none) / (most - none)
        print(f"{name:<26}{total:>10.2f}{share:>9.3f}{took:>12}  {note}", flush=True)

    print(f"{len(series) // 96} days from {series.start(0):%Y-%m-%d}; case 1")
    print(f"{'policy':<26}{'USD':>10}{'capture':>9}{'plan':>12}")
    show("no battery", none)
    show("greedy self-consumption", self_consumption(series, case).total)
    for python, worker in (
        (options.emhass_python, "planner_peer_emhass.py"),
        (options.flexmeasures_python, "planner_peer_flexmeasures.py"),
    ):
        name = worker.removeprefix("planner_peer_").removesuffix(".py")
        with peer(python, worker, case) as running:
            if running is None:
                print(f"{name:<26} skipped: {python} cannot import it")
                continue
            total, seconds, silent = follow(series, case, running)
            show(name, total, seconds, f"{silent} plans without an answer" if silent else "")
    begin = time.perf_counter()
    ours = simulate(series, case, strategy("value"))
    plans = len(series) / case.replan_quarters
    show("this planner", ours.total, (time.perf_counter() - begin) / plans)
    show("perfect foresight", most)


if __name__ == "__main__":
    main()
