"""The agent as a child: started with limits, fed with reports, heard, and started again when it is lost.

Nothing here may hold the guard up: a report that the child does not take is dropped, frames that come
too fast or are malformed end the child, and so do silence and too much memory. The socket is a pair:
it has no name, so nobody else can connect to it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock
from gateway.guard.child import end_with, ended_by, limit, resident_bytes, send
from gateway.guard.orders import OrderIntake
from gateway.ipc.framing import framed, read_frame
from gateway.ipc.messages import ORDERS, REPORTS, GuardReport, MessageError
from gateway.supervise import Availability, Backoff, CalmAvailability

log = logging.getLogger(__name__)

MOST_UNSENT = 256 * 1024  # bytes of reports that wait for a child that does not read
MOST_FRAMES_A_S = 100  # an agent sends one or two orders a second
MOST_BYTES_A_S = 2_000_000  # ... and each takes the guard's time by its size
_LOOK_S = 1.0
_ARENAS = "1"  # one for each thread would keep what its thread needs no more
_LARGE = "262144"  # bytes; what is larger goes back to the system when it is no longer needed
NO_RETRY_SOON = frozenset({2})  # exit codes by which the agent says that a person must act


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """What the child may use, and how long it may be silent; bytes and seconds."""

    memory: int = 400 * 1024 * 1024  # resident; beyond it the child is ended
    files: int = 512
    start_s: float = 300.0  # until the first order: a long journal is read again
    silence_s: float = 60.0  # between two orders
    healthy_s: float = 300.0  # after so long a loss is a new one for the backoff
    stop_s: float = 4.0  # to end by itself on SIGTERM


class AgentProcess:
    """Keeps one child alive. ``command`` is the program; ``--fd N`` is added to it."""

    def __init__(
        self,
        command: Sequence[str],
        intake: OrderIntake,
        clock: Clock,
        limits: AgentLimits = AgentLimits(),
    ) -> None:
        self._command, self._intake, self._clock = tuple(command), intake, clock
        self._limits = limits
        self._writer: asyncio.StreamWriter | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._heard = 0.0
        self._ending = False
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """Of the running child."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    def report(self, report: GuardReport) -> None:
        """Send what the guard saw; returns at once, whatever the child does."""
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        if writer.transport.get_write_buffer_size() > MOST_UNSENT:
            return  # stopped or busy: the next report is newer anyway
        with suppress(MessageError, OSError):
            writer.write(framed(REPORTS.encode(report)))

    async def run(self) -> None:
        """For ever: start, watch, start again."""
        availability = CalmAvailability("the agent", clock=self._clock)
        backoff = Backoff(first_s=1.0, longest_s=60.0)
        while not self._ending:
            began = self._clock.monotonic()
            try:
                why, soon = await self._life(availability)
            except OSError as error:
                why, soon = f"it cannot be started: {error}", True
            except Exception as error:
                log.debug("the agent's life", exc_info=True)
                why, soon = f"what it did is not understood: {_first(error)!r}", True
            if self._ending:
                return
            if self._clock.monotonic() - began >= self._limits.healthy_s:
                backoff.reset()
            availability.lost(f"{why}; the devices are steered without it")
            pause_s = backoff.next()
            await self._clock.sleep(pause_s if soon else max(pause_s, backoff.longest_s))

    async def stop(self) -> None:
        """End the child: asked first, then for sure. Does not start it again."""
        self._ending = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        send(process, signal.SIGTERM)
        send(process, signal.SIGCONT)  # one that is stopped could not hear
        try:
            async with asyncio.timeout(self._limits.stop_s):
                await process.wait()
        except TimeoutError:
            send(process, signal.SIGKILL)
            await process.wait()

    async def _life(self, availability: Availability) -> tuple[str, bool]:
        """One child from start to end: why it ended, and whether trying again soon makes sense."""
        ours, theirs = socket.socketpair()
        try:
            process = await self._start(theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._process, self.starts = process, self.starts + 1
        self._heard = self._clock.monotonic() + self._limits.start_s - self._limits.silence_s
        reader, self._writer = await asyncio.open_connection(sock=ours)
        fault = ""
        try:
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(self._hear(reader, availability), name="agent orders")
                watching = group.create_task(self._watch(process.pid), name="agent watch")
                ended = group.create_task(process.wait(), name="agent end")
                done, _ = await asyncio.wait(
                    (hearing, watching, ended), return_when=asyncio.FIRST_COMPLETED
                )
                fault = next((t.result() for t in (hearing, watching) if t in done), "") or ""
                if ended not in done:
                    if hearing in done and not fault:  # it closed the socket: it is about to end
                        with suppress(TimeoutError):
                            async with asyncio.timeout(self._limits.stop_s):
                                await asyncio.shield(ended)
                    send(process, signal.SIGKILL)
                hearing.cancel()
                watching.cancel()
        finally:
            send(process, signal.SIGKILL)
            writer, self._writer = self._writer, None
            writer.close()
            await process.wait()
        code = process.returncode or 0
        return fault or ended_by(code), code not in NO_RETRY_SOON

    async def _start(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        fd = theirs.fileno()
        environment = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        environment |= {f"MALLOC_{name}_THRESHOLD_": _LARGE for name in ("MMAP", "TRIM")}
        environment["MALLOC_ARENA_MAX"] = _ARENAS
        process = await asyncio.create_subprocess_exec(
            *self._command,
            "--fd",
            str(fd),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(fd,),
            env=environment,
            start_new_session=True,  # Ctrl-C is the guard's; it ends the child in good order
            preexec_fn=end_with(os.getpid()),
        )
        limit(process.pid, self._limits.memory, self._limits.files)
        return process

    async def _hear(self, reader: asyncio.StreamReader, availability: Availability) -> str:
        """Orders until the child closes the socket or speaks nonsense; says which nonsense."""
        counted_from, count, size = self._clock.monotonic(), 0, 0
        while True:
            try:
                frame = await read_frame(reader)
                if frame is None:
                    return ""
                self._intake.take(ORDERS.decode(frame))
            except MessageError as error:
                return f"it sent what is no order: {error}"
            self._heard = self._clock.monotonic()
            availability.back()
            count, size = count + 1, size + len(frame)
            now = self._clock.monotonic()
            if now - counted_from >= 1.0:
                counted_from, count, size = now, 0, 0
            elif count > MOST_FRAMES_A_S:
                return f"it sent more than {MOST_FRAMES_A_S} orders in a second"
            elif size > MOST_BYTES_A_S:
                return f"it sent more than {MOST_BYTES_A_S} bytes of orders in a second"

    async def _watch(self, pid: int) -> str:
        """Returns why the child must end: silence or memory."""
        while True:
            await self._clock.sleep(_LOOK_S)
            silent_s = self._clock.monotonic() - self._heard
            if silent_s > self._limits.silence_s:
                return f"no order came for {silent_s:.0f} s"
            used = resident_bytes(pid)
            if used > self._limits.memory:
                return f"it used {used // 1024 // 1024} MB"


def agent_command(config: Path, log_level: str, log_json: bool) -> tuple[str, ...]:
    """How the agent is started."""
    words = [sys.executable, "-P", "-m", "gateway.agent", "--config", str(config)]
    return (*words, "--log-level", log_level, *(["--log-json"] if log_json else []))


def _first(error: BaseException) -> BaseException:
    """What went wrong first in a group of tasks."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
