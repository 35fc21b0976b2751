"""Home Assistant: what it is told so that it makes devices and entities by itself. Pure.

One retained message a device (``<prefix>/device/<id>/config``), published again at Home Assistant's
birth. Sensors read the JSON state, whose ``null`` becomes 'unknown'; each is available only while
both the gateway and its device are. Commands go through the same topics and checks as anyone's, in
the JSON form that `gateway.publishing.commands` asks for. Needs Home Assistant 2025.10 or later
(device discovery, ``default_entity_id``).
"""

from __future__ import annotations

from functools import lru_cache

from gateway.domain.metrics import METRICS
from gateway.domain.readings import Quality, Snapshot
from gateway.publishing.discovery.devices import device_messages
from gateway.publishing.discovery.frame import HomeToDiscover
from gateway.publishing.discovery.gateway import gateway_message
from gateway.publishing.discovery.market import market_message
from gateway.publishing.topics import Message

__all__ = ["Devices", "HomeToDiscover", "Makers", "discovered", "discovery_messages", "makers"]

Devices = tuple[tuple[str, tuple[str, ...]], ...]  # name and metrics of each


def discovered(snapshot: Snapshot, before: Devices = ()) -> Devices:
    """Devices and their metrics: what the discovery of a home depends on.

    What a device says that it does not have is no entity. What it once had stays (``before``).
    """
    had = dict(before)
    return tuple(
        (
            device.name,
            tuple(
                sorted(
                    {
                        metric
                        for metric, reading in device.readings.items()
                        if metric in METRICS and reading.quality is not Quality.ABSENT
                    }
                    | set(had.get(device.name, ()))
                )
            ),
        )
        for device in snapshot.devices.values()
    )


Makers = tuple[
    tuple[str, tuple[str, str]], ...
]  # name, and maker and model of each that states them


def makers(snapshot: Snapshot) -> Makers:
    """What the devices are by their own word."""
    return tuple((d.name, d.made_by) for d in snapshot.devices.values() if all(d.made_by))


@lru_cache(maxsize=8)
def discovery_messages(
    home: HomeToDiscover,
    devices: Devices,
    commands: bool = True,
    exchange: bool = True,
    made_by: Makers = (),
) -> tuple[Message, ...]:
    """All discovery of a home; cheap to ask for again with the same arguments."""
    messages, known = [gateway_message(home, commands)], dict(made_by)
    for name, metrics in devices:
        messages += device_messages(home, name, metrics, known.get(name))
    messages.append(market_message(home, commands, exchange))
    return tuple(messages)
