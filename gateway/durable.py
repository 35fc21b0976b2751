"""A small file replaced whole: all of it or nothing, also over a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """A new file, on the disk, then in the old one's place; readable by its owner alone. Raises OSError."""
    replace_files({path: data})


def replace_files(files: Mapping[Path, bytes]) -> None:
    """Several, of which none takes its place before all of them are on the disk. Raises OSError; then nothing has changed,
    but where a name alone could not be changed."""
    fresh: list[Path] = []
    try:
        for path, data in files.items():
            fresh.append(path.with_name(path.name + ".new"))
            _put(fresh[-1], data)
    except OSError:
        for each in fresh:
            with suppress(OSError):
                each.unlink()
        raise
    for each, path in zip(fresh, files, strict=True):
        each.replace(path)
    for folder in {path.parent for path in files}:
        _settle(folder)


def _put(fresh: Path, data: bytes) -> None:
    make_folder(fresh.parent)
    fresh.unlink(missing_ok=True)  # what a crash left; a link would have us write into another file
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(fresh, flags, 0o600)
    try:
        belongs_as(fresh.parent, descriptor)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _settle(folder: Path) -> None:
    """The names in it are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """The folder and those above it. Raises OSError."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        belongs_as(folder.parent, folder)


def belongs_as(folder: Path, made: int | Path) -> None:
    """What root makes in another user's folder is that user's: a command run by root must not lock the service out."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(made, owner.st_uid, owner.st_gid)


def append_bounded(path: Path, line: bytes, most_bytes: int) -> None:
    """One line more, or nothing where the disk has no room for all of it; a file that has grown to ``most_bytes``
    becomes its own predecessor. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        belongs_as(path.parent, handle)
        append_whole(handle, line)
        full = os.fstat(handle).st_size >= most_bytes
    finally:
        os.close(handle)
    if full:
        os.replace(path, predecessor(path))


def append_whole(handle: int, data: bytes) -> None:
    """All of ``data`` at the file's end, or nothing: half a line would spoil the next one too. Raises OSError."""
    before = os.fstat(handle).st_size
    if os.write(handle, data) < len(data):
        os.ftruncate(handle, before)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def predecessor(path: Path) -> Path:
    """Where the full file before this one is kept."""
    return path.with_name(path.name + ".1")
