"""MQTT packets that come are cut to a size before they are taken into memory.

A broker may hand on a message of 256 MB to whoever subscribed to its topic, and a retained one again at every
start. Here the bytes beyond the limit are read and thrown away: the message stays a message, only
shorter, so that it is answered (too large) and acknowledged, and does not come again for ever.
"""

from __future__ import annotations

from collections.abc import Callable

# Topic (at most 64 KiB), packet number and the largest command fit in, whatever a sender does.
MOST_BYTES = 128 * 1024
_PUBLISH, _ABOVE_QOS_1 = 3, 0x04
_CHUNK, _CHUNKS = 65536, 64  # thrown away at once; then others have their turn


class PacketLimit:
    """Stands between a socket's ``recv`` and who reads packets from it; both raise BlockingIOError.

    Only PUBLISH is cut. Another packet beyond the limit is no MQTT broker's, nor is a length without an end or a message
    of QoS 2, which we never ask for (the library would keep each until the broker completes it): ConnectionError.
    """

    def __init__(self, recv: Callable[[int], bytes], most: int = MOST_BYTES) -> None:
        self._recv, self._most = recv, most
        self._header = bytearray()  # of the packet that begins, as it came
        self._ready = b""  # of the header, to hand on
        self._pass = 0  # bytes of the packet to hand on
        self._drop = 0  # and after them, to throw away

    def recv(self, bufsize: int) -> bytes:
        """At most ``bufsize`` bytes, as a socket gives them; b"" when the other side has closed."""
        between = not self._ready and not self._pass
        if between and not (self._dropped() and self._begun()):
            return b""
        if self._ready:
            data, self._ready = self._ready[:bufsize], self._ready[bufsize:]
            return data
        data = self._recv(min(bufsize, self._pass))
        self._pass = self._pass - len(data) if data else 0
        return data

    def _dropped(self) -> bool:
        """Throw away what is left of the packet before; False when the other side has closed."""
        for _ in range(_CHUNKS):
            if not self._drop:
                return True
            data = self._recv(min(_CHUNK, self._drop))
            if not data:
                return False
            self._drop -= len(data)
        if self._drop:
            raise BlockingIOError
        return True

    def _begun(self) -> bool:
        """Read a fixed header: a byte and the length of the rest in up to four (MQTT 2.2.3)."""
        while len(self._header) < 2 or (self._header[-1] & 0x80 and len(self._header) < 5):
            byte = self._recv(1)
            if not byte:
                return False
            self._header += byte
        kind, length = self._header[0], _length(self._header[1:])
        endless = self._header[-1] & 0x80
        self._header.clear()
        if endless:
            raise ConnectionError("a length of more than four bytes")
        if length > self._most and kind >> 4 != _PUBLISH:
            raise ConnectionError(f"a packet of {length} bytes is no message")
        if kind >> 4 == _PUBLISH and kind & _ABOVE_QOS_1:
            raise ConnectionError("a message of a QoS that we did not ask for")
        self._pass = min(length, self._most)
        self._drop = length - self._pass
        self._ready = bytes([kind]) + encoded_length(self._pass)
        return True


def encoded_length(length: int) -> bytes:
    """A remaining length as MQTT writes it: seven bits a byte, the lowest first."""
    out = bytearray()
    while True:
        length, low = divmod(length, 128)
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out)


def _length(encoded: bytes | bytearray) -> int:
    return sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(encoded))
