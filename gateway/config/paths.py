"""Where configuration and state are found when nobody says it: for the daemon and for every command alike."""

from __future__ import annotations

import os
from pathlib import Path

SYSTEM = Path("/etc/energy-gateway/gateway.toml")
SYSTEM_STATE = Path("/var/lib/energy-gateway")  # systemd's StateDirectory= of our unit


def default_config() -> Path:
    """``gateway.toml`` here where there is one, else the installed service's, else the one here."""
    here = Path("gateway.toml")
    return SYSTEM if SYSTEM.exists() and not here.exists() else here


def state_folder(state_dir: Path, config: Path) -> Path:
    """A relative ``state_dir`` is below the service's own folder for the service's configuration, whoever
    asks and from wherever; for any other it is below the present folder.
    """
    if state_dir.is_absolute():
        return state_dir
    given = os.environ.get("STATE_DIRECTORY", "")
    if given and ":" not in given:
        return Path(given) / state_dir
    return SYSTEM_STATE / state_dir if config.absolute() == SYSTEM else state_dir
