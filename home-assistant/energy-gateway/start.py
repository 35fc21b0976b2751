"""Starts the gateway in a Home Assistant add-on: the broker is asked of the supervisor, the rest is gateway.toml.

The person's file stays as it is; what runs is a copy of it with what the add-on knows: where state and page are, and the broker where the
file names none. The page is shown through `front`, to Home Assistant alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import tomlkit
from front import serve

OWN = Path("/config/gateway.toml")
DATA = Path("/data")
PAGE_PORT = 8750
_MOST = 64 * 1024
_MISSING = """\
/config/gateway.toml is missing: it says which devices the home has.
In the folder addon_configs (add-ons Samba or File editor) this add-on has a folder of its own; put the file there.
`energy-gateway init` on any computer of this network finds the devices and writes it.
"""


def broker_of(supervisor: str, token: str) -> dict[str, Any] | None:
    """Host, port, ssl, username and password of Home Assistant's broker; None where there is none."""
    request = urllib.request.Request(  # noqa: S310 - the supervisor's own address
        f"{supervisor}/services/mqtt", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            found = json.loads(answer.read(_MOST))
        data = found["data"]
        return {
            "host": str(data["host"]),
            "port": int(data["port"]),
            "tls": bool(data.get("ssl", False)),
            "username": str(data.get("username") or ""),
            "password": str(data.get("password") or ""),
        }
    except (OSError, ValueError, KeyError, TypeError, urllib.error.URLError):
        return None


def merged(text: str, broker: dict[str, Any] | None, data: Path) -> str:
    """What runs: the person's file, and what the add-on knows better. Raises ValueError for no TOML."""
    document = tomlkit.parse(text)
    document["state_dir"] = str(data / "state")
    page = document.setdefault("dashboard", tomlkit.table())
    page["host"], page["port"] = "127.0.0.1", PAGE_PORT
    mqtt = document.setdefault("mqtt", tomlkit.table())
    if broker is not None and "host" not in mqtt:
        mqtt["host"], mqtt["port"], mqtt["tls"] = broker["host"], broker["port"], broker["tls"]
        if broker["username"]:
            mqtt["username"] = broker["username"]
            mqtt["password_file"] = str(data / "mqtt_password")
    # Keys of the file itself stand before its tables.
    tables = {k: v for k, v in document.items() if isinstance(v, dict | list)}
    plain = {k: v for k, v in document.items() if k not in tables}
    return tomlkit.dumps(plain | tables)


def prepared(own: Path, data: Path, broker: dict[str, Any] | None) -> Path:
    """The file that runs, readable by nobody else; raises ValueError or OSError."""
    os.umask(0o077)
    made = data / "gateway.toml"
    made.write_text(merged(own.read_text(encoding="utf-8"), broker, data), encoding="utf-8")
    if broker is not None and broker["password"]:
        (data / "mqtt_password").write_text(broker["password"], encoding="utf-8")
    return made


async def run(config: Path, level: str, front_port: int, allowed: frozenset[str]) -> int:
    """The gateway as a child, its page in front; ends when it ends, and ends it when we are asked to."""
    child = await asyncio.create_subprocess_exec(
        "energy-gateway", "run", "--config", str(config), "--log-level", level
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, child.terminate)
    async with serve(front_port, PAGE_PORT, allowed):
        return await child.wait()


def main() -> int:
    if not OWN.exists():
        sys.stderr.write(_MISSING)
        return 2
    supervisor = os.environ.get("SUPERVISOR", "http://supervisor")
    broker = broker_of(supervisor, os.environ.get("SUPERVISOR_TOKEN", ""))
    if broker is None:
        sys.stderr.write("Home Assistant has no MQTT service; the broker of gateway.toml counts\n")
    try:
        options = json.loads((DATA / "options.json").read_text(encoding="utf-8"))
        config = prepared(OWN, DATA, broker)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{OWN}: {error}\n")
        return 2
    return asyncio.run(
        run(config, str(options.get("log_level", "info")), 8099, frozenset({"172.30.32.2"}))
    )


if __name__ == "__main__":
    raise SystemExit(main())
