"""What is mistyped on energy-sim's command line: one line that says what would be right, before anything is played."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from gateway.errors import BrokerError
from simulators.broker import start_broker
from simulators.cli import main

MISTYPED: list[tuple[str, str]] = [
    ("demo --dashboard-port {taken}", "--dashboard-port {taken}: cannot listen there: Address already in use"),
    ("demo --json .", "--json .: cannot be written: it is a folder; name a file"),
    ("home --prove afile", "--prove afile: no folder can be made there: File exists"),
    ("exchange --role leader", "--role leader is of a cluster: add --cluster FILE"),
    ("exchange --start soon", "--start is 'soon'; write a UTC time like 2026-06-01T06:00:00Z"),
    ("load --rate 60", "are of an exchange at --url: add --url"),
    ("load --credentials .", "are of an exchange at --url: add --url"),
    ("load --url http://127.0.0.1:1 --state x", "leave out --state or --url"),
    ("study --report .", "--report .: cannot be written: it is a folder; name a file"),
    ("study --data nowhere", "--data nowhere: is no folder; leave it out to run without public data"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "line"), MISTYPED)
def test_what_is_mistyped_is_one_line_and_exit_2(
    words: str,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("afile").touch()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = str(other.getsockname()[1])
        argv = ["energy-sim", *(word.format(taken=taken) for word in words.split())]
        monkeypatch.setattr("sys.argv", argv)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert line.format(taken=taken) in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("port", ["-1", "99999"])
@pytest.mark.parametrize("option", ["--broker-port", "--exchange-port", "--dashboard-port"])
def test_no_port_of_the_demo_is_beyond_what_there_is(
    option: str, port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["energy-sim", "demo", option, port])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert option in capsys.readouterr().err


async def test_what_is_no_broker_is_not_taken_for_one() -> None:
    async def of_another_kind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(of_another_kind, "127.0.0.1", 0)
    async with server:
        with pytest.raises(BrokerError, match="taken by a program that is no MQTT broker"):
            await start_broker(server.sockets[0].getsockname()[1])


async def test_a_broker_that_is_there_is_used() -> None:
    ours = await start_broker()
    try:
        assert (await start_broker(ours.port)).kind == "existing"
    finally:
        await ours.close()
