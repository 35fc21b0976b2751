"""What a device measures: one entry for each thing behind it, a sensor for each metric. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.domain.metrics import METRICS, unit_of
from gateway.publishing.discovery.frame import (
    ORIGIN,
    Component,
    HomeToDiscover,
    available,
    config_message,
    connected,
    identity,
)
from gateway.publishing.topics import Message

_KINDS = (  # else inverter
    ("battery_", "battery"),
    ("grid_", "meter"),
    ("charger_", "charger"),
    ("heat_", "heater"),
)
_DECIMALS = {"W": 0, "kWh": 2, "%": 0, "Hz": 2}  # shown of a number; what is not here: one


def device_messages(
    home: HomeToDiscover, name: str, metrics: Iterable[str], made_by: tuple[str, str] | None
) -> list[Message]:
    """One entry for each thing behind a device: a hybrid inverter is an inverter and a battery."""
    by_kind = _things(metrics)
    messages = []
    for kind, names in sorted(by_kind.items()):
        alone = kind == name or len(by_kind) == 1
        key = name if alone else f"{name}_{kind}"
        start = next((start for start, k in _KINDS if k == kind), "inverter_")
        parts = {
            # Home Assistant puts the device's name before the entity's: 'Battery' is not said twice.
            metric: sensor(home, name, metric) | {"name": METRICS[metric].short_title(start)}
            for metric in names
        }
        parts["connected"] = connected(home, f"{home.base}/{name}/availability", f"{key}_connected")
        title = name.replace("_", " ").capitalize() if alone else f"{name} {kind}".capitalize()
        maker, model = made_by or (ORIGIN, kind.capitalize())
        if made_by and not alone:  # what hangs behind it is known by it alone
            model = f"{model} ({kind})"
        messages.append(config_message(home, key, title, (maker, model), parts))
    return messages


def _things(metrics: Iterable[str]) -> dict[str, list[str]]:
    """The metrics by the thing that they are of. Of what only details are known, there is none: an
    inverter that tells the grid's frequency is no meter."""
    by_kind: dict[str, list[str]] = {}
    for metric in metrics:
        kind = next((k for start, k in _KINDS if metric.startswith(start)), "inverter")
        by_kind.setdefault(kind, []).append(metric)
    there = [k for k, names in by_kind.items() if not all(METRICS[n].detail for n in names)]
    if not there:
        return by_kind
    main = "inverter" if "inverter" in there else there[0]
    for kind in by_kind.keys() - there:
        by_kind[main] += by_kind.pop(kind)
    return by_kind


def sensor(home: HomeToDiscover, device: str, metric: str, owned: bool = True) -> Component:
    known = METRICS[metric]
    template = f"{{{{ value_json.{metric} }}}}"
    part: Component = {"platform": "sensor", "name": known.title}
    unit, state_class = known.unit, "total_increasing" if known.counts else "measurement"
    if unit == "Wh":  # its usual unit there is kWh
        template, unit = _kwh(metric), "kWh"
    if unit:
        part |= {"unit_of_measurement": unit, "state_class": state_class}
        part["suggested_display_precision"] = _DECIMALS.get(unit, 1)
    device_class = known.device_class or unit_of(known.unit).device_class
    if device_class == "energy" and not known.counts:
        device_class = "energy_storage"
    if device_class:
        part["device_class"] = device_class
    if known.choices:
        part |= {"device_class": "enum", "options": list(known.choices)}
    if known.detail:
        part["entity_category"] = "diagnostic"
    return {
        **part,
        "state_topic": f"{home.base}/{device}/state",
        "value_template": template,
        "expire_after": max(30, round(5 * home.publish_s)),
        **available(home, device if owned else None),
        **identity(home, "sensor", f"{device}_{metric}"),
    }


def _kwh(metric: str) -> str:
    value = f"value_json.{metric}"
    return f"{{{{ ({value} / 1000) | round(3) if {value} is number else none }}}}"
