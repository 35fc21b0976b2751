"""What an order may not do to the guard, and what the guard's file may not: pure, without a device."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.control.decide import decide
from gateway.domain.control import Control
from gateway.domain.intervals import quarter_of
from gateway.domain.order import IntervalTerms, MeterCounters, Order, StandingSettings
from gateway.domain.readings import BatteryState
from gateway.guard.intents import GuardFile
from gateway.guard.loop import Delivery
from gateway.guard.orders import OrderIntake, fault
from gateway.ipc.messages import ORDERS
from tests.control.homes import NOON as NOW
from tests.control.homes import inputs, snapshot

CONFIGURED = StandingSettings(reserve_pct=20.0, import_limit_w=8_000.0)
ORDER = Order(NOW, NOW + timedelta(seconds=60), CONFIGURED)


def intake(folder: Path, clock: SimClock | None = None) -> OrderIntake:
    return OrderIntake(GuardFile(folder / "guard.json"), CONFIGURED, clock or SimClock(NOW))


@pytest.mark.parametrize("field", ["made_at", "valid_until"])
def test_an_order_whose_time_has_no_zone_is_refused(field: str, tmp_path: Path) -> None:
    """Two such times cannot be compared: it ended the guard."""
    body = json.loads(ORDERS.encode(ORDER))
    body["body"][field] = body["body"][field].rstrip("Z")
    order = ORDERS.decode(json.dumps(body).encode())
    assert intake(tmp_path).take(order) is False
    assert "without a zone" in fault(order)


@pytest.mark.parametrize("counters", [MeterCounters(1.7e308, -1.7e308), MeterCounters(0.0, 1e13)])
def test_counters_that_no_meter_shows_are_refused(counters: MeterCounters) -> None:
    """Their difference is infinite, and so would be the power that a battery of unknown size is asked for."""
    terms = IntervalTerms(quarter_of(NOW), 1_000, start_counters=counters)
    assert "at the interval's start" in fault(replace(ORDER, terms=(terms,)))


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_refused_nowhere_can_be_decided(sign: int) -> None:
    """The harshest counters that are taken, with a battery whose power nobody knows."""
    counters = MeterCounters(sign * 1e12, -sign * 1e12)
    terms = IntervalTerms(quarter_of(NOW), sign * 10**8, start_counters=counters)
    order = replace(ORDER, terms=(terms,))
    assert not fault(order)
    battery = BatteryState("b", 0.0, 60.0, None, None, None)
    seen = replace(snapshot(500.0, batteries=(battery,)), grid_import_wh=1.0, grid_export_wh=1.0)
    delivered_wh = Delivery().since_start_wh(seen, terms)
    assert decide(inputs(seen, order, delivered_wh)).setpoints.battery_w is not None


@pytest.mark.parametrize(
    "settings",
    [
        replace(CONFIGURED, reserve_pct=-5.0),
        replace(CONFIGURED, import_limit_w=-5.0),
        replace(CONFIGURED, departure_energy_wh=-5.0),
    ],
)
def test_settings_out_of_range_in_the_file_are_not_used(
    settings: StandingSettings, tmp_path: Path
) -> None:
    GuardFile(tmp_path / "guard.json").keep_settings(settings)
    assert intake(tmp_path).settings == CONFIGURED


def test_changed_settings_are_written_once_a_tick(tmp_path: Path) -> None:
    """Each write waits for the disk: a hundred a second left no time for the devices."""
    taking, path = intake(tmp_path), tmp_path / "guard.json"
    for number in range(50):
        settings = replace(CONFIGURED, departure_energy_wh=float(number))
        assert taking.take(replace(ORDER, settings=settings))
        assert not path.exists()
    taking.current()
    assert taking.settings.departure_energy_wh == 49
    assert intake(tmp_path).settings.departure_energy_wh == 49, "and outlives the guard"


@pytest.mark.parametrize("restore", ["", "{", "[]", '{"a": 1}', '{"40": 70000}', "[" * 5000])
def test_words_in_the_file_that_no_register_holds_keep_nothing_forced(
    restore: str, tmp_path: Path
) -> None:
    """The guard ended with every release of that device, and with every restart."""
    path = tmp_path / "guard.json"
    GuardFile(path).remember("inverter", Control.BATTERY_POWER, restore, datetime.now(UTC))
    assert GuardFile(path).pending("inverter") == {Control.BATTERY_POWER: "{}"}


def test_a_state_folder_that_is_replaced_gets_its_intents_again(tmp_path: Path) -> None:
    """Else a kill -9 after it would leave forced what is held."""
    path = tmp_path / "state" / "guard.json"
    file = GuardFile(path)
    file.remember("inverter", Control.BATTERY_POWER, '{"1": 1}', NOW)
    taking = OrderIntake(file, CONFIGURED, SimClock(NOW))
    path.parent.rename(tmp_path / "old")
    taking.current()
    assert GuardFile(path).pending("inverter") == {Control.BATTERY_POWER: '{"1": 1}'}


async def test_an_order_outlives_no_clock_that_is_set(tmp_path: Path) -> None:
    clock = SimClock(NOW)
    taking = intake(tmp_path, clock)
    taking.take(
        replace(
            ORDER, made_at=NOW + timedelta(days=9), valid_until=NOW + timedelta(days=9, minutes=1)
        )
    )
    assert taking.current() is not None
    async with asyncio.TaskGroup() as group:
        clock.spawn(group, clock.sleep(61), "an hour")
    assert taking.current() is None
