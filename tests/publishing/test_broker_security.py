"""Passwords and TLS: right ones work, wrong ones give one clear line."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.agent.command_handler import CommandHandler, SeenCommands
from gateway.clock import SimClock
from gateway.errors import ConfigError
from gateway.publishing.commands import Command, CommandResult
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from simulators.broker import find_mosquitto, start_broker
from tests.certificates import Authority
from tests.publishing.conftest import START, connected, delivered, listening, mqtt, running
from tests.publishing.faults import proxy
from tests.waiting import HANG_S

pytestmark = [
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed"),
    # paho leaves the socket of a failed TLS handshake to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def sockets_of_the_library() -> Iterator[None]:
    """Its abandoned sockets are collected here, where they are expected, not in some later test."""
    yield
    gc.collect()


def _set_password(file: Path, password: str) -> None:
    subprocess.run([_passwd(), "-b", file, "home", password], check=True)
    file.chmod(0o644)  # mosquitto drops root's rights before it reads it


def _passwd() -> Path:
    return Path(find_mosquitto() or "").parent.parent / "bin" / "mosquitto_passwd"


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    """mosquitto's password file; it drops root's rights before it reads it."""
    program = _passwd()
    if not program.exists():
        pytest.skip("mosquitto_passwd is not installed")
    file = tmp_path / "passwords"
    subprocess.run([program, "-c", "-b", file, "home", "right"], check=True)
    file.chmod(0o644)
    return file


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def lost_line(publisher: Publisher, caplog: pytest.LogCaptureFixture) -> str:
    """What the log says when it cannot connect; exactly one line."""
    caplog.set_level(logging.INFO)
    async with running(publisher):
        while not publisher.losses:
            assert not await publisher.wait_connected(0.1)
    lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(lines) == 1
    return lines[0]


async def test_password(
    tmp_path: Path,
    passwords: Path,
    journal: Journal,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = tmp_path / "mqtt_password"
    secret.write_text("right\n")
    broker = await start_broker(config=["allow_anonymous false", f"password_file {passwords}"])
    with_file = mqtt(broker.port, username="home", password_file=secret)
    async with (
        listening(broker.port, username="home", password="right") as heard,
        running(Publisher(with_file, "home", journal)) as publisher,
    ):
        await connected(publisher)
        await heard.until(lambda h: h.of("energy/home/status") == [b"online"])
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    by_systemd = Publisher(mqtt(broker.port, username="home", protocol="5"), "home", journal)
    async with running(by_systemd):
        await connected(by_systemd)
    secret.write_text("wrong")
    line = await lost_line(Publisher(with_file, "home", journal), caplog)
    assert line == (
        f"MQTT broker 127.0.0.1:{broker.port} is lost: it refuses mqtt.username and the password"
    )
    await broker.close()


async def test_a_password_that_is_changed_while_we_run_is_said(
    tmp_path: Path, passwords: Path, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker restarts with another password: it is lost first, and then it answers, but refuses."""
    caplog.set_level(logging.INFO)
    secret = tmp_path / "mqtt_password"
    secret.write_text("right")
    rules = ["allow_anonymous false", f"password_file {passwords}"]
    broker = await start_broker(config=rules)
    with_file = mqtt(broker.port, username="home", password_file=secret)
    async with running(Publisher(with_file, "home", journal)) as publisher:
        await connected(publisher)
        await broker.close()
        _set_password(passwords, "another")
        broker = await start_broker(broker.port, config=rules)
        async with asyncio.timeout(HANG_S):
            while not any("refuses" in r.getMessage() for r in caplog.records):
                await asyncio.sleep(0.01)
        secret.write_text("another")
        await connected(publisher)
    said = [r.getMessage() for r in caplog.records if "MQTT broker" in r.getMessage()]
    lost, refused, back = said
    assert "is lost" in lost
    assert refused.endswith("answers, but it refuses mqtt.username and the password")
    assert back.endswith("is back")
    await broker.close()


async def test_a_subscription_that_is_refused_is_said_once_and_the_home_is_published(
    journal: Journal,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy turns the broker's consent (SUBACK) into a refusal, as an access list does; it is asked again on the same connection."""
    monkeypatch.setattr("gateway.publishing.rights.EVERY_S", 0.02)
    caplog.set_level(logging.INFO)
    broker = await start_broker()
    async with proxy(broker.port) as between:
        between.change = lambda data: data[:4] + b"\x80" + data[5:] if data[:1] == b"\x90" else data
        handler = CommandHandler(Nobody(), SeenCommands(tmp_path / "c.sqlite"), SimClock(START))
        publisher = Publisher(
            mqtt(between.port, home_assistant=False), "home", journal, (), handler
        )
        async with running(publisher):
            await connected(publisher)
            between.cut()
            while publisher.connected:
                await asyncio.sleep(0)
            await connected(publisher)
            assert await publisher.flush(HANG_S)
            connections = between.connections
            between.change = lambda data: data
            async with asyncio.timeout(HANG_S):
                while "lets us subscribe to energy/home/cmd/+ again" not in caplog.text:
                    await asyncio.sleep(0.01)
            assert between.connections == connections
    said = [r.getMessage() for r in caplog.records if "does not let" in r.getMessage()]
    assert len(said) == 1
    assert "does not let us subscribe to energy/home/cmd/+" in said[0]
    assert "no command arrives" in said[0]
    await broker.close()


class Nobody:
    """Nothing arrives."""

    async def apply(self, command: Command) -> CommandResult:
        raise AssertionError(command)


async def test_tls(
    authority: Authority,
    journal: Journal,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cert, key = authority.signed("broker")
    broker = await start_broker(config=[f"certfile {cert}", f"keyfile {key}"])
    trusted = Publisher(mqtt(broker.port, tls=True, ca_file=authority.file), "home", journal)
    async with running(trusted):
        await connected(trusted)
        await delivered(trusted)
    unknown = Publisher(mqtt(broker.port, tls=True), "home", journal)
    line = await lost_line(unknown, caplog)
    assert "TLS does not fit (mqtt.tls, mqtt.ca_file, mqtt.cert_file)" in line
    assert "certificate verify failed" in line
    caplog.clear()
    monkeypatch.setattr("gateway.publishing.broker.ANSWER_S", 0.5)  # it will never answer
    line = await lost_line(Publisher(mqtt(broker.port), "home", journal), caplog)
    assert "mqtt.tls = true" in line
    await broker.close()


async def test_a_broker_that_asks_who_we_are(
    authority: Authority,
    journal: Journal,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Mutual TLS: with a certificate of the broker's authority, by file or by systemd credential."""
    cert, key = authority.signed("broker")
    broker = await start_broker(
        config=[f"certfile {cert}", f"keyfile {key}", f"cafile {authority.file}",
                "require_certificate true", "use_identity_as_username true"]
    )  # fmt: skip
    ours, our_key = authority.signed("gateway")
    known = mqtt(broker.port, tls=True, ca_file=authority.file, cert_file=ours, key_file=our_key)
    async with running(Publisher(known, "home", journal)) as publisher:
        await connected(publisher)
        await delivered(publisher)

    secrets = tmp_path / "credentials"
    secrets.mkdir()
    (secrets / "mqtt_key").write_bytes(our_key.read_bytes())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secrets))
    by_systemd = mqtt(broker.port, tls=True, ca_file=authority.file, cert_file=ours)
    async with running(Publisher(by_systemd, "home", journal)) as publisher:
        await connected(publisher)

    monkeypatch.setattr("gateway.publishing.broker.ANSWER_S", 0.5)  # it will never answer
    nobody = mqtt(broker.port, tls=True, ca_file=authority.file)
    line = await lost_line(Publisher(nobody, "home", journal), caplog)
    assert "mqtt.cert_file" in line
    await broker.close()


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"tls": True, "key_file": "k"}, "mqtt.cert_file is missing: mqtt.key_file belongs to it"),
        ({"cert_file": "gateway.crt"}, "set mqtt.tls = true"),
        ({"tls": True, "cert_file": "none.crt"}, "none.crt: no certificate with its private key"),
        ({"tls": True, "ca_file": "none.pem"}, "mqtt.ca_file = none.pem: no usable certificate"),
        (
            {"tls": True, "cert_file": "locked.crt", "key_file": "locked.key"},
            "the key has a passphrase",
        ),
    ],
)
def test_a_certificate_that_cannot_be_used_is_said_at_the_start(
    keys: dict[str, str],
    says: str,
    authority: Authority,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority.signed("gateway")
    authority.signed("locked", passphrase=b"secret")
    monkeypatch.chdir(authority.folder)
    with pytest.raises(ConfigError, match=re.escape(says)):
        Publisher(mqtt(1, **keys), "home", journal)


async def test_tls_to_a_plain_broker(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    broker = await start_broker()
    line = await lost_line(Publisher(mqtt(broker.port, tls=True), "home", journal), caplog)
    assert "mqtt.tls" in line  # a reset or a TLS alert, as the broker likes
    await broker.close()


def test_secrets_that_cannot_be_read_are_named(tmp_path: Path, journal: Journal) -> None:
    with pytest.raises(ConfigError, match=r"mqtt.password_file = .*nowhere: cannot be read"):
        Publisher(mqtt(1, username="x", password_file=tmp_path / "nowhere"), "home", journal)
    (tmp_path / "secret").write_text("x")
    with pytest.raises(ConfigError, match=r"mqtt.username is missing"):
        Publisher(mqtt(1, password_file=tmp_path / "secret"), "home", journal)
