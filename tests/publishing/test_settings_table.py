"""Each row of the user's settings reaches everything that is made of it, and the guard's part of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agent.user_settings import configured, differences, restored
from gateway.config.settings import Settings
from gateway.dashboard.live import live as live_of
from gateway.dashboard.view import HomeView
from gateway.domain.command_specs import COMMANDS
from gateway.domain.order import Departure, StandingSettings
from gateway.domain.user_settings import SETTINGS, UserSettings
from gateway.publishing import topics
from gateway.publishing.discovery import HomeToDiscover, discovery_messages
from gateway.publishing.reference import document
from tests.dashboard.homes import NOW

OTHER = UserSettings(
    backup_reserve_pct=35.5,
    battery="hold",
    export_limit_w=4200,
    charge_now=True,
    departure_time=time(6, 45),
    departure_energy_wh=12_000,
    departure_soc_pct=80,
    car_limit_pct=90,
    departure_days=(0, 4),
    departures=(Departure(datetime(2026, 6, 1, 5, 30, tzinfo=UTC), 20_000),),
    car_more_per_kwh=0.08,
    car_limit_wh=30_000,
    car_surplus_w=1_500,
    away=True,
    car_from_battery=True,
    programme=False,
    trading=False,
    price_floor=Decimal("0.0350"),
)
HOME = Settings.model_validate(
    {"device": [{"name": "inverter", "host": "127.0.0.1"}], "market": {"url": "http://127.0.0.1:1"}}
)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_row_gives_topic_command_entity_control_and_documentation(name: str) -> None:
    setting = SETTINGS[name]
    assert f"b/settings/{name}" in {m.topic for m in topics.settings_messages("b", OTHER)}
    assert setting in COMMANDS[setting.command].settings
    entities = [
        part
        for message in discovery_messages(HomeToDiscover("b", "home", "1"), ())
        for part in json.loads(message.payload)["components"].values()
        if part.get("command_topic") == f"b/cmd/{setting.command}"
    ]
    assert setting.title in {part["name"] for part in entities}
    live = live_of(HomeView("home", NOW, trading=True, settings=OTHER))
    controls = {
        field["title"]: field["value"]
        for command in live["commands"]
        if command["name"] == setting.command
        for field in command["fields"]
    }
    assert controls[setting.title] == OTHER.shown(name)
    assert f"| `settings/{name}` |" in document()
    assert f"| `cmd/{setting.command}` |" in document()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_command_is_kept_over_a_restart(name: str) -> None:
    setting = SETTINGS[name]
    before = configured(HOME)
    asked = {setting.key: OTHER.shown(name)} if setting.key else OTHER.shown(name)
    after = before.changed(COMMANDS[setting.command].read(asked))
    assert getattr(after, name) == getattr(OTHER, name)
    stored = differences(before, after)
    assert set(stored) == {name}
    assert restored(HOME, stored) == after


@given(st.dictionaries(st.sampled_from([*SETTINGS, "gone"]), st.text()))
def test_what_was_stored_wrongly_is_dropped(stored: dict[str, str]) -> None:
    user = restored(HOME, stored)
    for name, setting in SETTINGS.items():
        assert setting.kind.read(setting.kind.shown(getattr(user, name))) == getattr(user, name)


def test_what_0_1_has_stored_holds() -> None:
    """It stored Python's texts, not JSON."""
    stored = {
        "backup_reserve_pct": "35.5",
        "battery": "hold",
        "export_limit_w": "4200.0",
        "charge_now": "True",
        "departure_time": "06:45",
        "departure_energy_wh": "12000.0",
        "trading": "False",
        "price_floor": "0.0350",
    }
    newer = (
        "departure_soc_pct",
        "car_limit_pct",
        "departure_days",
        "departures",
        "car_more_per_kwh",
        "car_limit_wh",
        "car_surplus_w",
        "away",
        "car_from_battery",
        "programme",
    )
    first = configured(HOME)
    assert restored(HOME, stored) == OTHER.changed({name: getattr(first, name) for name in newer})
    assert restored(HOME, {"export_limit_w": "None"}).export_limit_w is None


def test_a_connection_that_allows_less_by_now_holds() -> None:
    limited = HOME.model_copy(
        update={"site": HOME.site.model_copy(update={"export_limit_w": 3000})}
    )
    assert restored(limited, {"export_limit_w": "4200.0"}).export_limit_w == 3000
    assert restored(limited, {"export_limit_w": "null"}).export_limit_w == 3000
    assert restored(limited, {"export_limit_w": "2500.0"}).export_limit_w == 2500


def test_the_guard_keeps_its_part_of_them() -> None:
    assert OTHER.standing(import_limit_w=8000) == StandingSettings(
        car_from_battery=True,
        reserve_pct=35.5,
        battery="hold",
        export_limit_w=4200,
        import_limit_w=8000,
        charge_now=True,
        departure_time=time(6, 45),
        departure_energy_wh=12_000,
        departure_days=(0, 4),
        departures=OTHER.departures,
        car_more_per_kwh=0.08,
        car_limit_wh=30_000,
        car_surplus_w=1_500,
    )
