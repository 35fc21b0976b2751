"""One writer: a lock beside a file, which goes with the process however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gateway.errors import StorageError


class Lock:
    """Keeps other processes from writing ``path``; raises StorageError where one does."""

    def __init__(self, path: Path) -> None:
        self._file: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(_beside(path), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(f"{path}: cannot be opened: {error}") from error
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise StorageError(f"{path}: another process writes this file") from error
        self._file = file

    def release(self) -> None:
        """Harmless when repeated."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def held(path: Path) -> bool:
    """Whether a running process holds the lock of ``path``."""
    try:
        file = os.open(_beside(path), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
