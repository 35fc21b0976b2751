"""The two weeks before the demo, as the gateway would have seen them: what its forecast learns from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from gateway.domain.intervals import floor_quarter, quarters
from gateway.domain.plan import Observed
from simulators.physics.household import load_power
from simulators.physics.weather import pv_power
from simulators.scenario import Scenario

DAYS = 14
_SAMPLE = timedelta(minutes=1)


def past_of(scenario: Scenario, days: int = DAYS) -> Iterator[Observed]:
    """Quarter-hours of so many ``days`` before ``scenario.start``; none for a recorded home, which begins with its file."""
    if scenario.recording is not None:
        return
    zone, seed = ZoneInfo(scenario.time_zone), scenario.seed
    until = floor_quarter(scenario.start)
    for interval in quarters(until - timedelta(days=days), until):
        load_wh = pv_wh = 0.0
        moment = interval.start + _SAMPLE / 2
        while moment < interval.end:
            hours = _SAMPLE.total_seconds() / 3600
            load_wh += load_power(moment, zone, seed) * hours
            sun_w = pv_power(moment, scenario.latitude, scenario.longitude, scenario.panels, seed)
            pv_wh += sun_w * hours
            moment += _SAMPLE
        yield Observed(interval, load_wh, pv_wh)
