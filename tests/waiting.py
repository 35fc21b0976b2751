"""Waiting for what must come, however slow the machine is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HANG_S = 300.0  # only a hang takes this long; nothing that is proved rests on this number


async def eventually(true: Callable[[], bool], what: str = "") -> None:
    """Return when ``true``; fails after a time that only a hang takes."""
    try:
        async with asyncio.timeout(HANG_S):
            while not true():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never came: {what or true}") from None
