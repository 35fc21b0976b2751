"""What the guard's children have in common: they end with it, and use no more than they may."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_NICE = 5
_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None)


def end_with(parent: int) -> Callable[[], None]:
    """For the child, before the program: however the guard (process ``parent``) ends, no agent goes on without it."""

    def set_up() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # until it has loaded; the guard ends it
        if os.getppid() != parent:  # it was killed between the fork and the line above
            os._exit(1)

    return set_up


def limit(pid: int, memory: int, files: int) -> None:
    """Bytes and open files; it is polite to others, and goes first when memory gets short."""
    with suppress(OSError, ValueError):  # gone already, or a kernel that does not let us
        for what, most in (
            (resource.RLIMIT_NOFILE, files),
            (resource.RLIMIT_DATA, 2 * memory),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.prlimit(pid, what)[1]
            allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(pid, what, (allowed, allowed))
    with suppress(OSError):  # one that plans or spins leaves the guard its time, on one core too
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, pid, ours + _NICE)
    with suppress(OSError):  # when memory gets short, the child goes first
        Path(f"/proc/{pid}/oom_score_adj").write_text("800")


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in use now; 0 where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * resource.getpagesize()


def ended_by(code: int) -> str:
    """Its exit code in words."""
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return (
            f"it was ended by {names.get(-code, f'signal {-code}')}"  # few real-time ones have one
        )
    return f"it ended with exit code {code}"


def send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """A signal to one that may be gone."""
    with suppress(ProcessLookupError):
        process.send_signal(number)
