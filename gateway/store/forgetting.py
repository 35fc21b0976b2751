"""What the state folder holds of a person, and which of it may go. Pure but for looking and deleting.

The account is proof towards the exchange and the tax office and stays while there is a trade in it; what a
device may still be owed stays until it is released.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from gateway.errors import StorageError

# pattern of names in the state folder -> what it is; the first that fits holds
PERSONAL = (
    ("history.sqlite*", "what was measured, minute by minute, and what each day has cost"),
    ("decisions.sqlite*", "what was decided, and why"),
    ("settings.sqlite*", "your settings and forecasts"),
    ("commands.sqlite*", "commands of the last day"),
    ("audit*.jsonl*", "logins and commands, with addresses"),
    ("events.jsonl*", "devices and connections lost and back, alarms"),
    ("mqtt_topics.*", "the home's topics at the broker"),
    ("*.before-restore*", "what stood there before a restore"),
    ("*.damaged*", "files that could not be read"),
    ("meanwhile", "what was metered while the account was damaged"),
)
ACCOUNT = (("journal.sqlite*", "the account"), ("journal*", "packed rows of the account"))
GUARD = (("guard.json*", "the guard's memory"), ("guard-settings.json*", "the devices' addresses"))


@dataclass(frozen=True, slots=True)
class Forgetting:
    """``goes`` and ``stays``: a path and what it is, or why it stays."""

    goes: tuple[tuple[Path, str], ...]
    stays: tuple[tuple[Path, str], ...]


def plan(folder: Path, *, trades: bool, owed: Iterable[str], account: bool) -> Forgetting:
    """``trades``: the account has rows that prove something to others; ``owed``: devices that are not yet
    released; ``account``: it goes all the same."""
    goes: list[tuple[Path, str]] = []
    stays: list[tuple[Path, str]] = []
    waiting = ", ".join(owed)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.endswith(".lock"):
            continue
        if what := _of(path, PERSONAL):
            goes.append((path, what))
        elif what := _of(path, ACCOUNT):
            if trades and not account:
                why = "proof towards the exchange and for taxes; --account deletes it, too"
                stays.append((path, f"{what}: {why}"))
            else:
                goes.append((path, what))
        elif what := _of(path, GUARD):
            if waiting:
                stays.append(
                    (path, f"{what}: {waiting} must be released first; start and stop once")
                )
            else:
                goes.append((path, what))
        else:
            stays.append(
                (path, "not personal (limits that the grid operator set, proofs of devices)")
            )
    return Forgetting(tuple(goes), tuple(stays))


def carry_out(forgetting: Forgetting) -> None:
    """Delete; a link goes, never what it points to. Raises StorageError."""
    for path, _ in forgetting.goes:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path}: cannot be deleted: {error.strerror}") from error


def _of(path: Path, kinds: tuple[tuple[str, str], ...]) -> str:
    return next((what for pattern, what in kinds if fnmatch(path.name, pattern)), "")
