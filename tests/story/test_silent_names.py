"""Name servers that never answer: SIGTERM ends the gateway all the same, while its look-ups still hang."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import HANG_S

SILENT = tuple(f"127.0.0.{n}" for n in (53, 54, 55))
CONFIG = """
state_dir = "{state}"
[mqtt]
host = "broker.nowhere.example"
[[device]]
name = "inverter"
profile = "fronius-gen24"
host = "inverter.nowhere.example"
[dashboard]
enabled = false
"""


def _may_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0


@pytest.mark.skipif(not _may_mount(), reason="needs the right to lay another resolv.conf")
async def test_sigterm_does_not_wait_for_the_resolver(tmp_path: Path) -> None:
    """One look-up would take longer than this test waits for anything (3 servers, 5 times 30 s each)."""
    names = tmp_path / "resolv.conf"
    servers = "".join(f"nameserver {address}\n" for address in SILENT)
    names.write_text(servers + "options timeout:30 attempts:5\n")
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG.format(state=tmp_path / "state"))
    deaf = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in SILENT]
    process: asyncio.subprocess.Process | None = None
    try:
        for link, address in zip(deaf, SILENT, strict=True):
            try:
                link.bind((address, 53))
            except OSError as error:
                pytest.skip(f"port 53 is taken: {error}")
        program = "from gateway.cli import main; import sys; sys.argv[0] = 'energy-gateway'; main()"
        process = await asyncio.create_subprocess_exec(
            "unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"',
            str(names), sys.executable, "-c", program, "run", "--config", str(config),
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        said: list[str] = []
        async with asyncio.timeout(HANG_S):
            while not any("gateway 'home' runs" in line for line in said):
                line = await process.stderr.readline()
                assert line, said
                said.append(line.decode())
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        for link in deaf:
            link.close()
