"""A peer of the planner in a process of its own: what it is told, and how its schedule is followed."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gateway.backtest.case import Case
from gateway.backtest.data import Series
from gateway.backtest.simulate import Replay, Schedule, outcome
from gateway.domain.plan import Outlook
from gateway.forecasts.history import Array

WORKERS = {
    "emhass": "emhass",
    "flexmeasures": "flexmeasures",
    "evcc": "optimizer",
}  # and its module


class Peer:
    """The worker process: one JSON problem a line in, one schedule a line out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def schedule(self, outlook: Outlook) -> list[float] | None:
        """Battery AC Wh by quarter-hour, discharge +; None where the peer has no answer."""
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
    probe = subprocess.run(
        [python, "-c", f"import {WORKERS[worker]}"],
        capture_output=True,
        check=False,
        env=os.environ,
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
        command = [python, str(Path(__file__).with_name(f"planner_peer_{worker}.py"))]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        ) as process:
            running = Peer(process)
            running.send(setup)
            yield running
            if process.stdin:
                process.stdin.close()


def follow(series: Series, case: Case, running: Peer) -> tuple[Array, float, int]:
    """Money by interval, median seconds a plan, and how often the peer had no answer."""
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
    return outcome("peer", series, case, done).cash, float(np.median(seconds)), silent
