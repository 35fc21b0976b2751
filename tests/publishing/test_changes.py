"""What changes by much is on MQTT within the next tick; what hardly moves waits for the regular message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agent.compose import Agent
from gateway.config.settings import Settings
from gateway.domain.control import Setpoints
from gateway.domain.order import StandingSettings
from gateway.domain.readings import DeviceState, Quality, Reading, Snapshot
from gateway.domain.sentences import other
from gateway.ipc.messages import GuardReport
from gateway.publishing.changes import Changes, moved
from simulators.broker import BrokerHandle
from tests.devices.conftest import HandClock
from tests.publishing.conftest import Heard, connected, delivered, listening, running
from tests.publishing.homes import NOON, device, snapshot

SITE = "energy/home/site/state"
LOAD = "energy/home/site/load_power_w"
METER = "energy/home/meter/grid_power_w"


def report(clock: HandClock, tick: int, home: Snapshot) -> GuardReport:
    return GuardReport(
        tick, home, Setpoints(), StandingSettings(20), order_holds=True, monotonic_s=clock.seconds
    )


def home_with(clock: HandClock, grid_w: float, frequency_hz: float = 50.0) -> Snapshot:
    now = clock.now()
    meter = device("meter", now, grid_power_w=grid_w, grid_frequency_hz=frequency_hz)
    return replace(
        snapshot(0), time=now, devices={"meter": meter}, grid_w=grid_w, load_w=grid_w + 2500
    )


def settings(broker: BrokerHandle, folder: Path) -> Settings:
    return Settings.model_validate(
        {
            "state_dir": folder,
            "device": [{"name": "meter", "host": "127.0.0.1"}],
            "mqtt": {"port": broker.port, "publish_s": 60},
            "dashboard": {"enabled": False},
        }
    )


async def test_a_step_of_load_is_on_mqtt_with_the_next_tick(
    broker: BrokerHandle, tmp_path: Path
) -> None:
    clock = HandClock()
    agent = Agent(settings(broker, tmp_path), clock, lambda _: None)
    topics = listening(broker.port, "energy/home/#")
    async with topics as heard, running(agent.publisher) as publisher:
        await connected(publisher)

        async def tick(number: int, grid_w: float, hz: float = 50.0) -> None:
            clock.seconds = 2.0 * number
            agent.hear(report(clock, number, home_with(clock, grid_w, hz)))
            await delivered(publisher)

        def shows(watts: int) -> Callable[[Heard], bool]:
            return lambda h: any(state["grid_power_w"] == watts for state in h.json(SITE))

        await tick(1, 500)
        await heard.until(shows(500))
        await tick(2, 530, 50.02)  # it flickers
        await tick(3, 2030)  # a kettle
        await tick(4, 2040)
        await heard.until(shows(2030))
        assert heard.of(METER) == [b"500", b"2030"]
        assert heard.of(LOAD) == [b"3000", b"4530"]
        assert heard.json("energy/home/meter/state")[-1]["grid_power_w"] == 2030
        await tick(40, 2041)
        await heard.until(shows(2041))
    await agent.close()


def state(**values: Any) -> DeviceState:
    return device("x", NOON, **values)


def told(before: DeviceState, now: DeviceState) -> bool:
    changes = Changes()
    changes.told([before])
    return bool(changes.urgent(replace(snapshot(0), devices={"x": now})))


@pytest.mark.parametrize(
    ("before", "now", "at_once"),
    [
        ({"grid_power_w": 1000.0}, {"grid_power_w": 1049.0}, False),
        ({"grid_power_w": 1000.0}, {"grid_power_w": 1051.0}, True),
        ({"grid_power_w": -8000.0}, {"grid_power_w": -8390.0}, False),
        ({"battery_soc_pct": 50.0}, {"battery_soc_pct": 51.5}, True),
        ({"charger_state": "idle"}, {"charger_state": "plugged"}, True),
        ({"grid_import_wh": 1.0}, {"grid_import_wh": 5000.0}, False),
        ({"grid_power_w": 0.0}, {"grid_power_w": None}, True),
        ({"grid_power_w": None}, {"grid_power_w": 3.0}, True),
        ({}, {"grid_power_w": 3.0}, True),
    ],
)
def test_what_is_told_at_once(before: dict[str, Any], now: dict[str, Any], at_once: bool) -> None:
    assert told(state(**before), state(**now)) == at_once


def test_a_loss_and_a_note_are_told_at_once() -> None:
    fine = state(grid_power_w=5.0)
    assert told(fine, replace(fine, online=False))
    assert told(fine, replace(fine, notes=(other("withheld"),)))
    assert not told(fine, fine)


@given(st.lists(st.floats(-10_000, 10_000), min_size=2, max_size=30))
def test_what_stands_at_the_broker_is_never_farther_off_than_the_deadband(
    powers: list[float],
) -> None:
    changes, shown = Changes(), 0.0
    for i, power in enumerate(powers):
        reading = Reading("grid_power_w", power, Quality.GOOD, NOON + timedelta(seconds=i))
        now = DeviceState("x", True, {"grid_power_w": reading})
        if urgent := changes.urgent(replace(snapshot(0), devices={"x": now})):
            changes.told(urgent)
            shown = power
        assert abs(power - shown) <= max(50.0, 0.05 * abs(shown))


def test_nothing_moves_by_itself() -> None:
    assert not moved("grid_power_w", 5.0, 5.0)
    assert not moved("unheard_of", 5.0, 500.0)
