"""What every discovery message and entity has in common: identity, availability, the device around it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.languages import translated
from gateway.publishing.topics import Message

ORIGIN = "Home energy gateway"
DETAIL = {"entity_category": "diagnostic"}
NOT_KNOWN = "{{ 'None' if value == 'null' else value }}"

Component = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HomeToDiscover:
    """The frame of all discovery messages: where things stand and how they are called."""

    base: str
    site: str
    version: str
    prefix: str = "homeassistant"
    publish_s: float = 10
    currency: str = "USD"
    page_url: str = ""  # of our page, for a link; empty where others do not reach it
    language: str = "en"  # of the names
    untimed: bool = False  # the gateway's time is not the world's
    programme: bool = True  # whether the home is in one
    heats: bool = True  # whether a heater is planned


def connected(home: HomeToDiscover, topic: str, key: str, gone: bool = True) -> Component:
    """Whether it is reached. The gateway's own is never 'unavailable': it says off itself."""
    return {
        "platform": "binary_sensor",
        "name": "Connected",
        "device_class": "connectivity",
        "state_topic": topic,
        "payload_on": "online",
        "payload_off": "offline",
        "entity_category": "diagnostic",
        **(available(home) if gone else {}),
        **identity(home, "binary_sensor", key),
    }


def available(home: HomeToDiscover, device: str | None = None) -> Component:
    topics = [f"{home.base}/status"]
    if device is not None:
        topics.append(f"{home.base}/{device}/availability")
    return {"availability": [{"topic": t} for t in topics], "availability_mode": "all"}


def identity(home: HomeToDiscover, platform: str, key: str) -> Component:
    name = f"{home.site}_{key}".replace("-", "_")
    return {"unique_id": f"energy_gateway_{name}", "default_entity_id": f"{platform}.{name}"}


def config_message(
    home: HomeToDiscover,
    key: str,
    title: str,
    made_by: tuple[str, str],
    parts: Mapping[str, Component],
    via: bool = True,
) -> Message:
    place = f"energy_gateway_{home.site}_{key}"
    device = {
        "identifiers": [place],
        "name": title,
        "model": made_by[1],
        "manufacturer": made_by[0],
    }
    if via:
        device["via_device"] = f"energy_gateway_{home.site}_gateway"
    else:
        device["sw_version"] = home.version
        if home.page_url:
            device["configuration_url"] = home.page_url
    body = {
        "device": device,
        "origin": {"name": ORIGIN, "sw_version": home.version},
        "components": parts,
    }
    for part in parts.values():
        part["name"] = translated(home.language, part["name"])
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return Message(f"{home.prefix}/device/{place}/config", text.encode(), 1, True)
