"""The small talk with systemd: readiness, watchdog, and logs with a priority.

The protocol is a datagram to the socket in ``NOTIFY_SOCKET`` (sd_notify(3)); without one nothing is
sent, so the same program runs by hand.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import Protocol

from gateway.escape import printable

ENDING = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
)  # none leaves a device forced
_LONGEST = 2000  # characters of a message


def end_later() -> None:
    """Hold back what would end us until there is somebody to leave all in good order (`end_now`).

    What is held back outlives exec(3), and is a child's too.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def end_now(how: Callable[[], object]) -> None:
    """From now on ``how`` is called, in the running event loop, when we are to end; at once if that came before."""
    for number in ENDING:
        asyncio.get_running_loop().add_signal_handler(number, how)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


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


class LinesTo(Protocol):
    """Where log lines go."""

    def write(self, text: str, /) -> object: ...


class NeverWaiting:
    """Writes to the file behind ``descriptor`` what it takes at once; the rest is left out and counted.

    A full pipe, a journal that hangs or a terminal that was stopped (Ctrl-S) would else hold up who logs.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._left_out = descriptor, 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, text: str) -> None:
        """One log record."""
        if self._left_out and self._takes(
            f"{self._left_out} lines were left out: nobody read them\n"
        ):
            self._left_out = 0
        if self._left_out or not self._takes(text):
            self._left_out += 1

    def flush(self) -> None:
        """Nothing is kept back."""

    def _takes(self, text: str) -> bool:
        data = text.encode(errors="replace")
        for start in range(0, len(data), select.PIPE_BUF):  # so much is taken whole, or not yet
            if not any(events & select.POLLOUT for _, events in self._poll.poll(0)):
                return False
            try:
                os.write(self._descriptor, data[start : start + select.PIPE_BUF])
            except OSError:  # closed, or somebody else was faster
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
    level: int = logging.INFO, as_json: bool = False, stream: LinesTo | None = None
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
