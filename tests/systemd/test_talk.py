"""Readiness and watchdog over a real socket; logs as journald wants them."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.systemd import JournalFormatter, notify, set_up_logs


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield ear


@pytest.fixture
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_systemd_hears_it(systemd: socket.socket) -> None:
    assert notify("READY=1")
    assert notify("WATCHDOG=1")
    assert systemd.recv(100) == b"READY=1"
    assert systemd.recv(100) == b"WATCHDOG=1"


def test_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0energy-test-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@energy-test-{os.getpid()}")
        assert notify("STOPPING=1")
        assert ear.recv(100) == b"STOPPING=1"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


def test_journald_gets_a_priority_on_every_line() -> None:
    formatter = JournalFormatter("%(message)s")
    try:
        raise ValueError("torn cable")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, "f", 1, "meter: %s", ("lost",), sys.exc_info()
        )
    lines = formatter.format(record).splitlines()
    assert lines[0] == "<3>meter: lost"
    assert lines[-1] == "<3>ValueError: torn cable"
    assert all(line.startswith("<3>") for line in lines)
    levels = {logging.CRITICAL: 2, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}
    for level, priority in levels.items():
        quiet = logging.LogRecord("x", level, "f", 1, "m", (), None)
        assert formatter.format(quiet) == f"<{priority}>m"


@pytest.mark.usefixtures("root_logger")
def test_json_and_plain_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    set_up_logs(as_json=True, stream=out)
    logging.getLogger("gateway.x").warning("meter %s", 'is "lost"')
    entry = json.loads(out.getvalue())
    assert (entry["level"], entry["message"]) == ("warning", 'meter is "lost"')
    out = io.StringIO()
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    set_up_logs(stream=out)
    logging.getLogger("gateway.x").info("hello")
    assert out.getvalue() == "<6>hello\n"
    out = io.StringIO()
    monkeypatch.delenv("JOURNAL_STREAM")
    set_up_logs(stream=out)
    logging.getLogger("gateway.x").info("hello")
    assert out.getvalue().endswith("INFO    hello\n")
