"""The guard's settings as they were at its last start, for the day on which gateway.toml can't be read."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from gateway.config.guard import GuardSettings
from gateway.durable import replace_file

log = logging.getLogger(__name__)

FILE = "guard-settings.json"
MOST_BYTES = 100_000


def keep_settings(settings: GuardSettings) -> None:
    """Remember them in the state folder; a folder that cannot be written is said and no more."""
    path = Path(settings.state_dir) / FILE
    data = msgspec.json.encode(settings)
    try:
        if not path.exists() or path.read_bytes() != data:
            replace_file(path, data)
    except OSError as error:
        log.warning("%s cannot be written: %s", path, error.strerror)


def last_settings(folder: Path) -> GuardSettings | None:
    """What `keep_settings` wrote, if it is still such settings."""
    try:
        with (folder / FILE).open("rb") as file:
            return msgspec.json.decode(file.read(MOST_BYTES), type=GuardSettings)
    except (OSError, ValueError, RecursionError):
        return None
