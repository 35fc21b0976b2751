"""Cutting a byte stream into Modbus requests and framing the replies: TCP (MBAP) or RTU over TCP."""

from __future__ import annotations

import struct
from typing import Protocol

from simulators.devices.faults import Reply


class NotModbus(Exception):
    """The stream cannot be Modbus any more."""


class Framing(Protocol):
    """One way to frame. ``answers_strangers``: an unknown unit gets exception 11, not silence."""

    answers_strangers: bool

    def take(self, buffer: bytearray) -> Reply | None:
        """Cut the next request off ``buffer``; None = not yet complete; may raise NotModbus."""

    def wrap(self, reply: Reply) -> bytes:
        """The reply's bytes."""


class TcpFraming:
    """Modbus TCP: the MBAP header carries transaction id and length."""

    answers_strangers = True

    def take(self, buffer: bytearray) -> Reply | None:
        if len(buffer) < 8:
            return None
        transaction, protocol, length, unit = struct.unpack_from(">HHHB", buffer)
        if protocol != 0 or not 2 <= length <= 254:
            raise NotModbus
        if len(buffer) < 6 + length:
            return None
        pdu = bytes(buffer[7 : 6 + length])
        del buffer[: 6 + length]
        return Reply(transaction, unit, pdu)

    def wrap(self, reply: Reply) -> bytes:
        head = struct.pack(">HHHB", reply.transaction, 0, len(reply.pdu) + 1, reply.unit)
        return head + reply.pdu


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _bit in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


class RtuFraming:
    """RTU frames on a TCP stream, as transparent serial gateways give them: no id, only a CRC."""

    answers_strangers = False

    def take(self, buffer: bytearray) -> Reply | None:
        if len(buffer) < 4:
            return None
        if buffer[1] in (15, 16):
            if len(buffer) < 7:
                return None
            size = 9 + buffer[6]
        else:
            size = 8 if 1 <= buffer[1] <= 6 else len(buffer)
        if len(buffer) < size:
            return None
        frame = bytes(buffer[:size])
        if crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
            buffer.clear()  # a serial device waits for the next silence
            return None
        del buffer[:size]
        return Reply(0, frame[0], frame[1:-2])

    def wrap(self, reply: Reply) -> bytes:
        frame = bytes((reply.unit,)) + reply.pdu
        return frame + crc16(frame).to_bytes(2, "little")
