"""energy-gateway status, plan: what the running gateway sees, does and will do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gateway.config.paths import default_config

if TYPE_CHECKING:
    from datetime import datetime

_CONFIG = typer.Option(help="the gateway's configuration")
_JSON = typer.Option("--json", help="everything, as JSON")
_POWERS = (
    ("sun", "pv_w"), ("house", "load_w"), ("grid", "grid_w"), ("battery", "battery_w"), ("car", "charger_w"),
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status")(status)
    app.command("plan")(plan)


def status(
    config: Annotated[Path, _CONFIG] = default_config(),
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Say what the running gateway sees and does: powers, prices, devices, what a person should know.

    An ALARM wants to be looked at (docs/operations.md says what each means); a note explains what is seen.
    Exit 0: all is reached; 1: it does not run, or a device, the broker or the exchange is lost; 2: the configuration is wrong.

    Example: energy-gateway status
    """
    import json

    told = _told(config)
    live: dict[str, Any] = told["live"]
    if as_json:
        print(json.dumps(live, indent=2))
    else:
        print("\n".join(_lines(live)))
    away = [d for d in live["devices"] if not d["online"] and not d["asleep"]]
    if away or not all(live["links"].values()):
        raise typer.Exit(1)


def plan(
    config: Annotated[Path, _CONFIG] = default_config(),
    as_json: Annotated[bool, _JSON] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="one line a quarter-hour")] = False,
) -> None:
    """Show what the running gateway plans: each hour's sun, load, battery, grid, and the prices it reckons with.

    A price in brackets is an estimate: nobody has published it.

    Example: energy-gateway plan
    """
    import json

    from gateway.errors import ConfigError

    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other")
    told = _told(config)
    rows: list[dict[str, Any]] = told["plan"]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif as_csv:
        names = list(rows[0]) if rows else []
        print(",".join(names))
        for row in rows:
            print(",".join("" if row[name] is None else str(row[name]) for name in names))
    elif not rows:
        print("nothing is planned yet")
    else:
        print("\n".join(_table(rows, told["live"])))


def _told(config: Path) -> dict[str, Any]:
    from gateway.agent.local_socket import ask_agent
    from gateway.config.load import load_settings
    from gateway.errors import StorageError

    told = ask_agent(load_settings(config).state_dir)
    if told is None:
        raise StorageError("the gateway has just started and has not seen the home yet")
    return told


def _lines(live: dict[str, Any]) -> Iterator[str]:
    from gateway.escape import printable

    here = _local(live["time"], live["time_zone"])
    of_it = " (in the house's)" if live["power"].get("charger_w") else ""
    yield f"{live['site']}, {here:%Y-%m-%d %H:%M:%S} ({live['time_zone']}), gateway {live['version']}"
    powers = [
        f"{name} {_watts(live['power'][key])}{of_it if key == 'charger_w' else ''}"
        for name, key in _POWERS
        if live["power"][key] is not None or key not in live["absent"]
    ]
    if live["soc_pct"] is not None:
        powers.append(f"state of charge {live['soc_pct']:.0f} %")
    yield "  " + ", ".join(powers)
    if live["reason"]:
        yield f"  battery: {live['reason']}"
    known = [(n, live["prices"][n]) for n in ("import", "export", "stored_value")]
    prices = [f"{name.replace('_', ' ')} {value:.4f}" for name, value in known if value is not None]
    if prices:
        yield f"  {', '.join(prices)} {live['currency']} a kWh"
    if live["bill"]:
        today = live["bill"]["today"]
        yield f"  bill of today {today['total']} {live['currency']}, saved {today['saved'] or 'not known'}"
    if live["trading"] is not None:
        trades = "trades" if live["trading"] else "does not trade"
        yield f"  {trades}: sold for this quarter-hour {live['position_wh']} Wh, account {live['account']}"
    for name, reached in live["links"].items():
        yield f"  {name.lower()}: {'reached' if reached else 'LOST'}"
    for device in live["devices"]:
        state = "ok" if device["online"] else "asleep" if device["asleep"] else "LOST"
        seen = (
            f", seen {_local(device['seen'], live['time_zone']):%H:%M:%S}" if device["seen"] else ""
        )
        why = f": {printable(device['fault'], 300)}" if device.get("fault") else ""
        yield f"  {device['name']}: {state}{seen}{why}"
    yield from _sentences(live)


def _sentences(live: dict[str, Any]) -> Iterator[str]:
    """What wants to be looked at, and then what only explains."""
    from gateway.escape import printable

    for alarm in live["alarms"]:
        yield f"  ALARM: {printable(alarm, 600)}"
    for note in live["notes"]:
        if note not in live["alarms"]:
            yield f"  note: {printable(note, 600)}"


def _table(rows: list[dict[str, Any]], live: dict[str, Any]) -> Iterator[str]:
    """By the hour: a screen has not so many lines."""
    heads = (
        "",
        "sun Wh",
        "house Wh",
        "car Wh",
        "battery Wh",
        "grid Wh",
        "charge %",
        "import",
        "export",
    )
    yield f"Battery: discharge +, grid: import +; prices in {live['currency']} a kWh, estimates in brackets."
    yield " ".join(f"{head:>10}" for head in heads)
    hours: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        hour = f"{_local(row['start'], live['time_zone']):%a %H:00}"
        hours.setdefault(hour, []).append(row)
    for hour, some in hours.items():
        sums = [
            sum(r[k] for r in some) for k in ("pv_wh", "load_wh", "car_wh", "battery_wh", "grid_wh")
        ]
        soc = some[-1]["soc_pct"]
        cells = [hour, *(f"{wh:.0f}" for wh in sums), "-" if soc is None else f"{soc:.0f}"]
        cells += [_mean(some, "import"), _mean(some, "export")]
        yield " ".join(f"{cell:>10}" for cell in cells)


def _mean(rows: list[dict[str, Any]], side: str) -> str:
    prices = [r[f"{side}_price"] for r in rows if r[f"{side}_price"] is not None]
    if not prices:
        return "-"
    mean = f"{sum(prices) / len(prices):.4f}"
    return mean if all(r[f"{side}_known"] for r in rows) else f"({mean})"


def _watts(value: float | None) -> str:
    return "not known" if value is None else f"{value:.0f} W"


def _local(time: str, zone: str) -> datetime:
    from gateway.domain.intervals import parse_utc

    return parse_utc(time).astimezone(ZoneInfo(zone))
