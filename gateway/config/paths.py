"""Where configuration and state are found when nobody says it: for the daemon and for every command alike."""

from __future__ import annotations

import os
from pathlib import Path

SYSTEM = Path("/etc/energy-gateway/gateway.toml")
SYSTEM_STATE = Path("/var/lib/energy-gateway")  # systemd's StateDirectory= of our unit
# By the page of the first start, which may not write SYSTEM.
WRITTEN = SYSTEM_STATE / "gateway.toml"


def default_config() -> Path:
    """``gateway.toml`` here where there is one, else the installed service's, else the one here."""
    here = Path("gateway.toml")
    if here.exists():
        return here
    return next((path for path in (SYSTEM, WRITTEN) if _there(path)), here)


def _there(path: Path) -> bool:
    """Whether it exists, as far as we may look."""
    try:
        return path.exists()
    except PermissionError:
        return False


def state_folder(state_dir: Path, config: Path) -> Path:
    """A relative ``state_dir`` is below the service's own folder for the service's configuration, whoever
    asks and from wherever; for any other it is below the present folder.
    """
    if state_dir.is_absolute():
        return state_dir
    given = os.environ.get("STATE_DIRECTORY", "")
    if given and ":" not in given:
        return Path(given) / state_dir
    return SYSTEM_STATE / state_dir if config.absolute() in (SYSTEM, WRITTEN) else state_dir
