"""The credentials that systemd will hand the service, for a command that a person runs before it starts.

The daemon is told by ``CREDENTIALS_DIRECTORY``. A person's `check` is not; it looks where the service's unit
tells systemd to look, so that both find the same secrets.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.config import paths

UNITS = (
    Path("/etc/systemd/system/energy-gateway.service"),
    Path("/usr/lib/systemd/system/energy-gateway.service"),
)
DROP_INS = Path("/etc/systemd/system/energy-gateway.service.d")
STORES = (Path("/etc/credstore"), Path("/run/credstore"))
STORE = "/etc/credstore/energy-gateway."
FOLDERS = ("feed", "device")  # a credential a file: feed_<name>, device_<name>
SINGLE = (
    "mqtt_password", "exchange", "mqtt_key", "market_key", "dashboard_password", "ocpp_key", "pv_forecast", "notify",
    "programme", "programme_key",
)  # fmt: skip

_LINE = re.compile(r"(?m)^\s*LoadCredential=([\w.-]+):(\S+)\s*$")


def shipped() -> list[tuple[str, str]]:
    """What the unit in ``systemd/`` loads: name and place of each credential."""
    return [
        *((name, f"energy-gateway.{name}") for name in SINGLE),
        *((name, f"{STORE}{name}") for name in FOLDERS),
    ]


def place_of(credential: str) -> str:
    """The file that becomes ``credential`` of the service."""
    kind, _, name = credential.partition("_")
    return f"{STORE}{kind}/{name}" if kind in FOLDERS else f"{STORE}{credential}"


def of_the_service(config: Path) -> bool:
    """Whether it is the installed service's configuration."""
    return config.absolute() == paths.SYSTEM


def own_user() -> bool:
    """Whether the service runs as a user that systemd makes for it, so that it reads no file of root's alone."""
    text = _unit()
    return text is None or ("DynamicUser=yes" in text and not re.search(r"(?m)^\s*User=\S", text))


@contextmanager
def handed_over(config: Path) -> Iterator[bool]:
    """While it lasts secrets are found as the daemon of ``config`` will find them.

    False where nobody can tell: they are the service's, and only root may look at them.
    """
    if not of_the_service(config) or "CREDENTIALS_DIRECTORY" in os.environ:
        yield True
        return
    text = _unit()
    lines = shipped() if text is None else _LINE.findall(text)
    try:
        found = [pair for name, place in lines for pair in _files(name, place)]
    except PermissionError:
        yield False
        return
    with tempfile.TemporaryDirectory(prefix="energy-gateway-") as folder:
        for name, file in found:
            (Path(folder) / name).symlink_to(file)
        os.environ["CREDENTIALS_DIRECTORY"] = folder
        try:
            yield True
        finally:
            del os.environ["CREDENTIALS_DIRECTORY"]


def _unit() -> str | None:
    """The installed unit with its drop-ins; None where none is installed."""
    unit = next((u for u in UNITS if u.is_file()), None)
    if unit is None:
        return None
    more: Sequence[Path] = sorted(DROP_INS.glob("*.conf")) if DROP_INS.is_dir() else ()
    return "\n".join(file.read_text(encoding="utf-8") for file in (unit, *more))


def _files(name: str, place: str) -> Iterator[tuple[str, Path]]:
    """The credentials of one line: of a folder there may be several. Raises PermissionError."""
    where = Path(place)
    if not where.is_absolute():
        files = [store / place for store in STORES]
        where = next(
            (file for file in files if os.access(file.parent, os.F_OK) and file.exists()), files[0]
        )
    if where.is_dir():
        for file in sorted(where.iterdir()):
            yield f"{name}_{file.name}", file
    elif where.exists():
        with where.open("rb"):
            yield name, where
