"""Run a process's work and end without waiting for threads that hang.

Names are looked up by the system's resolver in threads, which nobody can stop: with name servers that are
dead or silent one takes tens of seconds, and Python waits for it at the end. All that must be left in good
order has been by then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NoReturn


class _NotWaitedFor(ThreadPoolExecutor):
    """Its threads may go on; whoever shuts it down does not wait."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


def run(work: Coroutine[Any, Any, None]) -> None:
    """As `asyncio.run`, but for threads that still look up names."""

    async def with_own_threads() -> None:
        asyncio.get_running_loop().set_default_executor(_NotWaitedFor())
        await work

    asyncio.run(with_own_threads())


def leave(code: int) -> NoReturn:
    """End the process now, with everything said."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
