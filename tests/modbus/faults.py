"""What a bad line or a bad firmware does to an answer; TCP and RTU framing alike where both can."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from tests.modbus.server import Fault, crc


def _changed(change: Callable[[bytes], bytes]) -> Fault:
    async def send(frame: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(change(frame))

    return send


def exception(code: int) -> Fault:
    return _changed(lambda f: f[:4] + b"\x00\x03" + f[6:7] + bytes((f[7] | 0x80, code)))


async def silent(_frame: bytes, _writer: asyncio.StreamWriter) -> None:
    return


async def late(frame: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.6)
    writer.write(frame)


async def split(frame: bytes, writer: asyncio.StreamWriter) -> None:
    for i in range(0, len(frame), 5):
        writer.write(frame[i : i + 5])
        await writer.drain()
        await asyncio.sleep(0.001)


async def slow(frame: bytes, writer: asyncio.StreamWriter) -> None:
    for i in range(len(frame)):
        writer.write(frame[i : i + 1])
        await asyncio.sleep(0.05)


async def close_mid(frame: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(frame[: len(frame) // 2])
    await writer.drain()
    writer.close()


async def reset(_frame: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def doubled_later(frame: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(frame)
    await writer.drain()
    await asyncio.sleep(0.005)
    writer.write(frame)


def _short(frame: bytes) -> bytes:
    """An honest frame with fewer registers than asked for."""
    return (
        frame[:4]
        + (len(frame) - 6 - 2).to_bytes(2, "big")
        + frame[6:8]
        + bytes((frame[8] - 2,))
        + frame[9:-2]
    )


FAULTS: dict[str, Fault] = {
    "exception 6": exception(6),
    "garbage": _changed(lambda f: random.Random(7).randbytes(len(f))),
    "huge length": _changed(lambda f: f[:4] + b"\xff\xff" + f[6:]),
    "truncated": _changed(lambda f: f[: len(f) // 2]),
    "slow": slow,
    "closed in mid-answer": close_mid,
    "reset": reset,
    "wrong unit": _changed(lambda f: f[:6] + bytes(((f[6] + 1) % 256,)) + f[7:]),
    "wrong transaction": _changed(lambda f: bytes((f[0], (f[1] + 1) % 256)) + f[2:]),
    "transaction 0": _changed(lambda f: b"\0\0" + f[2:]),
    "short data": _changed(_short),
    "wrong function": _changed(lambda f: f[:7] + bytes((4 if f[7] == 3 else 3,)) + f[8:]),
    "lying byte count": _changed(lambda f: f[:8] + bytes((f[8] - 2,)) + f[9:]),
    "silent": silent,
    "late": late,
    "doubled": _changed(lambda f: f + f),
    "doubled later": doubled_later,
    "split": split,
    "header of length 0": _changed(lambda f: f[:4] + b"\0\0" + f[6:]),
}

RTU_FAULTS: dict[str, Fault] = {
    "garbage": FAULTS["garbage"],
    "truncated": FAULTS["truncated"],
    "wrong checksum": _changed(lambda f: f[:-1] + bytes((f[-1] ^ 0xFF,))),
    "wrong unit": _changed(lambda f: _with_crc(bytes(((f[0] + 1) % 256,)) + f[1:-2])),
    "wrong function": _changed(
        lambda f: _with_crc(f[:1] + bytes((4 if f[1] == 3 else 3,)) + f[2:-2])
    ),
    "lying byte count": _changed(lambda f: _with_crc(f[:2] + bytes((f[2] - 2,)) + f[3:-2])),
    "short data": _changed(lambda f: _with_crc(f[:2] + bytes((f[2] - 2,)) + f[3:-4])),
    "silent": silent,
    "late": late,
    "doubled": FAULTS["doubled"],
    "doubled later": doubled_later,
    "split": split,
    "reset": reset,
}


def _with_crc(body: bytes) -> bytes:
    return body + crc(body)
