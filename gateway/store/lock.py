"""One writer: a lock beside a file, which goes with the process however that ends."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from gateway.errors import StorageError

_FLOCK = struct.Struct("@hhqqi0q")  # struct flock of fcntl(2), files of 64 bits


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
    """Whether a running process holds the lock of ``path``. It is asked for, never taken: whoever starts
    at this moment is not disturbed."""
    try:
        file = os.open(_beside(path), os.O_RDONLY)
    except OSError:
        return False
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        kind = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))[0]
    except OSError:
        return True
    finally:
        os.close(file)
    return bool(kind != fcntl.F_UNLCK)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
