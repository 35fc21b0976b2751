"""Frames on a stream: four bytes of length (big-endian), then so many bytes; bounded."""

from __future__ import annotations

import asyncio

from gateway.ipc.messages import MOST_BYTES, MessageError

_HEAD = 4


def framed(data: bytes) -> bytes:
    """One frame."""
    return len(data).to_bytes(_HEAD, "big") + data


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame; None at the end of the stream. Raises MessageError, before anything is read of it,
    for a frame that is too long."""
    try:
        head = await reader.readexactly(_HEAD)
        size = int.from_bytes(head, "big")
        if size > MOST_BYTES:
            raise MessageError(f"a frame of {size} bytes; at most {MOST_BYTES} are taken")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
