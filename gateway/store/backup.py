"""A copy of what the gateway keeps, taken while it runs, and put back on this machine or another.

One tar file: each SQLite file as one consistent copy, and a manifest with their hashes. Not in it: the
configuration, secrets and keys (they have files of their own), and what the guard keeps of the devices
(of no use on the day after). A restore checks everything before it touches anything.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path

from gateway import __version__
from gateway.domain.intervals import iso
from gateway.errors import ConfigError, StorageError
from gateway.store.journal import Journal
from gateway.store.lock import Lock

FILES = (
    "journal.sqlite",
    "settings.sqlite",
    "history.sqlite",
    "decisions.sqlite",
    "commands.sqlite",
)
_MANIFEST = "manifest.json"
_FORMAT = 1
_MOST_BYTES = 8 * 2**30
_PAGES = 1000  # copied at once; the gateway writes in between


def backup(state_dir: Path, out: Path, now: datetime) -> list[str]:
    """Write ``out`` (never over an existing file); the names of the files in it."""
    names = [name for name in FILES if (state_dir / name).exists()]
    if "journal.sqlite" not in names:
        raise ConfigError(f"{state_dir}: there is no journal; --state names the daemon's state_dir")
    try:
        with tempfile.TemporaryDirectory(dir=_folder(out)) as folder:
            _pack(out, state_dir, names, Path(folder), now)
    except FileExistsError:
        raise ConfigError(f"{out}: is there already; name another file") from None
    except OSError as error:
        raise StorageError(f"{out}: cannot be written: {error.strerror}") from error
    return names


def _pack(out: Path, state_dir: Path, names: list[str], scratch: Path, now: datetime) -> None:
    hashes = {}
    for name in names:
        _copy(state_dir / name, scratch / name)
        hashes[name] = _sha256(scratch / name)
    manifest = {"format": _FORMAT, "gateway": __version__, "time": iso(now), "sha256": hashes}
    with out.open("xb") as file:
        try:
            out.chmod(0o600)
            with tarfile.open(fileobj=file, mode="w") as tar:
                _add(tar, _MANIFEST, json.dumps(manifest, indent=2).encode())
                for name in names:
                    tar.add(scratch / name, name)
            file.flush()
        except OSError:
            out.unlink(missing_ok=True)  # half a backup is none, and would be in the next one's way
            raise


def restore(file: Path, state_dir: Path) -> list[str]:
    """Put a backup into ``state_dir``; what was there stays beside it as ``<name>.before-restore``.

    Raises ConfigError where the file is no whole backup, StorageError while a gateway runs there.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    lock = Lock(state_dir / "journal.sqlite")
    try:
        with tempfile.TemporaryDirectory(dir=state_dir) as scratch:
            names = _unpacked(file, Path(scratch))
            journal = Journal(Path(scratch) / "journal.sqlite", read_only=True)
            with closing(journal):
                journal.verify()
            for name in FILES:
                _set_aside(state_dir / name)
            for name in names:
                (Path(scratch) / name).rename(state_dir / name)
    finally:
        lock.release()
    return names


def _unpacked(file: Path, folder: Path) -> list[str]:
    try:
        with tarfile.open(file, mode="r:") as tar:
            members = {m.name: m for m in tar.getmembers() if m.isreg() and m.size < _MOST_BYTES}
            manifest = json.loads(_read(tar, members[_MANIFEST]))
            if manifest["format"] != _FORMAT:
                raise ConfigError(f"{file}: is of a newer gateway ({manifest['gateway']})")
            names = [name for name in FILES if name in manifest["sha256"]]
            for name in names:
                path = folder / name
                path.write_bytes(_read(tar, members[name]))
                path.chmod(0o600)
                if _sha256(path) != manifest["sha256"][name]:
                    raise ConfigError(f"{file}: {name} in it is damaged")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{file}: is no backup of a gateway") from error
    if "journal.sqlite" not in names:
        raise ConfigError(f"{file}: holds no journal")
    return names


def _copy(source: Path, target: Path) -> None:
    try:
        uri = source.absolute().as_uri() + "?mode=ro"
        with (
            closing(sqlite3.connect(uri, uri=True)) as theirs,
            closing(sqlite3.connect(target)) as ours,
        ):
            theirs.backup(ours, pages=_PAGES)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"{source}: cannot be copied: {error}") from error


def _set_aside(path: Path) -> None:
    """A file and its log; a log that stayed behind would be taken for the new file's."""
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"{path.name}.before-restore{suffix}"))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None:
        raise ValueError(member.name)
    return file.read()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder(out: Path) -> Path:
    if not out.parent.is_dir():
        raise ConfigError(f"{out}: its folder is not there")
    return out.parent
