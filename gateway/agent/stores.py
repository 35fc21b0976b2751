"""Opens what the agent keeps on the disk. What can't be opened never keeps the agent from starting.

An account that is damaged, or a disk that can't be written, means: no trading, and everything else goes
on. The damaged file stays as it is, for a person to look at; what is metered meanwhile is kept in a
second account beside it, or, where nothing can be written at all, only in memory.
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from gateway.agent.command_handler import SeenCommands
from gateway.domain.sentences import Sentence, reason_of, sentence
from gateway.errors import JournalBroken, StorageError
from gateway.store.decisions import FILE as DECISIONS
from gateway.store.decisions import DecisionStore
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.store.settings import FILE as SETTINGS
from gateway.store.settings import SettingsStore

log = logging.getLogger(__name__)

JOURNAL, HISTORY, COMMANDS = "journal.sqlite", "history.sqlite", "commands.sqlite"
MEANWHILE = "meanwhile"  # folder of the account that is kept while the real one is damaged


@dataclass(frozen=True, slots=True)
class Stores:
    """The open files. ``alarm`` says why nothing may be traded; None when all is well.

    ``passes``: the fault may go away by itself (a disk that was full), so opening is worth another try.
    """

    journal: Journal
    history: History
    decisions: DecisionStore
    seen: SeenCommands
    settings: SettingsStore
    alarm: Sentence | None = None
    passes: bool = False


def open_stores(folder: Path, stack: AsyncExitStack) -> Stores:
    """All files of ``folder``; ``stack`` closes them, and removes what is only temporary."""
    alarm: Sentence | None = None
    passes = False
    try:
        journal = Journal(folder / JOURNAL)
    except JournalBroken as error:
        alarm = sentence("journal_broken", what=reason_of(error))
        journal = _meanwhile(folder, stack)
    except StorageError as error:
        alarm, passes = sentence("journal_not_written", what=reason_of(error)), True
        journal = Journal(_temporary(stack) / JOURNAL)
    stack.callback(journal.close)
    if alarm:
        log.error("%s", alarm)
    try:
        history = History(folder / HISTORY)
    except StorageError as error:
        log.error("%s; the past is kept in memory only", error)
        history = History(_temporary(stack) / HISTORY)
    stack.callback(history.close)
    try:
        decisions = DecisionStore(folder / DECISIONS)
    except StorageError as error:
        log.error("%s; why the battery did what it did is kept in memory only", error)
        decisions = DecisionStore(_temporary(stack) / DECISIONS)
    stack.callback(decisions.close)
    try:
        seen = SeenCommands(folder / COMMANDS)
    except StorageError:
        seen = SeenCommands(_temporary(stack) / COMMANDS)
    stack.callback(seen.close)
    try:
        settings = SettingsStore(folder / SETTINGS)
    except StorageError as error:
        log.error("%s; settings hold until the next start only", error)
        settings = SettingsStore(_temporary(stack) / SETTINGS)
    stack.callback(settings.close)
    return Stores(journal, history, decisions, seen, settings, alarm, passes)


def _meanwhile(folder: Path, stack: AsyncExitStack) -> Journal:
    try:
        return Journal(folder / MEANWHILE / JOURNAL)
    except (StorageError, JournalBroken):
        return Journal(_temporary(stack) / JOURNAL)


def _temporary(stack: AsyncExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="energy-gateway-")))
