"""One master a home: who steers holds the state folder's lock."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

from gateway.config.guard import FILE
from gateway.durable import belongs_as, make_folder
from gateway.errors import AlreadyRuns

log = logging.getLogger(__name__)


def lock_state(folder: Path) -> int | None:
    """Two masters of one home would fight; the lock goes with the process, however it ends.

    A folder that can't be written keeps nobody from steering: then there is no lock (None). Raises AlreadyRuns.
    """
    path = folder / f"{FILE}.lock"
    try:
        make_folder(folder)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        belongs_as(folder, lock)
    except OSError as error:
        log.error(
            "%s cannot be written (%s): what is set may not be undone after a crash", path, error
        )
        return None
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise AlreadyRuns(f"{path.parent}: another gateway runs with this state folder") from error
    return lock
