"""What the guard must not forget: one small JSON file, replaced whole, durable before anything is written.

It holds what the next start must put back on which device, how often flash registers were written
today, the standing settings and the grid operator's commands that outlive the agent, and where the
lifetime counters stood. A file that
cannot be read is put aside and said once: the devices are made neutral at the start whatever it says.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.domain.control import Control
from gateway.domain.grid_operator import OperatorCommand
from gateway.domain.order import StandingSettings
from gateway.durable import replace_file
from gateway.errors import StorageError

log = logging.getLogger(__name__)

VERSION = 1
MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """The content of the file. ``intents``: device -> control -> what restores it."""

    version: int = VERSION
    intents: dict[str, dict[str, str]] = field(default_factory=dict)
    flash_day: str = ""  # YYYY-MM-DD of ``flash_writes``: device -> register -> writes on that day
    flash_writes: dict[str, dict[str, int]] = field(default_factory=dict)
    settings: StandingSettings | None = None
    words: dict[str, str] = field(default_factory=dict)
    operator: tuple[OperatorCommand, ...] = ()


class GuardFile:
    """The file at ``path``. It implements `gateway.devices.IntentStore` and `counters.Memory`.

    Every change is written before the call returns, and raises StorageError where it cannot be; then
    nothing has changed. Reading never fails: the content is in memory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        kept = _read(path)
        self.whole = kept is not None  # else what we set before is not known
        self._kept = kept or Remembered()

    # -- IntentStore --

    def remember(self, device: str, control: Control, restore: str, time: datetime) -> None:
        """The first word on a control holds: it was taken when nothing of ours stood there."""
        ours = self._kept.intents.get(device, {})
        if control.value not in ours:
            changed = {**ours, control.value: restore}
            self._store(replace(self._kept, intents={**self._kept.intents, device: changed}))

    def forget(self, device: str, control: Control) -> None:
        ours = dict(self._kept.intents.get(device, {}))
        if ours.pop(control.value, None) is None:
            return
        others = {name: left for name, left in self._kept.intents.items() if name != device}
        self._store(replace(self._kept, intents=others | ({device: ours} if ours else {})))

    def pending(self, device: str) -> dict[Control, str]:
        return {Control(name): text for name, text in self._kept.intents.get(device, {}).items()}

    @property
    def owing(self) -> frozenset[str]:
        """The devices of which something is stored."""
        return frozenset(self._kept.intents)

    def rename(self, names: Mapping[str, str]) -> None:
        """What is stored of a device goes over to its new name."""
        if names:
            moved = {names.get(device, device): ours for device, ours in self._kept.intents.items()}
            self._store(replace(self._kept, intents=moved))

    def write_count(self, device: str, register: int, day: str) -> int:
        if day != self._kept.flash_day:
            return 0
        return self._kept.flash_writes.get(device, {}).get(str(register), 0)

    def count_write(self, device: str, register: int, day: str) -> None:
        counts = self._kept.flash_writes if day == self._kept.flash_day else {}
        ours = dict(counts.get(device, {}))
        ours[str(register)] = ours.get(str(register), 0) + 1
        self._store(replace(self._kept, flash_day=day, flash_writes={**counts, device: ours}))

    # -- Memory of the counters --

    def setting(self, name: str, value: str | None = None) -> str | None:
        """The word stored as ``name``; given ``value`` it is stored first."""
        if value is not None and self._kept.words.get(name) != value:
            self._store(replace(self._kept, words={**self._kept.words, name: value}))
        return self._kept.words.get(name)

    # -- the user's and the grid operator's word --

    @property
    def settings(self) -> StandingSettings | None:
        """What was told last; None where nobody has said anything yet."""
        return self._kept.settings

    def keep_settings(self, settings: StandingSettings) -> None:
        if settings != self._kept.settings:
            self._store(replace(self._kept, settings=settings))

    @property
    def operator(self) -> tuple[OperatorCommand, ...]:
        """The grid operator's newest command of each direction."""
        return self._kept.operator

    def keep_operator(self, commands: tuple[OperatorCommand, ...]) -> None:
        if commands != self._kept.operator:
            self._store(replace(self._kept, operator=commands))

    def put_back(self) -> None:
        """Write what is known once more where the file has gone: its folder was replaced while we run."""
        if self._kept != Remembered() and not os.path.exists(self._path):
            self._store(self._kept)

    def _store(self, changed: Remembered) -> None:
        try:
            replace_file(self._path, msgspec.json.encode(changed))
        except OSError as error:
            raise StorageError(f"{self._path}: cannot be written: {error.strerror}") from error
        self._kept = changed


def _read(path: Path) -> Remembered | None:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return Remembered()
    except OSError as error:
        log.error("%s cannot be read (%s); every device is made neutral all the same", path, error)
        return None
    try:
        if len(data) > MOST_BYTES:
            raise ValueError(f"is larger than {MOST_BYTES} bytes")
        kept = msgspec.json.decode(data, type=Remembered)
        if kept.version != VERSION:
            raise ValueError(f"is of version {kept.version}, this program knows {VERSION}")
        for controls in kept.intents.values():
            for name in controls:
                Control(name)
    except (ValueError, RecursionError) as error:
        aside = path.with_name(path.name + ".damaged")
        log.error("%s %s; put aside as %s, devices are made neutral", path, error, aside.name)
        with suppress(OSError):
            path.replace(aside)
        return None
    return replace(kept, intents={d: _readable(path, d, ours) for d, ours in kept.intents.items()})


def _readable(path: Path, device: str, controls: dict[str, str]) -> dict[str, str]:
    """Intents whose words no register holds are kept without them: the device is released all the same."""
    found = {}
    for name, restore in controls.items():
        try:
            words = msgspec.json.decode(restore, type=dict[int, int])
            if any(not 0 <= number <= 0xFFFF for pair in words.items() for number in pair):
                raise ValueError(f"no register holds {restore[:80]}")
            found[name] = restore
        except (ValueError, RecursionError) as error:
            log.error("%s: what stood before %s of %s: %s; unknown now", path, name, device, error)
            found[name] = "{}"
    return found
