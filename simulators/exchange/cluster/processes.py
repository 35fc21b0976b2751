"""The roles of a cluster as processes of one machine: started together, started again when they end."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from gateway.clock import pause
from gateway.supervise import Backoff

log = logging.getLogger(__name__)
_COMMAND = "from simulators.cli import main; main()"
_STOP_S = 10.0


async def run_roles(roles: Sequence[str], options: Sequence[str]) -> None:
    """Run ``energy-sim exchange ... --role ROLE`` for each of the roles until this task is cancelled."""
    async with asyncio.TaskGroup() as group:
        for role in roles:
            group.create_task(_run(role, options), name=role)


async def _run(role: str, options: Sequence[str]) -> None:
    backoff = Backoff(first_s=0.5, longest_s=30.0)
    while True:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _COMMAND, "exchange", *options, "--role", role)
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await _stop(process)
            raise
        log.warning("%s ended with %d; it is started again", role, code)
        await pause(backoff.next())


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
