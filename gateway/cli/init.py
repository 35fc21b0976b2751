"""`energy-gateway init`: asks a newcomer for what a scan cannot find, and writes gateway.toml."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.devices import find

LEAST_BATTERY_WH, LEAST_BATTERY_W = 100.0, 30.0  # as in gateway.config.home_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(
    out: Annotated[Path, typer.Option(help="where to write it")] = Path("gateway.toml"),
) -> None:
    """Find the devices, ask for the rest, and write a configuration that `check` accepts.

    Example: energy-gateway init --out /etc/energy-gateway/gateway.toml
    """
    from gateway.config.load import load_settings
    from gateway.devices.scan import devices_toml
    from gateway.errors import ConfigError

    if out.exists():
        raise ConfigError(f"{out} exists; move it away or name another file with --out")
    hosts = typer.prompt("Addresses of your devices (HOST or HOST:PORT, blanks between)").split()
    findings, problems = asyncio.run(find(hosts))
    for problem in problems:
        typer.echo(f"  {problem}", err=True)
    for found in findings:
        typer.echo(f"  found: {found.profile.key} at {found.host}:{found.port}")
    if not findings:
        raise ConfigError("no device was found; are they switched on, and is Modbus TCP enabled?")
    text = "\n".join([*_site(), *_battery(), devices_toml(findings), *_rest()])
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}") from error
    load_settings(out)
    typer.echo(f"wrote {out}; now run: energy-gateway check --config {out}")
    typer.echo(f"and, before it may steer a device: energy-gateway verify --config {out}")


def _site() -> list[str]:
    zone = _ask("Time zone of the home", _zone_here(), _valid_zone)
    place = _ask(
        "Latitude and longitude, e.g. 30.27 -97.74 (empty: the night is learnt from the panels, and forecasts do without the sun)",
        "",
        _place,
    )
    reserve = _ask("State of charge to keep for outages, %", "20", _percent)
    limit = _ask("Most power you may feed into the grid, e.g. 5 kW (empty: no limit)", "", _w)
    lines = [
        "[site]",
        'name = "home"',
        f"time_zone = {json.dumps(zone)}",
        f"reserve_pct = {float(reserve)}",
    ]
    if place:
        latitude, longitude = _place(place)
        lines += [f"latitude = {latitude}", f"longitude = {longitude}"]
    return [*lines, *([f"export_limit_w = {_w(limit)}"] if limit else []), ""]


def _rest() -> list[str]:
    broker = _ask("Address of your MQTT broker", "127.0.0.1", str)
    price = _ask("What a kWh from the grid costs", "0.14", _number)
    url = _ask("Address of the energy exchange (empty: no trading)", "", _url)
    lines = ["[mqtt]", f"host = {json.dumps(broker)}", "", "[tariff]"]
    lines += [f'import_price = {{ kind = "flat", per_kwh = "{price}" }}']
    if not url:
        return [*lines, 'export_price = { kind = "flat", per_kwh = "0" }', ""]
    return [*lines, "", "[market]", f"url = {json.dumps(url)}", ""]


def _battery() -> list[str]:
    """Most inverters do not say how large their battery is."""
    where = "(empty: the inverter says it, or there is none)"
    capacity = _ask(f"Usable capacity of your battery, e.g. 13.5 kWh {where}", "", _wh)
    if not capacity or not _wh(capacity):
        return []
    power = _w(_ask("Power with which it charges and discharges, e.g. 5 kW", "5 kW", _above_0))
    return [
        "[battery]",
        f"capacity_wh = {_wh(capacity)}",
        f"max_charge_w = {power}",
        f"max_discharge_w = {power}",
        "",
    ]


def _ask(question: str, default: str, check: Callable[[str], Any]) -> str:
    """Ask until the answer is right; an empty answer takes the default."""
    while True:
        answer = typer.prompt(question, default=default, show_default=bool(default)).strip()
        try:
            if answer:
                check(answer)
        except ValueError as error:
            typer.echo(f"  {error}", err=True)
            continue
        return str(answer)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None
    if not 0 <= value < inf:  # a nan is no number either
        raise ValueError(f"{text!r} is no number from 0 on")
    return value


def _percent(text: str) -> float:
    if (value := _number(text)) > 100:
        raise ValueError("not above 100")
    return value


def _wh(text: str) -> float:
    return _in_thousands(text, "Wh", LEAST_BATTERY_WH)


def _w(text: str) -> float:
    return _in_thousands(text, "W", LEAST_BATTERY_W)


def _in_thousands(text: str, unit: str, least: float) -> float:
    """A number in ``unit``, or with k before it; one too small to be meant so is asked again."""
    number, factor = text.removesuffix(unit).rstrip(), 1.0
    if number.endswith("k"):
        number, factor = number[:-1], 1000.0
    value = _number(number.strip()) * factor
    if 0 < value < least:
        raise ValueError(f"{value:g} {unit}? Write {value:g} k{unit}, or {value * 1000:g}")
    return value


def _above_0(text: str) -> float:
    if not (value := _w(text)):
        raise ValueError("above 0")
    return value


def _place(text: str) -> tuple[float, float]:
    try:
        latitude, longitude = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"{text!r} is no latitude and longitude, e.g. 30.27 -97.74") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ValueError("latitude is -90 to 90 (north +), longitude -180 to 180 (east +)")
    return latitude, longitude


def _url(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise ValueError("an address begins with https://")
    return text


def _valid_zone(name: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone, e.g. America/Chicago") from None
    return name


def _zone_here() -> str:
    """What the machine is set to, as Debian keeps it."""
    try:
        return Path("/etc/timezone").read_text(encoding="utf-8").strip() or "UTC"
    except OSError:
        return "UTC"
