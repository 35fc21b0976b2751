"""How long one plan takes, beside HiGHS on one deterministic case of the same problem.

    python benchmarks/planner_speed.py

A plan covers 36 h at 15 min with battery and car: values over 17 price scenarios and 3 net-load cases,
offers and the expected schedule; then four days in intervals of five minutes with three cars. HiGHS solves one linear programme with the expected values only: one
schedule, no values under uncertainty, no offers. Times are CPU time, so that a busy machine matters
less; the memory is what the process grew by from before the planner was imported.
"""

from __future__ import annotations

import resource
import statistics
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.backtest.simulate import Replay
    from gateway.domain.plan import Forecast
    from gateway.planner import Strategy


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    before = peak_mb()
    import numpy as np  # noqa: PLC0415 - its memory counts too

    from gateway.backtest.case import evaluation_case  # noqa: PLC0415
    from gateway.backtest.data import Series  # noqa: PLC0415
    from gateway.backtest.simulate import Replay  # noqa: PLC0415
    from gateway.domain.plan import CarNeed  # noqa: PLC0415
    from gateway.planner import strategy  # noqa: PLC0415

    rng = np.random.default_rng(1)
    count = 30 * 96
    hour = (np.arange(count) % 96) / 4
    sun = np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None)
    ahead = 22 + 25 * np.exp(-(((hour - 19.5) / 2) ** 2)) - 8 * sun
    load, pv = 150 + 200 * rng.random(count), 1000 * sun * rng.random(count)
    real = ahead * (1 + 0.2 * rng.standard_normal(count))
    series = Series(1_907_736, load, pv, real, ahead)
    case = evaluation_case()
    replay, planner = Replay(series, case), strategy("value")
    made, plans = [], []
    for i in range(20 * 96, 20 * 96 + 200):
        begin = time.process_time()
        outlook = replay.outlook(i)
        middle = time.process_time()
        car = CarNeed(20_000, outlook.now + timedelta(hours=9), 11_000, 1_400)
        planner.plan(replace(outlook, cars=(car,)))
        made.append(1000 * (middle - begin))
        plans.append(1000 * (time.process_time() - middle))
    grown = peak_mb() - before
    print(f"outlook (forecasts)    median {statistics.median(made):6.1f} ms")
    print(
        f"plan, battery and car  median {statistics.median(plans):6.1f} ms, worst {max(plans):.1f}"
    )
    print(f"memory                 {grown:6.1f} MB with numpy")
    fine = five_minutes(Replay(series, replace(case, horizon_h=96.0)), planner)
    print(
        f"96 h at 5 min, 4 stores median {statistics.median(fine):5.1f} ms, worst {max(fine):.1f}"
    )
    highs(series.head(20 * 96 + 144), replace(case), statistics.median(plans))


def five_minutes(replay: Replay, planner: Strategy) -> list[float]:
    """CPU ms of plans of four days in intervals of five minutes, with a battery and three cars."""
    from gateway.domain.plan import CarNeed  # noqa: PLC0415

    made = []
    for i in range(20 * 96, 20 * 96 + 48, 4):
        outlook = replay.outlook(i)
        cars = tuple(
            CarNeed(20_000, outlook.now + timedelta(hours=hours), 11_000, 1_400, name=f"{hours} h")
            for hours in (9, 18, 27)
        )
        forecasts = tuple(part for one in outlook.forecasts for part in thirds(one))
        fine = replace(outlook, forecasts=forecasts, offer_intervals=12, cars=cars)
        begin = time.process_time()
        planner.plan(fine)
        made.append(1000 * (time.process_time() - begin))
    return made


def thirds(one: Forecast) -> list[Forecast]:
    """A quarter-hour's forecast by five minutes."""
    step = (one.interval.end - one.interval.start) / 3
    (load, *loads), (pv, *pvs) = ([wh / 3 for wh in x] for x in (one.load_wh, one.pv_wh))
    part = replace(one, load_wh=(load, loads[0], loads[1]), pv_wh=(pv, pvs[0], pvs[1]))
    begins = [one.interval.start + k * step for k in range(3)]
    return [replace(part, interval=type(one.interval)(b, b + step)) for b in begins]


def highs(series: object, case: object, ours: float) -> None:
    """One deterministic programme of 144 intervals, battery only."""
    try:
        from gateway.backtest.data import Series  # noqa: PLC0415
        from gateway.backtest.foresight import perfect_foresight  # noqa: PLC0415

        assert isinstance(series, Series)  # noqa: S101
        window = series.part(len(series) - 144, len(series))
        perfect_foresight(window, case)  # type: ignore[arg-type]
    except ImportError as error:
        print(f"HiGHS skipped: {error}")
        return
    times = []
    for _ in range(30):
        begin = time.process_time()
        perfect_foresight(window, case)  # type: ignore[arg-type]
        times.append(1000 * (time.process_time() - begin))
    median = statistics.median(times)
    print(f"HiGHS, one scenario    median {median:6.1f} ms; ours takes {ours / median:.2f} of that")


if __name__ == "__main__":
    main()
