"""gateway.toml from the answers: a file that a person can read, and one whose comments outlive a change.

Only what was answered is written; whatever else stands in a file that is changed stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from gateway.config.bridged import guard_profile, is_bridged
from gateway.devices.catalogue import profile
from gateway.domain.control import Control
from gateway.errors import ConfigError
from gateway.escape import printable

_HEAD = (
    "Home energy gateway. Every key: docs/configuration.md; test a change with: energy-gateway check",
)
_ABOUT = {
    "site": "The home and its connection to the grid.",
    "household": "What is guessed until it was measured.",
    "battery": "What the inverter does not say of the battery.",
    "car": "What the car wants each time it leaves.",
    "mqtt": "The broker by which others hear of the home.",
    "tariff": "What a kWh costs and earns.",
    "market": "The exchange on which surplus is offered.",
    "dashboard": "The local web page.",
}
FEED = "market"  # the name of the price feed that set-up writes


@dataclass(frozen=True, slots=True)
class ChosenDevice:
    """A device that was found and is to be read. ``says`` is its maker and model, ``role`` what its power stands for."""

    name: str
    profile: str
    host: str
    port: int = 502
    unit: int | None = None
    says: str = ""
    role: str | None = None

    @property
    def address(self) -> tuple[str, int, int | None]:
        return self.host, self.port, self.unit


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where the secrets of the answers are kept; None for those that were not given."""

    page: str | None = None
    broker: str | None = None


def gateway_toml(
    values: Mapping[str, Any], devices: Sequence[ChosenDevice], secrets: Secrets, existing: str = ""
) -> str:
    """The text of the file. Raises ConfigError where ``existing`` is none."""
    try:
        document = tomlkit.parse(existing)
    except TOMLKitError as error:
        raise ConfigError(f"not valid TOML: {printable(str(error))}") from error
    if not existing.strip():
        for line in _HEAD:
            document.add(tomlkit.comment(line))
    before = _plain_table(document, "tariff")
    for (table, key), (value, about) in _keys(values, secrets).items():
        _set(document, table, key, value, about)
    if _plain_table(document, "tariff") != before:
        _set(
            document, "tariff", "since", None, ""
        )  # it said that the tariff before this change held from that day on
    _set_devices(document, devices, values)
    if values.get("tariff") == "published":
        _set_feed(document, values)
    return tomlkit.dumps(document)


def _plain_table(document: tomlkit.TOMLDocument, table: str) -> dict[str, Any]:
    """What stands in the table now, without comments; nothing that is changed later changes it."""
    found: dict[str, Any] = document.unwrap().get(table, {})
    return found


def devices_toml(devices: Sequence[ChosenDevice], taken: Collection[str] = ()) -> str:
    """The device tables alone; no name is one of ``taken``."""
    document = tomlkit.document()
    _set_devices(document, devices, {}, set(taken))
    return tomlkit.dumps(document)


def _keys(values: Mapping[str, Any], secrets: Secrets) -> dict[tuple[str, str], tuple[Any, str]]:
    """Table and key -> value and comment, of all that was asked; None takes a key away."""
    found: dict[tuple[str, str], tuple[Any, str]] = {}
    for key, (table, name, about) in _WRITTEN.items():
        if key in values:
            found[table, name] = _plain(values[key]), about
    if "place" in values:
        place = values["place"] or (None, None)
        found["site", "latitude"], found["site", "longitude"] = (
            (place[0], "north +"),
            (place[1], "east +"),
        )
    if "fuse" in values:
        fuse = values["fuse"]
        found["site", "fuse_a"] = _plain(fuse.amps) if fuse else None, "of each phase"
        found["site", "phases"] = fuse.phases if fuse else None, ""
    if "battery_power" in values:
        found["battery", "max_discharge_w"] = _plain(values["battery_power"]), ""
    found["tariff", "import_price"] = _import_price(values), ""
    found["tariff", "export_price"] = _flat(values["export_price"]), "fed in"
    if secrets.broker:
        found["mqtt", "password_file"] = secrets.broker, "readable by its owner alone"
    if secrets.page:
        found["dashboard", "host"] = "0.0.0.0", "the whole home network"  # noqa: S104 - asked for, with a password
        found["dashboard", "password_file"] = secrets.page, "its hash"
    return found


_WRITTEN = {
    "name": ("site", "name", ""),
    "time_zone": ("site", "time_zone", ""),
    "panels": ("household", "panels_w", "peak power"),
    "reserve": ("site", "reserve_pct", "kept for outages"),
    "export_limit": ("site", "export_limit_w", "most that is fed in"),
    "battery_capacity": ("battery", "capacity_wh", "usable"),
    "battery_power": ("battery", "max_charge_w", ""),
    "car_energy": ("car", "energy_wh", ""),
    "car_departure": ("car", "departure", "local time"),
    "car_days": ("car", "departure_days", ""),
    "car_phases": ("car", "phases", ""),
    "car_current": ("car", "max_current_a", "of charger and cable"),
    "currency": ("tariff", "currency", ""),
    "tax": ("tariff", "tax_pct", ""),
    "exchange": ("market", "url", ""),
    "page_port": ("dashboard", "port", "where the set-up was"),
    "broker": ("mqtt", "host", ""),
    "broker_port": ("mqtt", "port", ""),
    "broker_user": ("mqtt", "username", ""),
}


def _plain(value: Any) -> Any:
    """As TOML has it: a whole number without its '.0', a time as text."""
    if isinstance(value, float) and value == int(value):
        return int(value)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return list(value) if isinstance(value, tuple) else value


def _import_price(values: Mapping[str, Any]) -> Any:
    if values["tariff"] == "flat":
        return _flat(values["import_price"])
    price = tomlkit.inline_table()
    if values["tariff"] == "published":
        price.update({"kind": "published", "feed": FEED})
        if values["adder"]:
            price.append("adder_per_kwh", _text(values["adder"]))
        return price
    price.update({"kind": "time_of_use", "otherwise_per_kwh": _text(values["import_price"])})
    periods = tomlkit.array().multiline(True)
    for window in values["windows"]:
        period = tomlkit.inline_table()
        span = {"from": _plain(window.start), "to": _plain(window.end)}
        period.update(span | {"per_kwh": _text(window.per_kwh)})
        if window.days:
            period.append("days", list(window.days))
        periods.append(period)
    price.append("periods", periods)
    return price


def _flat(per_kwh: Decimal) -> Any:
    price = tomlkit.inline_table()
    price.update({"kind": "flat", "per_kwh": _text(per_kwh)})
    return price


def _set(document: tomlkit.TOMLDocument, table: str, key: str, value: Any, about: str) -> None:
    """Put it where it stands already, or at the end of its table; None takes it away."""
    if value is None:
        if table in document and key in document[table]:
            document[table].remove(key)
        return
    if table not in document:
        made = tomlkit.table()
        if about_table := _ABOUT.get(table):
            made.comment(about_table)
        document.add(table, made)
    held = document[table]
    if key in held:
        if held[key] != value:
            held[key] = value
        return
    item = value if hasattr(value, "comment") else tomlkit.item(value)
    held.append(key, item)
    if about:
        item.comment(about)


def _set_devices(
    document: tomlkit.TOMLDocument,
    devices: Iterable[ChosenDevice],
    values: Mapping[str, Any],
    taken: Collection[str] = (),
) -> None:
    """Those that are not there yet, by their address; what is there keeps what its owner wrote."""
    held = document.get("device")
    there = {_address(table): table for table in held} if isinstance(held, AoT) else {}
    names = {str(table["name"]) for table in there.values()} | set(taken)
    fresh = held if isinstance(held, AoT) else tomlkit.aot()
    for device in devices:
        heat = _heat(device, values)
        if device.address in there:
            if heat is not None and "heat" not in there[device.address]:
                there[device.address].append("heat", heat)
            continue
        table = tomlkit.table()
        name = _free(device.name, names)
        names.add(name)
        table.append("name", name)
        if device.says:
            table["name"].comment(printable(device.says, 60))
        for key, value in (("profile", device.profile), ("host", device.host), ("port", device.port),
                           ("unit", device.unit), ("role", device.role)):  # fmt: skip
            if value is not None and (key, value) != ("port", 502):
                table.append(key, value)
        if heat is not None:
            table.append("heat", heat)
        if held is not None and len(fresh):
            fresh[-1].add(tomlkit.nl())
        fresh.append(table)
    if held is None and len(fresh):
        document.add("device", fresh)


def _heat(device: ChosenDevice, values: Mapping[str, Any]) -> Any:
    """What stands behind a heater, as it was answered; None for what is none. A compressor has its own figures (docs/heat.md)."""
    plug = is_bridged(device.profile)
    wants = "heat_energy" if plug else "heat_litres"
    if "heat_power" not in values or wants not in values:
        return None
    told = profile(guard_profile(device.profile, ()) if plug else device.profile)
    if told.kind != "heater":
        return None
    power_w, table = _plain(values["heat_power"]), tomlkit.inline_table()
    table.append("power_w", power_w)
    if plug:  # on or off
        table.update({"step_w": power_w, "energy_wh": _plain(values[wants])})
    else:
        table.append("litres", _plain(values[wants]))
    table.append("ready_by", [_plain(each) for each in values["heat_ready"]])
    if Control.SG_READY in told.controls:
        table.update({"step_w": power_w, "heat_per_electricity": 3, "min_on_s": 900, "min_off_s": 900})  # fmt: skip
    return table


def _address(table: Mapping[str, Any]) -> tuple[str, int, int | None]:
    return str(table.get("host", "")), int(table.get("port", 502)), table.get("unit")


def _free(name: str, names: set[str]) -> str:
    others = (f"{name}-{n}" for n in range(2, 100))
    return name if name not in names else next(o for o in others if o not in names)


def _set_feed(document: tomlkit.TOMLDocument, values: Mapping[str, Any]) -> None:
    held = document.get("price_feed")
    wanted = {"name": FEED, "provider": values["provider"], "zone": values["zone"]}
    if values["provider"] == "nord-pool":
        wanted["currency"] = values["currency"]
    if isinstance(held, AoT):
        mine = next((table for table in held if table.get("name") == FEED), None)
        if mine is not None:
            mine.update(wanted)
            return
    table = tomlkit.table()
    for key, value in wanted.items():
        table.append(key, value)
    if isinstance(held, AoT):
        held.append(table)
        return
    feeds = tomlkit.aot()
    feeds.append(table)
    document.add("price_feed", feeds)


def known_answers(text: str) -> tuple[dict[str, str], list[ChosenDevice]]:
    """What a file says already, as answers to the questions, and its devices with a host."""
    try:
        found = tomlkit.parse(text).unwrap()
    except TOMLKitError as error:
        raise ConfigError(f"not valid TOML: {printable(str(error))}") from error
    site, tariff = found.get("site", {}), found.get("tariff", {})
    answers = {
        key: str(found.get(table, {})[name])
        for key, (table, name) in _PLAIN.items()
        if name in found.get(table, {})
    }
    if "latitude" in site and "longitude" in site:
        answers["place"] = f"{site['latitude']} {site['longitude']}"
    if "fuse_a" in site:
        answers["fuse"] = f"{site.get('phases', 3)}x{site['fuse_a']} A"
    for key, (table, name, unit) in _UNITS.items():
        if name in found.get(table, {}):
            answers[key] = f"{found[table][name] / 1000:g} {unit}"
    days = found.get("car", {}).get("departure_days")
    answers |= {"car_days": ",".join(days)} if days else {}
    answers |= _heat_answers(found.get("device", []))
    answers |= _tariff_answers(tariff, found.get("price_feed", []))
    devices = [
        ChosenDevice(d["name"], d.get("profile", "auto"), d["host"], d.get("port", 502), d.get("unit"), "", d.get("role"))
        for d in found.get("device", []) if "host" in d
    ]  # fmt: skip
    return answers, devices


_PLAIN = {
    "name": ("site", "name"), "time_zone": ("site", "time_zone"), "reserve": ("site", "reserve_pct"),
    "broker": ("mqtt", "host"), "broker_port": ("mqtt", "port"), "broker_user": ("mqtt", "username"),
    "currency": ("tariff", "currency"), "tax": ("tariff", "tax_pct"), "exchange": ("market", "url"),
    "car_departure": ("car", "departure"), "car_phases": ("car", "phases"), "car_current": ("car", "max_current_a"),
}  # fmt: skip
_UNITS: Mapping[str, tuple[str, str, str]] = {
    "export_limit": ("site", "export_limit_w", "kW"), "battery_capacity": ("battery", "capacity_wh", "kWh"),
    "battery_power": ("battery", "max_charge_w", "kW"), "car_energy": ("car", "energy_wh", "kWh"),
    "panels": ("household", "panels_w", "kW"),
}  # fmt: skip


def _heat_answers(devices: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Of the first heater with a tank and the first plug; what stands there is not changed by an answer."""
    heats = [d["heat"] for d in devices if "heat" in d]
    tank = next((heat for heat in heats if heat.get("litres")), None)
    plug = next((heat for heat in heats if heat.get("energy_wh")), None)
    first = tank or plug
    if first is None:
        return {}
    answers = {
        "heat_power": f"{first['power_w'] / 1000:g} kW",
        "heat_ready": " ".join(first.get("ready_by", ["18:00"])),
    }
    if tank is not None:
        answers["heat_litres"] = f"{tank['litres']:g}"
    if plug is not None:
        answers["heat_energy"] = f"{plug['energy_wh'] / 1000:g} kWh"
    return answers


def _tariff_answers(
    tariff: Mapping[str, Any], feeds: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    price, answers = tariff.get("import_price", {}), dict[str, str]()
    if "per_kwh" in tariff.get("export_price", {}):
        answers["export_price"] = str(tariff["export_price"]["per_kwh"])
    match price.get("kind"):
        case "flat":
            answers |= {"tariff": "flat", "import_price": str(price["per_kwh"])}
        case "time_of_use":
            rows = [
                f"{p['from']}-{p['to']} {p['per_kwh']}"
                + (f" {','.join(p['days'])}" if p.get("days") else "")
                for p in price.get("periods", [])
            ]
            answers |= {
                "tariff": "time_of_use",
                "import_price": str(price["otherwise_per_kwh"]),
                "windows": "\n".join(rows),
            }
        case "published":
            feed = next((f for f in feeds if f.get("name") == price.get("feed")), {})
            answers |= {"tariff": "published", "adder": str(price.get("adder_per_kwh", 0))}
            answers |= {k: str(feed[k]) for k in ("provider", "zone") if k in feed}
    return answers


def _text(value: Any) -> str:
    return f"{Decimal(str(value)).normalize():f}"
