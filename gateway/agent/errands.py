"""What a page asks for and takes long: one of our own commands in a process of its own, one at a time and behind all else."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from pathlib import Path

from gateway.errors import ErrandError

_NICE = 15
_CPU_S = 300  # of the processor, then the kernel ends it
_LONGEST_S = 1_800.0  # by the clock: one that waits for something would keep all others waiting
_MOST_BYTES = 16 * 1024 * 1024
_PROGRAM = "from gateway.cli import main; main()"


class Errands:
    """``config`` is the file that the commands are told; None where the home has none."""

    def __init__(self, config: Path | None) -> None:
        self.config = config
        self._running = asyncio.Lock()

    async def run(self, *words: str) -> bytes:
        """What the command prints. Raises ErrandError: one runs already, it failed, or there is no configuration."""
        if self.config is None:
            raise ErrandError("this home has no configuration file")
        if self._running.locked():
            raise ErrandError("something else is being worked out already; try again in a minute")
        async with self._running:
            return await _output([*words, "--config", str(self.config)])


async def _output(words: list[str]) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, *words,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}, preexec_fn=_behind_all_else,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_LONGEST_S):
            out, said = await process.communicate()
    except TimeoutError:
        raise ErrandError("it did not end; try again later") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode is not None and process.returncode < 0:
        raise ErrandError("it took more time than it may have; ask for less, e.g. fewer days")
    if process.returncode != 0:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise ErrandError(last[0] if last else f"it ended with exit code {process.returncode}")
    if len(out) > _MOST_BYTES:
        raise ErrandError(f"it is larger than {_MOST_BYTES} bytes")
    return out


def _behind_all_else() -> None:
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
