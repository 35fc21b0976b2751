"""A publisher of messages that no library would make: as large as one likes, without holding them."""

from __future__ import annotations

import asyncio
import struct

from gateway.publishing.packet_limit import encoded_length

_CHUNK = bytes(65536)


async def publish_large(port: int, topic: str, size: int, retain: bool = False) -> None:
    """Send ``size`` zero bytes to ``topic`` with QoS 1 and wait until the broker has them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = _text("large")
    connect = _text("MQTT") + bytes([4, 2]) + struct.pack("!H", 60) + client
    writer.write(b"\x10" + encoded_length(len(connect)) + connect)
    await reader.readexactly(4)
    head = _text(topic) + struct.pack("!H", 1)
    kind = bytes([0x30 | 2 | retain])
    writer.write(kind + encoded_length(len(head) + size) + head)
    for start in range(0, size, len(_CHUNK)):
        writer.write(_CHUNK[: size - start])
        await writer.drain()
    await reader.readexactly(4)
    writer.write(b"\xe0\x00")
    writer.close()
    await writer.wait_closed()


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text.encode())) + text.encode()
