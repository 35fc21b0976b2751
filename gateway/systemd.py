"""The small talk with systemd: readiness, watchdog, and logs with a priority.

The protocol is a datagram to the socket in ``NOTIFY_SOCKET`` (sd_notify(3)); without one nothing is
sent, so the same program runs by hand.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
from typing import TextIO

from gateway.escape import printable

# What systemd, a terminal or a person sends to end the guard; none leaves a device forced.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_LONGEST = 2000  # characters of a message


def notify(state: str) -> bool:
    """Send ``READY=1``, ``WATCHDOG=1``, ``STOPPING=1`` or ``STATUS=...``; False without systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
            link.sendto(state.encode(), address)
    except OSError as error:
        logging.getLogger(__name__).debug("systemd cannot be told %s: %s", state, error)
        return False
    return True


class LineFormatter(logging.Formatter):
    """One line a message, whatever strangers put into it; only a traceback has more."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = printable(record.message, _LONGEST)
        return super().formatMessage(record)


class JournalFormatter(LineFormatter):
    """``<priority>`` before each line (sd-daemon(3)); journald itself adds the time."""

    def format(self, record: logging.LogRecord) -> str:
        priority = _priority(record.levelno)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "ts": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def set_up_logs(
    level: int = logging.INFO, as_json: bool = False, stream: TextIO | None = None
) -> None:
    """Logs to ``stream`` (stderr): JSON, or with priorities under journald, or plain for a person."""
    handler = logging.StreamHandler(stream or sys.stderr)
    if as_json:
        handler.setFormatter(JsonFormatter())
    elif os.environ.get("JOURNAL_STREAM"):
        handler.setFormatter(JournalFormatter("%(message)s"))
    else:
        handler.setFormatter(LineFormatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _priority(level: int) -> int:
    """syslog's: 2 critical, 3 error, 4 warning, 6 info, 7 debug."""
    for least, priority in ((50, 2), (40, 3), (30, 4), (20, 6)):
        if level >= least:
            return priority
    return 7
