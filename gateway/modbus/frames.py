"""Is this the answer to that request? A pure check of the raw bytes, stricter than pymodbus.

pymodbus 3.16 accepts short replies, other function codes, a lying byte count and foreign write
echoes. Here a reply must match the request's bytes in unit, function, length, byte count, echo and
(TCP) transaction, with nothing after it; anything else makes the connection untrustworthy.
"""

from __future__ import annotations

from enum import StrEnum


class TidMode(StrEnum):
    """How much of the transaction number a device sends back."""

    STRICT = "strict"
    LOW_BYTE = "low_byte"  # firmware that zeroes the high byte
    IGNORE = "ignore"  # firmware that always answers 0


class Malformed(ValueError):
    """The bytes cannot be the answer to the request; the text says why."""


_READS = (1, 2, 3, 4)


def answer_tcp(sent: bytes, got: bytes, tid_mode: TidMode = TidMode.STRICT) -> bytes | None:
    """The PDU that answers ``sent`` (both Modbus TCP frames), or None while bytes are missing.

    Raises Malformed as soon as the bytes cannot become the right answer.
    """
    if got[2:4] != b"\x00\x00"[: len(got[2:4])]:
        raise Malformed("protocol id is not 0")
    if len(got) < 8:
        return None
    if not _same_tid(sent, got, tid_mode):
        raise Malformed(f"transaction {got[:2].hex()} answers {sent[:2].hex()}")
    if got[6] != sent[6]:
        raise Malformed(f"unit {got[6]} answers for unit {sent[6]}")
    size = _pdu_size(sent[7:], got[7])
    length = int.from_bytes(got[4:6], "big")
    if length != size + 1:
        raise Malformed(f"length {length} where {size + 1} is right")
    return _whole(sent[7:], got[7:], size)


def answer_rtu(sent: bytes, got: bytes) -> bytes | None:
    """The PDU that answers ``sent`` (both RTU frames with checksum), or None while bytes are missing.

    RTU has no transaction number: the caller must not let an old answer live (reconnect).
    """
    if not got:
        return None
    if got[0] != sent[0]:
        raise Malformed(f"unit {got[0]} answers for unit {sent[0]}")
    if len(got) < 2:
        return None
    size = _pdu_size(sent[1:], got[1])
    pdu = _whole(sent[1:-2], got[1:], size + 2)
    if pdu is None:
        return None
    if crc16(got[:-2]) != got[-2:]:
        raise Malformed("checksum is wrong")
    return pdu[:-2]


def _same_tid(sent: bytes, got: bytes, mode: TidMode) -> bool:
    if mode is TidMode.IGNORE:
        return True
    if mode is TidMode.LOW_BYTE:
        return sent[1] == got[1]
    return sent[:2] == got[:2]


def _pdu_size(asked: bytes, function: int) -> int:
    """Bytes of the PDU that answers ``asked`` with ``function``."""
    if function == asked[0] | 0x80:
        return 2
    if function != asked[0]:
        raise Malformed(f"function {function} answers function {asked[0]}")
    if function in _READS:
        return 2 + _data_bytes(asked)
    return 5


def _data_bytes(asked: bytes) -> int:
    count = int.from_bytes(asked[3:5], "big")
    return (count + 7) // 8 if asked[0] in (1, 2) else 2 * count


def _whole(asked: bytes, got: bytes, size: int) -> bytes | None:
    if len(got) > size:
        raise Malformed(f"{len(got) - size} bytes too many")
    if asked[0] in _READS and got[0] == asked[0] and len(got) > 1 and got[1] != _data_bytes(asked):
        raise Malformed(f"byte count {got[1]} where {_data_bytes(asked)} is right")
    if len(got) < size:
        return None
    if got[0] == asked[0] and asked[0] not in _READS and got[1:5] != asked[1:5]:
        raise Malformed("the echo of the write names another register or value")
    return got


def crc16(data: bytes) -> bytes:
    """The checksum of an RTU frame, as it stands on the wire (low byte first)."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def _crc_row(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


_CRC = tuple(_crc_row(n) for n in range(256))
