"""Home Assistant is told what it needs, in the form it accepts, and again when it starts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.agent.reporting import page_url
from gateway.config.agent_settings import Dashboard
from gateway.domain.command_specs import COMMANDS
from gateway.domain.control import Setpoints
from gateway.domain.metrics import METRICS
from gateway.domain.readings import Quality
from gateway.domain.sentences import other
from gateway.domain.user_settings import SETTINGS, UserSettings
from gateway.publishing import topics
from gateway.publishing.commands import Command, parse_command
from gateway.publishing.discovery import HomeToDiscover, discovered, discovery_messages
from gateway.publishing.mqtt import Publisher
from gateway.publishing.outlook import PlannedHome, outlook_messages, setpoints_message
from gateway.publishing.topics import MarketState
from gateway.store.journal import Journal
from simulators.broker import BrokerHandle
from tests.publishing.conftest import connected, delivered, listening, mqtt, running
from tests.publishing.homes import NOON, device, snapshot
from tests.waiting import HANG_S

HOME = HomeToDiscover("energy/home", "home", "0.1.0")
EVERYTHING = (("inverter", tuple(METRICS)), ("meter", ("grid_power_w", "grid_import_wh")))


def bodies(devices: Any = EVERYTHING) -> dict[str, dict[str, Any]]:
    messages = discovery_messages(HOME, devices)
    assert all(m.retain and m.qos == 1 for m in messages)
    return {m.topic: json.loads(m.payload) for m in messages}


def components(devices: Any = EVERYTHING) -> dict[str, dict[str, Any]]:
    found = [part for body in bodies(devices).values() for part in body["components"].values()]
    by_id = {part["unique_id"]: part for part in found}
    assert len(by_id) == len(found)
    return by_id


def test_devices() -> None:
    all_bodies = bodies()
    assert {t.split("/")[2].removeprefix("energy_gateway_home_") for t in all_bodies} == {
        "gateway", "inverter", "inverter_battery", "inverter_meter", "inverter_charger",
        "inverter_heater", "meter",
        "market",
    }  # fmt: skip
    for topic, body in all_bodies.items():
        assert re.fullmatch(r"homeassistant/device/[a-z0-9_]+/config", topic)
        assert body["device"]["identifiers"]
        assert body["origin"]["name"]
        assert body["components"]
        for part in body["components"].values():
            domain, _, name = part["default_entity_id"].partition(".")
            assert domain == part["platform"]
            assert re.fullmatch(r"[a-z0-9_]+", name)


def test_no_name_is_doubled() -> None:
    """Home Assistant puts the device's name before the entity's."""
    for body in bodies().values():
        last = body["device"]["name"].split()[-1].lower()
        for part in body["components"].values():
            assert part["name"]
            assert not part["name"].lower().startswith(f"{last} "), (last, part["name"])


def test_what_a_device_says_it_does_not_have_makes_no_device() -> None:
    seen = snapshot()
    inverter = seen.devices["inverter"]
    absent = {
        metric: replace(reading, value=None, quality=Quality.ABSENT)
        for metric, reading in inverter.readings.items()
        if metric.startswith("battery_")
    }
    without = replace(inverter, readings={**inverter.readings, **absent})
    at_first = discovered(replace(seen, devices={**seen.devices, "inverter": without}))
    assert "battery_soc_pct" not in dict(at_first)["inverter"]
    assert not any("inverter_battery" in topic for topic in bodies(at_first))
    later = discovered(seen, at_first)
    assert "battery_soc_pct" in dict(later)["inverter"]
    again = discovered(replace(seen, devices={**seen.devices, "inverter": without}), later)
    assert again == later, "what was there once does not come and go"


def test_the_page_is_linked_where_others_reach_it() -> None:
    def page(**more: Any) -> str:
        return page_url(Dashboard.model_validate({"port": 8750, **more}))

    assert page() == page(host="0.0.0.0") == page(enabled=False, host="192.168.1.5") == ""  # noqa: S104
    assert page(host="192.168.1.5") == "http://192.168.1.5:8750/"
    assert page(host="fd00::5") == "http://[fd00::5]:8750/"
    assert page(names=["energy.home.example"]) == "https://energy.home.example/"
    linked = discovery_messages(replace(HOME, page_url="http://192.168.1.5:8750/"), ())
    urls = [json.loads(m.payload)["device"].get("configuration_url") for m in linked]
    assert urls == ["http://192.168.1.5:8750/", None]


def test_a_home_without_an_exchange_has_its_prices_and_its_bill() -> None:
    alone = bodies_of(discovery_messages(HOME, (), exchange=False))
    body = alone["homeassistant/device/energy_gateway_home_market/config"]
    names = set(body["components"])
    assert {"import_price_per_kwh", "stored_value_per_kwh", "bill_month", "saved_month"} <= names
    assert not {"position_wh", "open_tenders", "account_total", "trading"} & names
    state = by_name(topics.market_messages("energy/home", MarketState(NOON, "EUR"), exchange=False))
    assert names <= set(json.loads(state["energy/home/market/state"]))
    assert not [topic for topic in state if topic.endswith(("position_wh", "trading"))]


def bodies_of(messages: Iterable[topics.Message]) -> dict[str, Any]:
    return {m.topic: json.loads(m.payload) for m in messages}


def by_name(messages: Iterable[topics.Message]) -> dict[str, bytes]:
    return {m.topic: m.payload for m in messages}


def test_the_energy_dashboard_can_be_filled() -> None:
    parts = components()
    for metric in ("pv_energy_wh", "grid_import_wh", "grid_export_wh", "battery_charge_wh", "battery_discharge_wh"):  # fmt: skip
        part = parts[f"energy_gateway_home_inverter_{metric}"]
        assert part["device_class"] == "energy"
        assert part["unit_of_measurement"] == "kWh"
        assert part["state_class"] == "total_increasing"


def test_every_sensor_reads_a_field_that_is_published_and_goes_away_with_its_device() -> None:
    values: dict[str, Any] = dict.fromkeys(METRICS, 1)
    everything = topics.device_messages("energy/home", device("inverter", **values))
    seen = snapshot()
    sent = [*everything, *topics.snapshot_messages("energy/home", seen)]
    sent += topics.market_messages("energy/home", MarketState(NOON, "USD"))
    sent += topics.settings_messages("energy/home", UserSettings())
    sent.append(topics.info("energy/home", "1", ()))
    sent.append(topics.alarms_message("energy/home", [other("the meter is frozen")]))
    sent.append(topics.decision_message("energy/home", None))
    sent.append(setpoints_message("energy/home", Setpoints()))
    sent += outlook_messages("energy/home", None, NOON, PlannedHome("UTC", "USD"))
    sent.append(topics.event_message("energy/home", "command_refused", {}))
    sent.append(topics.status("energy/home", True))
    payloads = {m.topic: m.payload for m in reversed(sent)}
    for name, part in components().items():
        if part["platform"] != "button":
            assert part["state_topic"] in payloads, name
        field = re.search(r"value_json\.(\w+)", part.get("value_template", ""))
        if field:
            assert field.group(1) in json.loads(payloads[part["state_topic"]]), name
        if "gateway_connected" not in name and "gateway_version" not in name:
            assert part["availability"][0]["topic"] == "energy/home/status"


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_home_assistant_sends_is_a_valid_command(setting: str) -> None:
    part = components()[f"energy_gateway_home_{setting}"]
    command = part["command_topic"].rsplit("/", 1)[1]
    assert command in COMMANDS
    shown = UserSettings().shown(setting)
    value = {"switch": part.get("payload_on"), "select": "hold", "text": shown, "number": "10"}
    payload = render(part["command_template"], str(value[part["platform"]]), NOON)
    taken = parse_command(command, payload.encode(), NOON)
    assert isinstance(taken, Command), taken


@pytest.mark.parametrize(
    "setting", ["export_limit_w", "departure_soc_pct", "car_limit_pct", "car_limit_wh"]
)
def test_a_button_sets_to_none_what_a_number_cannot(setting: str) -> None:
    part = components()[f"energy_gateway_home_{setting}_none"]
    assert (part["platform"], part["retain"]) == ("button", False)
    command = part["command_topic"].rsplit("/", 1)[1]
    taken = parse_command(command, render(part["command_template"], "PRESS", NOON).encode(), NOON)
    assert isinstance(taken, Command), taken
    before = UserSettings().changed({setting: 50})
    assert before.changed(taken.changes).shown(setting) is None


def render(template: str, value: str, now: datetime) -> str:
    """The three expressions that we use of Home Assistant's templates."""
    return (
        template.replace("{{ value }}", value)
        .replace("{{ utcnow().isoformat() }}", now.isoformat())
        .replace("{{ (utcnow().timestamp() * 1000) | int }}", str(int(now.timestamp() * 1000)))
    )


async def test_it_is_published_again_when_home_assistant_starts(
    broker: BrokerHandle, journal: Journal
) -> None:
    publisher = Publisher(mqtt(broker.port), "home", journal)
    async with running(publisher), listening(broker.port, "homeassistant/device/#") as heard:
        await connected(publisher)
        messages = discovery_messages(HOME, discovered(snapshot()))
        publisher.publish(messages)
        await delivered(publisher)
        publisher.publish(discovery_messages(HOME, discovered(snapshot())))
        await delivered(publisher)
        await heard.until(lambda h: len(h.messages) >= len(messages))
        assert len(heard.messages) == len(messages)
        async with aiomqtt.Client("127.0.0.1", broker.port, timeout=HANG_S) as assistant:
            await assistant.publish("homeassistant/status", "offline", 1)
            await assistant.publish("homeassistant/status", "online", 1)
        await heard.until(lambda h: len(h.messages) >= 2 * len(messages))
        assert len(heard.messages) == 2 * len(messages)


async def test_devices_that_are_gone_are_taken_away_and_silent_ones_stay(
    broker: BrokerHandle, journal: Journal, tmp_path: Path
) -> None:
    """The charger is taken out of the configuration; at the next start the meter does not answer yet."""
    memory, place = tmp_path / "topics.json", "homeassistant/device/energy_gateway_home_"
    full = snapshot()
    names = tuple(full.devices)
    async with running(
        Publisher(mqtt(broker.port), "home", journal, names, memory=memory)
    ) as first:
        await connected(first)
        first.publish(topics.snapshot_messages(first.base, full))
        first.publish(discovery_messages(HOME, discovered(full)))
        await delivered(first)
    left = {name: state for name, state in full.devices.items() if name == "inverter"}
    second = Publisher(mqtt(broker.port), "home", journal, ["inverter", "meter"], memory=memory)
    async with running(second), listening(broker.port, "homeassistant/device/#") as heard:
        await connected(second)
        await heard.until(lambda h: {t for t, _, _ in h.messages} >= {f"{place}charger/config"})
        assert heard.of(f"{place}charger/config")[-1] != b"", "nothing is known of this run yet"
        known = replace(full, devices=left)
        second.publish(topics.snapshot_messages(second.base, known))
        second.publish(discovery_messages(HOME, discovered(known)))
        await delivered(second)
        await heard.until(lambda h: h.of(f"{place}charger/config")[-1] == b"")
        assert heard.of(f"{place}meter/config")[-1] != b""
    async with listening(broker.port, "homeassistant/device/#") as late:
        await late.until(lambda h: bool(h.of(f"{place}meter/config")))
        assert not late.of(f"{place}charger/config")


def test_a_device_is_of_the_maker_and_model_that_it_states() -> None:
    devices = (
        ("inverter", ("pv_power_w", "battery_soc_pct")),
        ("meter", ("grid_power_w",)),
        ("shed", ("grid_power_w",)),
    )
    made_by = (("inverter", ("Fronius", "Symo GEN24 10.0")), ("meter", ("Fronius", "Smart Meter")))
    shown = [
        json.loads(m.payload)["device"] for m in discovery_messages(HOME, devices, made_by=made_by)
    ]
    told = {d["name"]: (d["manufacturer"], d["model"]) for d in shown}
    assert told["Inverter"] == ("Fronius", "Symo GEN24 10.0")
    assert told["Inverter battery"] == ("Fronius", "Symo GEN24 10.0 (battery)")
    assert told["Meter"] == ("Fronius", "Smart Meter")
    assert told["Shed"] == ("Home energy gateway", "Meter")


def test_where_the_gateway_s_time_is_its_own_commands_have_none() -> None:
    own = replace(HOME, untimed=True)
    for home, timed in ((HOME, True), (own, False)):
        (body, *_) = (json.loads(m.payload) for m in discovery_messages(home, ()))
        template = body["components"]["backup_reserve_pct"]["command_template"]
        assert ("ts" in template) is timed


def test_an_inverter_that_tells_the_grid_s_frequency_is_no_second_meter() -> None:
    metrics = ("ac_power_w", "battery_mode", "grid_frequency_hz", "pv_power_w")
    body = bodies((("inverter", metrics),))
    assert [t for t in body if "inverter" in t] == [
        "homeassistant/device/energy_gateway_home_inverter/config"
    ]
    parts = body["homeassistant/device/energy_gateway_home_inverter/config"]["components"]
    assert parts["grid_frequency_hz"]["name"] == "Grid frequency"
    only = bodies((("shed", ("grid_frequency_hz",)),))
    assert "homeassistant/device/energy_gateway_home_shed/config" in only
