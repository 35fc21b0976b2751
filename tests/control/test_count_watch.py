"""A meter whose power has the other sign than its counters: noticed by energy, steered by no more, and over when it is."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.guard import GuardSettings
from gateway.domain.readings import Snapshot
from gateway.site.count_watch import LEAST_S, CountWatch
from simulators.devices.serve import Choice, Servers
from simulators.physics.script import Script
from simulators.physics.sensors import SensorFault
from simulators.scenario import Scenario
from tests.control.homes import snapshot
from tests.devices.guard_bench import Bench, at, on_bench, state

BEGAN = datetime(2026, 6, 1, 18, tzinfo=UTC)
TURNED, RIGHT = BEGAN + timedelta(minutes=10), BEGAN + timedelta(minutes=70)


class Meter:
    """Counts what really flows, by whole steps of ``step_wh``; says it times ``says``."""

    def __init__(self, says: float = 1.0, step_wh: float = 1.0) -> None:
        self.says, self._step_wh = says, step_wh
        self.watch, self._at = CountWatch(), 0.0
        self._in_wh, self._out_wh = 123.0, 456.0

    def run(self, grid_w: float, seconds: float, tick_s: float = 2.0) -> Snapshot:
        """What the guard is left with after so long."""
        for _ in range(int(seconds / tick_s)):
            self._at += tick_s
            self._in_wh += max(0.0, grid_w) * tick_s / 3600
            self._out_wh += max(0.0, -grid_w) * tick_s / 3600
            shown = snapshot(self.says * grid_w, pv=0.0)
            shown = replace(
                shown,
                grid_import_wh=self._shown(self._in_wh),
                grid_export_wh=self._shown(self._out_wh),
            )
            seen = self.watch.look(shown, self._at)
        return seen

    def _shown(self, count_wh: float) -> float:
        return count_wh // self._step_wh * self._step_wh


@given(
    st.lists(st.tuples(st.floats(-11_000, 11_000), st.integers(60, 3_600)), min_size=1, max_size=6),
    st.sampled_from([1.0, 100.0, 1_000.0]),
)
def test_no_true_meter_is_ever_suspected(flows: list[tuple[float, int]], step_wh: float) -> None:
    meter = Meter(step_wh=step_wh)
    for grid_w, seconds in flows:
        assert meter.run(grid_w, seconds, 20.0).grid_w == grid_w
        assert meter.watch.alarm is None


def test_a_turned_one_is_not_known_until_it_is_right(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    meter = Meter(says=-1.0)
    assert meter.run(-6_000, 1_700).grid_w == 6_000, "3 kWh have not flowed yet"
    seen = meter.run(-6_000, 200)
    assert (seen.grid_w, seen.load_w) == (None, None)
    assert seen.grid_export_wh, "the counters are the account's, and they are right"
    assert meter.watch.alarm
    assert "+3.0 kWh by its power, -3.0 kWh by its counters" in meter.watch.alarm.text
    meter.run(-6_000, 3_600)
    meter.says = 1.0
    meter.run(-6_000, 1_800)
    assert meter.run(-6_000, 1_800).grid_w == -6_000
    assert meter.watch.alarm is None
    assert [r.levelname for r in caplog.records] == ["ERROR", "INFO"]


@pytest.mark.parametrize("gap_s", [70.0, 2.0 * LEAST_S])
def test_what_was_not_seen_counts_for_nothing(gap_s: float) -> None:
    meter = Meter(says=-1.0)
    for _ in range(20):
        meter.run(-6_000, gap_s, gap_s)
    assert meter.watch.alarm is None


def codes(bench: Bench) -> list[str]:
    return [said.code for said in bench.last.alarms]


def test_the_guard_stops_steering_by_it_on_a_real_wire(tmp_path: Path) -> None:
    """6 kW of sun over a limit of 2 kW: the turned meter says that the home buys, so nothing looks broken."""

    def settings(servers: Servers) -> GuardSettings:
        devices = (
            at(servers, servers.ports.inverter, "inverter", "fronius-gen24", 1),
            at(servers, servers.ports.meter, "meter", "sunspec-meter", 200),
        )
        return GuardSettings(devices, state(tmp_path))

    async def play(bench: Bench) -> None:
        await bench.clock.sleep(15 * 60)
        assert bench.last.snapshot.grid_w == pytest.approx(5_000, abs=700)
        assert bench.home.powers().grid == pytest.approx(-5_000, abs=700)
        assert codes(bench) == []
        await bench.clock.sleep(50 * 60)
        assert bench.last.snapshot.grid_w is None
        assert bench.last.snapshot.grid_export_wh is not None
        assert codes(bench) == ["meter_contradicts"]
        await bench.clock.sleep(80 * 60)
        assert bench.last.snapshot.grid_w == pytest.approx(bench.home.powers().grid, abs=50)
        assert codes(bench) == []

    fault = SensorFault("grid", "turned", TURNED, RIGHT)
    script = Script(sun_w=lambda _: 6_000.0, load_w=lambda _: 500.0, sensors=(fault,))
    scenario = Scenario(BEGAN, seed=1, soc_pct=100.0, car=None, script=script)
    on_bench(scenario, Choice(), settings, play)
