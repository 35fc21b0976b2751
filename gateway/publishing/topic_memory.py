"""Which topics we hold at the broker, in a small file, so that the next start clears what no longer holds.

The broker could be asked (a subscription to everything), but then anybody who may write below our root
decides how much we read at every start.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from gateway.durable import replace_file

log = logging.getLogger(__name__)


class TopicMemory:
    """Retained topics of ours. Without a ``path`` they are forgotten at the end."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._topics = frozenset(_read(path)) if path else frozenset[str]()
        self._said = False

    @property
    def topics(self) -> frozenset[str]:
        return self._topics

    def add(self, topics: Iterable[str]) -> None:
        """Before they are published: a crash in between clears one that is not there."""
        self._keep(self._topics | frozenset(topics))

    def forget(self, topics: Iterable[str]) -> None:
        """After they have been cleared."""
        self._keep(self._topics - frozenset(topics))

    def _keep(self, topics: frozenset[str]) -> None:
        if topics == self._topics:
            return
        self._topics = topics
        if self._path is None:
            return
        try:
            replace_file(self._path, (json.dumps(sorted(topics), indent=0) + "\n").encode())
        except OSError as error:
            if not self._said:
                log.warning(
                    "%s cannot be written (%s): topics of devices that go away may stay at the broker",
                    self._path,
                    error.strerror,
                )
            self._said = True


def _read(path: Path) -> list[str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []  # none yet, or damaged: then nothing is cleared
    return [topic for topic in found if isinstance(topic, str)] if isinstance(found, list) else []
