"""Who did what is noted: logins, guesses and commands of page and broker, in bounded files that one command reads."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from gateway.agent.command_handler import CommandHandler, SeenCommands
from gateway.cli import make_app
from gateway.clock import SimClock
from gateway.dashboard.password import hashed
from gateway.dashboard.security_txt import EXPIRES, PATH
from gateway.dashboard.server import Dashboard
from gateway.domain.intervals import iso
from gateway.publishing.commands import Command, CommandResult, done
from gateway.store.audit import DONE, MOST_BYTES, MOST_REFUSED, REFUSED, AuditLog, read_audit
from tests.dashboard.conftest import settings
from tests.dashboard.homes import NOW, Source

PASSWORD = "correct horse"


class Willing:
    async def apply(self, command: Command) -> CommandResult:
        return done(command, command.changes)


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Dashboard]:
    file = tmp_path / "password"
    file.write_text(hashed(PASSWORD, 2**4))
    file.chmod(0o600)
    wanted = settings(password_file=file, security_contact="mailto:owner@example.org")
    source = Source()
    served = Dashboard(wanted, source, audit=AuditLog(tmp_path, SimClock(NOW)))
    await served.start()
    yield served
    await served.stop()


async def test_page(page: Dashboard, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{page.port}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as guest:
        for word in ("wrong\n{}", PASSWORD):
            await guest.post(f"{url}/login", data={"password": word}, allow_redirects=False)
        await guest.post(f"{url}/api/command/battery", json={"id": "x", "value": "hold"})
        await guest.post(f"{url}/logout")
    told = [(e.source, e.who, e.what, e.result.split()[0]) for e in read_audit(tmp_path)]
    assert told == [
        ("page", "127.0.0.1", "login", "ok"),
        ("page", "127.0.0.1", "command battery", "ok"),
        ("page", "127.0.0.1", "logout", "ok"),
    ]
    refused = [(e.what, e.result) for e in read_audit(tmp_path, refused=True)]
    assert refused == [("login", "wrong password")]
    assert PASSWORD not in (tmp_path / DONE).read_text() + (tmp_path / REFUSED).read_text()


async def test_broker(tmp_path: Path) -> None:
    handler = CommandHandler(
        Willing(),
        SeenCommands(tmp_path / "c.sqlite"),
        SimClock(NOW),
        AuditLog(tmp_path, SimClock(NOW)),
    )
    good = json.dumps({"id": "ha-1", "ts": iso(NOW), "value": "hold"}).encode()
    await handler.handle("battery", good)
    await handler.handle("battery\n\x1b[2J", b"{}")
    [entry] = read_audit(tmp_path)
    assert (entry.source, entry.who, entry.what) == ("mqtt", "ha-1", "command battery")
    assert "hold" in entry.result
    [refused] = read_audit(tmp_path, refused=True)
    assert refused.what.isprintable()


def test_a_flood_of_refusals_pushes_nothing_out(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, SimClock(NOW))
    log.note("page", "127.0.0.1", "login", "ok", done=True)
    for n in range(10_000):
        log.note("page", f"10.0.0.{n}", "login", "x" * 1_000, done=False)
    assert len(list(read_audit(tmp_path))) == 1
    assert len(list(read_audit(tmp_path, refused=True))) == MOST_REFUSED


def test_the_files_stay_small_and_keep_the_newest(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, SimClock(NOW))
    for n in range(12_000):
        log.note("mqtt", str(n), "command trading", "ok " + "x" * 100, done=True)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2.1 * MOST_BYTES
    kept = list(read_audit(tmp_path))
    assert kept[-1].who == "11999"
    assert len(kept) > 2_000


def test_a_link_in_its_place_is_not_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever may write into the folder could have us write into another file."""
    other = tmp_path / "other"
    other.write_text("mine\n")
    os.symlink(other, tmp_path / DONE)
    log = AuditLog(tmp_path, SimClock(NOW))
    for _ in range(3):
        log.note("page", "127.0.0.1", "login", "ok", done=True)
    assert other.read_text() == "mine\n"
    assert len(caplog.records) == 1


def test_the_command_prints_it(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, SimClock(NOW))
    log.note("page", "192.0.2.7", "login", "ok", done=True)
    with (tmp_path / DONE).open("a") as file:
        file.write('{"time": 1}\n{"half')
    run = CliRunner().invoke(make_app("gateway.cli", ""), ["audit", "--state", str(tmp_path)])
    assert run.output.splitlines() == [f"{iso(NOW)}  page  192.0.2.7  login  ok"]


async def test_security_txt_is_open_to_all(page: Dashboard) -> None:
    url = f"http://127.0.0.1:{page.port}{PATH}"
    async with aiohttp.ClientSession() as guest, guest.get(url) as reply:
        text = await reply.text()
        assert reply.status == 200
        assert reply.content_type == "text/plain"
    assert text.splitlines()[0] == "Contact: mailto:owner@example.org"
    assert f"Expires: {EXPIRES}" in text.splitlines()
