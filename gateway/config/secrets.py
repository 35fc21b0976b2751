"""Secrets from systemd credentials or files; never from the command line, never into a log."""

from __future__ import annotations

import ipaddress
import os
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


def complaints(settings: Settings) -> list[str]:
    """What is wrong with how secrets are kept and sent, one sentence each; said once, at the start."""
    mqtt, market = settings.mqtt, settings.market
    files = {"mqtt.password_file": mqtt.password_file, "mqtt.key_file": mqtt.key_file}
    if market is not None:
        files |= {"market.credential_file": market.credential_file}
        files |= {"market.key_file": market.key_file}
    files |= {f"price_feed {f.name!r}: key_file": f.key_file for f in settings.price_feed}
    files |= {"dashboard.password_file": settings.dashboard.password_file}
    if settings.pv_forecast is not None:
        files |= {"pv_forecast.key_file": settings.pv_forecast.key_file}
    said = [
        f"{key} = {file}: others on this machine may read it; chmod 600 {file}"
        for key, file in files.items()
        if file is not None and _is_open(file)
    ]
    if mqtt.username is not None and not mqtt.tls and not is_loopback(mqtt.host):
        said.append(
            f"the broker's password goes to {mqtt.host} without TLS: whoever is on the way can read it;"
            " set mqtt.tls = true"
        )
    return said


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
