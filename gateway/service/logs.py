"""Log lines for journald: the priority prefix of sd-daemon(3), then the message."""

from __future__ import annotations

import logging

_PRIORITIES = (
    (logging.CRITICAL, "<2>"),
    (logging.ERROR, "<3>"),
    (logging.WARNING, "<4>"),
    (logging.INFO, "<6>"),
    (0, "<7>"),
)


class JournalFormatter(logging.Formatter):
    """``<4>gateway.site: inverter is lost``; journald adds the time, and shows errors as errors."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = next(text for level, text in _PRIORITIES if record.levelno >= level)
        lines = super().format(record).splitlines() or [""]
        return "\n".join(f"{prefix}{record.name}: {line}" for line in lines)
