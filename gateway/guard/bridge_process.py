"""The bridge as a child: started where a device has no Modbus, and started again when it is lost.

Nothing passes between the two but Modbus: the guard reads it as it reads any device, and knows no more
of it than whether it runs. Silence and memory are bounded as the agent's are.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gateway.clock import Clock
from gateway.guard.child import end_with, ended_by, limit, resident_bytes, send
from gateway.supervise import Availability, Backoff, CalmAvailability

_MEMORY, _FILES = 200 * 1024 * 1024, 256
_LOOK_S, _HEALTHY_S, _STOP_S = 5.0, 300.0, 3.0
_PERSON_MUST_ACT = 2  # its exit code for a configuration that cannot be used


class BridgeProcess:
    """Keeps one child alive."""

    def __init__(self, command: Sequence[str], clock: Clock) -> None:
        self._command, self._clock = tuple(command), clock
        self._process: asyncio.subprocess.Process | None = None
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """Of the running child."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def run(self) -> None:
        """Until cancelled: start, watch, start again. The child ends with it."""
        availability = CalmAvailability("the bridge", clock=self._clock)
        backoff = Backoff(first_s=1.0, longest_s=60.0)
        try:
            while True:
                began = self._clock.monotonic()
                try:
                    why, code = await self._life(availability)
                except OSError as error:
                    why, code = f"it cannot be started: {error}", 1
                if self._clock.monotonic() - began >= _HEALTHY_S:
                    backoff.reset()
                availability.lost(f"{why}; what it reads is not known")
                pause_s = backoff.next()
                soon = code != _PERSON_MUST_ACT
                await self._clock.sleep(pause_s if soon else max(pause_s, backoff.longest_s))
        finally:
            await self._end()

    async def _life(self, availability: Availability) -> tuple[str, int]:
        """One child from start to end: why it ended, and its exit code."""
        environment = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
            preexec_fn=end_with(os.getpid()),
        )
        limit(process.pid, _MEMORY, _FILES)
        self._process, self.starts = process, self.starts + 1
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    code = await process.wait()
                    return ended_by(code), code
            availability.back()
            used = resident_bytes(process.pid)
            if used > _MEMORY:
                await self._end()
                return f"it used {used // 1024 // 1024} MB", 1

    async def _end(self) -> None:
        """Asked first, then for sure."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        send(process, signal.SIGTERM)
        send(process, signal.SIGCONT)
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            send(process, signal.SIGKILL)
            await process.wait()


def bridge_command(config: Path, log_level: str, log_json: bool) -> tuple[str, ...]:
    """How the bridge is started."""
    words = [sys.executable, "-P", "-m", "gateway.bridge", "--config", str(config)]
    return (*words, "--log-level", log_level, *(["--log-json"] if log_json else []))
