"""Secrets from systemd credentials or files; never from the command line, never into a log."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.config.settings import Settings


def secret_file(name: str, file: Path | None) -> Path | None:
    """``file``, else the file of systemd's credential ``name`` where there is one."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if file is None and folder and (Path(folder) / name).exists():
        return Path(folder) / name
    return file


def credential(name: str, file: Path | None, key: str) -> str | None:
    """The secret in ``file``, else systemd's credential ``name``, else None.

    One trailing newline is not part of it. Raises ConfigError naming the configuration ``key``.
    """
    file = secret_file(name, file)
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{key} = {file}: cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that a key names, and the systemd credential that does the same."""

    key: str
    file: Path
    credential: str


def secret_files(settings: Settings) -> list[SecretFile]:
    """Every file with a secret that the configuration names."""
    mqtt, market, pv = settings.mqtt, settings.market, settings.pv_forecast
    named = [
        ("mqtt.password_file", mqtt.password_file, "mqtt_password"),
        ("mqtt.key_file", mqtt.key_file, "mqtt_key"),
        ("dashboard.password_file", settings.dashboard.password_file, "dashboard_password"),
        ("pv_forecast.key_file", pv.key_file if pv else None, "pv_forecast"),
    ]
    if market is not None:
        named.append(("market.credential_file", market.credential_file, "exchange"))
        named.append(("market.key_file", market.key_file, "market_key"))
    named += [
        (f"price_feed {f.name!r}: key_file", f.key_file, f"feed_{f.name}")
        for f in settings.price_feed
    ]
    named += [
        (f"device {d.name!r}: token_file", d.token_file, f"device_{d.name}")
        for d in settings.device
    ]
    named += [
        (f"device {d.name!r}: ocpp.password_file", d.station.password_file, f"device_{d.name}")
        for d in settings.device
    ]
    if settings.programme is not None:
        named.append(("programme.secret_file", settings.programme.secret_file, "programme"))
        named.append(("programme.key_file", settings.programme.key_file, "programme_key"))
    if settings.notify is not None:
        named.append(("notify.urls_file", settings.notify.urls_file, "notify"))
    named.append(("ocpp.key_file", settings.ocpp.key_file, "ocpp_key"))
    return [SecretFile(key, file, name) for key, file, name in named if file is not None]


def complaints(settings: Settings) -> list[str]:
    """What is wrong with how secrets are kept and sent, one sentence each; said once, at the start."""
    mqtt = settings.mqtt
    said = [
        f"{s.key} = {s.file}: others on this machine may read it; chmod 600 {s.file}"
        for s in secret_files(settings)
        if _is_open(s.file)
    ]
    if mqtt.username is not None and not mqtt.tls and not is_loopback(mqtt.host):
        said.append(
            f"the broker's password goes to {mqtt.host} without TLS: whoever is on the way can read it;"
            " set mqtt.tls = true"
        )
    return said


def closed_to_others(file: Path) -> bool:
    """Whether somebody who is neither owner nor in the group can't read ``file``."""
    try:
        told = file.stat()
        ways = [folder.stat() for folder in file.absolute().parents]
    except OSError:
        return False  # whoever reads it says so
    return not told.st_mode & 0o004 or any(not way.st_mode & 0o001 for way in ways)


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine and no other can listen on the way."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_open(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & 0o077)
    except OSError:
        return False  # whoever reads it says so
