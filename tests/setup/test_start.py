"""What `energy-gateway setup` says in the terminal before anybody has opened its page."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.checkup.here import on_this_machine
from gateway.config.load import load_settings
from simulators.broker import free_port
from tests.setup.homes import PROGRAM, new_home
from tests.waiting import HANG_S


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("words", [("setup", "--port"), ("run", "--setup-port")])
async def test_a_port_that_is_taken_is_one_line_and_2(
    tmp_path: Path, taken: int, words: tuple[str, str]
) -> None:
    config = tmp_path / "gateway.toml"
    said, code = await _said(words[0], words[1], str(taken), "--config", str(config))
    assert code == 2
    assert said.startswith(f"error: 127.0.0.1:{taken}: cannot listen there")
    assert said.count("\n") == 1
    assert words[1] in said
    assert not config.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - the word is what is tested
async def test_a_file_that_is_there_is_said_to_be_and_the_way_to_the_page_is_right(
    tmp_path: Path, host: str
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('[site]\nname = "home"\n')
    words = ("setup", "--config", str(config), "--host", host, "--port", "0")
    process = await _started(*words)
    assert process.stderr is not None
    async with asyncio.timeout(HANG_S):
        lines = [(await process.stderr.readline()).decode() for _ in range(3)]
        process.terminate()
        await process.communicate()
    assert "is there and will be changed" in lines[0]
    assert "http://127.0.0.1:" in lines[1]
    assert ("ssh -L" in lines[2]) == (host == "127.0.0.1")


async def test_a_configuration_that_comes_another_way_ends_the_wait_once_it_is_right(
    tmp_path: Path,
) -> None:
    """As with the Debian package: its service waits at the page's port while `init` or an editor writes the file."""
    port, file = free_port(), tmp_path / "gateway.toml"
    async with new_home(tmp_path, "run", "--setup-port", str(port)) as home:
        right = "\n".join([
            f'state_dir = "{tmp_path}/state"\n[site]\nname = "home"\ntime_zone = "UTC"',
            f'[[device]]\nname = "inverter"\nprofile = "fronius-gen24"\nhost = "127.0.0.1"\nport = {home.servers.ports.inverter}',
            f"[mqtt]\nport = {home.broker.port}\n[dashboard]\nport = {port}\n",
        ])  # fmt: skip
        other = tmp_path / "other.toml"  # as `init` leaves it to `check`, the service still waiting
        other.write_text(right)
        found = [
            f async for f in on_this_machine(other, right, load_settings(other), running=False)
        ]
        (page,) = (f for f in found if f.what == "page")
        assert page.good, page.says
        assert "first start" in page.says
        file.write_text(right.replace("[mqtt]", "[mqtz]"))
        await _heard(home.daemon, f"not started yet: {file}")
        other.replace(file)
        await _heard(home.daemon, f"the page is at http://127.0.0.1:{port}")


async def _heard(process: asyncio.subprocess.Process, words: str) -> None:
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(HANG_S):
        while words not in said:
            line = await process.stderr.readline()
            assert line, f"it ended: {said}"
            said += line.decode()


async def _started(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *words, stderr=asyncio.subprocess.PIPE
    )


async def _said(*words: str) -> tuple[str, int]:
    """What it said until it ended, and with which code."""
    process = await _started(*words)
    async with asyncio.timeout(HANG_S):
        _, said = await process.communicate()
    assert process.returncode is not None
    return said.decode(), process.returncode
