"""The home in a real Home Assistant, where `HEG_HOME_ASSISTANT` names a Python that has it.

It takes some seven minutes, most of them until Home Assistant has made its first statistics (each five
minutes by the wall's clock): what its Energy dashboard judges rests on them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from gateway.dashboard.password import hashed
from gateway.publishing.reference import ENERGY_DASHBOARD
from simulators.broker import start_broker
from simulators.demo.options import Options
from simulators.demo.world import World, run_world
from tests.publishing.real_home_assistant import HomeAssistant, home_assistant

PYTHON = os.environ.get("HEG_HOME_ASSISTANT", "")
NOON = datetime(2026, 6, 1, 18, tzinfo=UTC)
LONGEST_S = 120.0  # real seconds until something is seen; what is seen does not rest on it
STATISTICS_S = 420.0  # a period of five minutes, and what it takes to write it
STEP_S = 0.5
PAGE = "https://energy.example/"

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not PYTHON, reason="HEG_HOME_ASSISTANT names no Python with homeassistant"),
]

UNKNOWN_BY_RIGHT = {  # nothing is known, set, pressed or refused yet
    "battery_setpoint", "car_phases", "market_co2_g_per_kwh", "market_import_estimate_per_kwh",
    "market_export_estimate_per_kwh", "refused_command", "departure_soc_pct", "car_limit_pct", "car_limit_wh",
    "departures", "departure_soc_pct_none", "car_limit_pct_none", "car_limit_wh_none", "export_limit_w_none",
}  # fmt: skip


@dataclass
class Seen:
    """What Home Assistant showed, gathered once for all tests."""

    version: str = ""
    devices: list[dict[str, Any]] = field(default_factory=list)
    entities: dict[str, dict[str, Any]] = field(default_factory=dict)  # by our key
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    first: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, dict[str, Any]] = field(default_factory=dict)
    after: dict[str, dict[str, Any]] = field(default_factory=dict)
    energy: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def id(self, key: str) -> str:
        found: str = self.entities[key]["entity_id"]
        return found

    def of(self, key: str, states: dict[str, dict[str, Any]] | None = None) -> str:
        found: str = (self.states if states is None else states)[self.id(key)]["state"]
        return found


class Watcher:
    """Looks at Home Assistant while the simulated home lives on, a minute a second."""

    def __init__(self, world: World, assistant: HomeAssistant, seen: Seen) -> None:
        self.world, self.assistant, self.seen = world, assistant, seen

    async def look(self) -> None:
        seen, assistant = self.seen, self.assistant
        known = await assistant.ask("config/entity_registry/list")
        ours = [each for each in known if each["platform"] == "mqtt"]
        seen.entities = {e["unique_id"].removeprefix("energy_gateway_home_"): e for e in ours}
        devices = await assistant.ask("config/device_registry/list")
        seen.devices = [d for d in devices if d["identifiers"][0][0] == "mqtt"]
        seen.states = await assistant.states()

    async def live(self) -> None:
        await asyncio.sleep(STEP_S)
        later = self.world.clock.now() + timedelta(seconds=60 * STEP_S)
        await self.world.play(later, lambda _: None)

    async def until(self, ready: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(LONGEST_S):
                await self.look()
                while not ready():
                    await self.live()
                    await self.look()
        except TimeoutError:
            raise AssertionError(f"Home Assistant never showed {what}") from None

    async def set(self, service: str, key: str, wanted: str, **data: Any) -> None:
        await self.assistant.call(service, self.seen.id(key), **data)
        await self.until(lambda: self.seen.of(key) == wanted, f"{key} {wanted}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Home Assistant first, then the gateway: its start is seen too, and its end."""
    folder, found = tmp_path_factory.mktemp("home-assistant"), Seen()
    secret = folder / "password"
    secret.write_text(hashed("a-password-of-the-test"))
    secret.chmod(0o600)
    page = {"port": 0, "names": ["energy.example"], "password_file": str(secret)}
    (folder / "config").mkdir()
    broker = await start_broker()
    try:
        async with home_assistant(PYTHON, folder / "config", broker.port) as assistant:
            found.version = assistant.version

            async def referee(world: World) -> None:
                await use(Watcher(world, assistant, found))

            options = Options(
                seed=3, broker_port=broker.port, start=NOON, tables={"dashboard": page}
            )
            await run_world(options, folder / "home", referee)
            async with asyncio.timeout(LONGEST_S):
                while not found.after or found.of("gateway_connected", found.after) == "on":
                    found.after = await assistant.states()
                    await asyncio.sleep(STEP_S)
            found.log = assistant.log
    finally:
        await broker.close()
    return found


async def use(watcher: Watcher) -> None:
    seen = watcher.seen
    await watcher.until(
        lambda: {"charger_connected", "meter_grid_import_wh", "site_load_power_w"} <= seen.entities.keys()
        and seen.of("site_load_power_w") not in {"unknown", "unavailable"},
        "the home",
    )  # fmt: skip
    await watcher.until(lambda: not unexpected(seen.states, seen), "all that the home knows")
    seen.first = seen.states
    await watcher.set("number.set_value", "backup_reserve_pct", "35", value=35)
    await watcher.set("select.select_option", "battery", "hold", option="hold")
    await watcher.set("text.set_value", "departure_time", "06:15", value="06:15")
    await watcher.set("switch.turn_off", "trading", "off")
    await watcher.assistant.call("switch.turn_on", seen.id("charge_now"))
    await watcher.until(lambda: seen.of("refused_command") != "unknown", "the refusal")
    await watcher.until(lambda: seen.of("charge_now") == "off", "the switch as it was")
    seen.refused = seen.states
    await watcher.assistant.ask("energy/save_prefs", **preferences(seen))
    async with asyncio.timeout(STATISTICS_S):
        while "statistics_not_defined" in str(seen.energy or "statistics_not_defined"):
            await watcher.live()
            seen.energy = await watcher.assistant.ask("energy/validate")


def unexpected(states: dict[str, dict[str, Any]], seen: Seen) -> dict[str, str]:
    """What shows no value although the home has one."""
    shown = {key: seen.of(key, states) for key in seen.entities}
    unknown = {k: s for k, s in shown.items() if s == "unknown" and k not in UNKNOWN_BY_RIGHT}
    return unknown | {k: s for k, s in shown.items() if s == "unavailable"}


def preferences(seen: Seen) -> dict[str, Any]:
    """What a person enters in the Energy dashboard by the table of the documentation."""
    said = {
        place: (seen.id(f"{device}_{metric}"), seen.id(f"market_{price}") if price else None)
        for place, device, metric, price in ENERGY_DASHBOARD
    }
    bought, given = said["Grid consumption"], said["Return to grid"]
    price = {"entity_energy_price": bought[1], "number_energy_price": None}
    earns = {"entity_energy_price": given[1], "number_energy_price": None}
    flows = {
        "flow_from": [{"stat_energy_from": bought[0], "stat_cost": None, **price}],
        "flow_to": [{"stat_energy_to": given[0], "stat_compensation": None, **earns}],
    }
    battery = {
        "stat_energy_from": said["Battery, energy out"][0],
        "stat_energy_to": said["Battery, energy in"][0],
    }
    solar = {
        "stat_energy_from": said["Solar production"][0],
        "config_entry_solar_forecast": None,
    }
    return {
        "energy_sources": [
            {"type": "grid", **flows, "cost_adjustment_day": 0},
            {"type": "solar", **solar},
            {"type": "battery", **battery},
        ],
        "device_consumption": [{"stat_consumption": said["Individual device"][0]}],
    }


async def test_there_is_each_device_once_with_maker_and_model(seen: Seen) -> None:
    made = {d["name"]: (d["manufacturer"], d["model"]) for d in seen.devices}
    assert made == {
        "Energy gateway home": ("Home energy gateway", "Gateway"),
        "Energy market home": ("Home energy gateway", "Exchange account"),
        "Inverter": ("Fronius", "Symo GEN24 10.0 Plus"),
        "Inverter battery": ("Fronius", "Symo GEN24 10.0 Plus (battery)"),
        "Meter": ("Fronius", "Smart Meter TS 65A-3"),
        "Charger": ("KEBA", made["Charger"][1]),
    }
    assert len(seen.devices) == len(made)
    links = [d["configuration_url"] for d in seen.devices if d["configuration_url"]]
    assert links == [PAGE]


async def test_no_name_says_a_word_twice(seen: Seen) -> None:
    ours = [
        seen.first[e["entity_id"]]["attributes"]["friendly_name"] for e in seen.entities.values()
    ]
    for name in ours:
        words = [word.casefold() for word in name.replace(":", "").split()]
        assert all(a != b for a, b in pairwise(words)), name
    assert len(set(ours)) == len(ours)


async def test_all_that_the_home_knows_is_shown(seen: Seen) -> None:
    assert unexpected(seen.first, seen) == {}


async def test_a_refusal_says_why(seen: Seen) -> None:
    refusal = seen.refused[seen.id("refused_command")]["attributes"]
    assert refusal["command"] == "charge_now"
    assert refusal["message"] == "no car is plugged in"
    held = ("backup_reserve_pct", "battery", "departure_time", "trading")
    assert [seen.of(key, seen.refused) for key in held] == ["35", "hold", "06:15", "off"]


async def test_the_energy_dashboard_has_nothing_to_find_fault_with(seen: Seen) -> None:
    assert seen.energy["energy_sources"] == [[], [], []]
    assert seen.energy["device_consumption"] == [[]]


async def test_nothing_is_logged_as_wrong(seen: Seen) -> None:
    wrong = [x for x in seen.log if any(f" {level} (" in x for level in ("ERROR", "WARNING"))]
    assert [x for x in wrong if "mqtt" in x or "energy" in x] == []


async def test_what_is_not_known_any_more_is_not_shown(seen: Seen) -> None:
    left = {key for key in seen.entities if seen.of(key, seen.after) != "unavailable"}
    assert left == {"gateway_connected", "gateway_version"}
    assert seen.of("gateway_connected", seen.after) == "off"
