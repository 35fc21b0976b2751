"""Evidence: what a party sent, what it signed, and what it was answered; small, and exact to the byte.

While it is fresh a document is kept as it came. Later it is kept as its parts: header and payload as
text (they compress), the signature as its 64 bytes (which do not); put together again they are the
compact JWS that was received. By the thousand in a pack, where what they have in common is kept
once, or each by itself.
"""

from __future__ import annotations

import base64
import binascii
import lzma
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from simulators.exchange.jose import from64

_SIGNATURE = 64
_FIELD, _RECORD = b"\0", b"\1"  # no JSON has these bytes
_BARE, _SIGNED, _TEXT = 0, 1, 2  # unsigned; in parts; a JWS that would not come back to the byte
_FRESH_BARE, _FRESH_SIGNED = 3, 4  # as it came: the payload, or the JWS in which it is
_AS_BARE, _AS_SIGNED = bytes([_FRESH_BARE]), bytes([_FRESH_SIGNED])
_read = msgspec.json.Decoder().decode
_write = msgspec.json.Encoder().encode
# What documents have in common; a store that was written with it is read only with it.
_HEADER = b'\0{"alg":"Ed25519","typ":"cts+jose","iat":1780315200,"kid":"home-1-1"}\0'
_COMMON = b"".join(
    (
        b'["createTender","home-1-t",1780315200123,201,null]',
        _HEADER,
        b'{"requestId": "", "tender": {"tenderId": "", "side": "BUY", "resourceDesignator": "ENERGY", ',
        b'"expirationTime": "2026-06-01T12:30:00Z", "allOrNone": false, "tenderDetail": {"interval": ',
        b'{"dtStart": "2026-06-01T13:00:00Z"}, "price": 6000, "quantity": 500}}}',
        b'["deliver","deliver:2026-06-01T12:15:00Z:measured",1780315200123,201,null]',
        _HEADER,
        b'{"requestId": "deliver:2026-06-01T12:15:00Z", "partyId": "home-1", "counterPartyId": ',
        b'"exchange", "measurementPointId": "home-1-meter", "interval": {"dtStart": ',
        b'"2026-06-01T12:15:00Z", "duration": "PT15M"}, "importQuantity": 0, "exportQuantity": 120, ',
        b'"importRegister": 1034, "exportRegister": 2034, "quality": "MEASURED"}',
        b'["createStreamTender","home-1:2026-06-01T12:15:00Z:0",1780315200123,201,null]',
        _HEADER,
        b'{"requestId": "home-1:2026-06-01T12:15:00Z:0", "partyId": "home-1", "marketId": ',
        b'"charging-network", "segmentId": "LZ_SOUTH", "tender": {"tenderId": ',
        b'"home-1:2026-06-01T12:15:00Z:0", "side": "SELL", "expirationTime": "2026-06-01T12:38:00Z", ',
        b'"tenderDetail": {"stream": {"streamIntervalDuration": "PT15M", "streamStart": ',
        b'"2026-06-01T12:30:00Z", "streamIntervals": [{"streamUid": 0, "streamIntervalPrice": 6000, ',
        b'"streamIntervalQuantity": 120}, {"streamUid": 1, "streamIntervalPrice": 6000, ',
        b'"streamIntervalQuantity": 120}, {"streamUid": 2, "streamIntervalPrice": 6000, ',
        b'"streamIntervalQuantity": 120}, {"streamUid": 3, "streamIntervalPrice": 6000, ',
        b'"streamIntervalQuantity": 120}]}}}}',
    )
)


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A request that was carried out: what it was, when it was received (ms), what was decided.

    ``result`` is what the answer needs beyond the document (JSON); ``signed`` the compact JWS.
    """

    operation: str
    key: str
    received_ms: int
    status: int
    result: Any
    payload: bytes
    signed: bytes | None


def fresh(stored: Stored) -> bytes:
    """At once, and as large as it came: for what is packed soon. The payload is what was taken out of ``signed``."""
    if stored.signed is None:
        return b"".join((_AS_BARE, _known(stored), _FIELD, stored.payload))
    return b"".join((_AS_SIGNED, _known(stored), _FIELD, stored.signed))


def encode(stored: Stored) -> bytes:
    """The same of what an earlier version kept, whatever ``signed`` is."""
    if stored.signed is None or _payload(stored.signed) == stored.payload:
        return fresh(stored)
    return _pressed(stored)


def press(body: bytes) -> bytes:
    """The same, as small as it gets by itself: for a store that does not pack."""
    return _pressed(decode(body)) if body[0] >= _FRESH_BARE else body


def decode(body: bytes) -> Stored:
    if body[0] < _FRESH_BARE:
        return _stored(*_split(body))
    known, document = body[1:].split(_FIELD, 1)
    signed = document if body[0] == _FRESH_SIGNED else None
    return _again(known, document if signed is None else _payload(signed), signed)


def _known(stored: Stored) -> bytes:
    """What the document does not say."""
    known = stored.operation, stored.key, stored.received_ms, stored.status, stored.result
    return _write(known)


def _payload(signed: bytes) -> bytes:
    """Of a compact JWS; empty where it is none."""
    try:
        return from64(signed.split(b".")[1])
    except (IndexError, ValueError):
        return b""


def _pressed(stored: Stored) -> bytes:
    kind, signature, text = _plain(stored)
    made = zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, _COMMON)
    return bytes([kind]) + signature + made.compress(text) + made.flush()


def _plain(stored: Stored) -> tuple[int, bytes, bytes]:
    """Kind, signature, and the text that compresses."""
    kind, signature, header = _parts(stored)
    return kind, signature, _FIELD.join((_known(stored), header, stored.payload))


def pack(bodies: Sequence[bytes]) -> bytes:
    """Many of them as one; the order stays."""
    parts = [_split(body) for body in bodies]
    kinds = bytes(kind for kind, _, _ in parts)
    signatures = b"".join(signature for _, signature, _ in parts)
    texts = lzma.compress(
        _RECORD.join(text for _, _, text in parts), format=lzma.FORMAT_XZ, preset=2
    )
    return struct.pack(">I", len(parts)) + kinds + signatures + texts


def unpack(packed: bytes) -> list[Stored]:
    (count,) = struct.unpack_from(">I", packed)
    kinds, offset = packed[4 : 4 + count], 4 + count
    signatures = []
    for kind in kinds:
        length = _SIGNATURE if kind == _SIGNED else 0
        signatures.append(packed[offset : offset + length])
        offset += length
    texts = lzma.decompress(packed[offset:]).split(_RECORD)
    return [_stored(*parts) for parts in zip(kinds, signatures, texts, strict=True)]


def _parts(stored: Stored) -> tuple[int, bytes, bytes]:
    """Kind, signature and header (or the whole JWS where it would not come back to the byte)."""
    if stored.signed is None:
        return _BARE, b"", b""
    header, _, rest = stored.signed.partition(b".")
    signature = rest.rpartition(b".")[2]
    try:
        plain = _from64(header), _from64(signature)
    except binascii.Error:
        return _TEXT, b"", stored.signed
    again = _jws(plain[0], stored.payload, plain[1])
    if len(plain[1]) == _SIGNATURE and again == stored.signed and _FIELD not in plain[0]:
        return _SIGNED, plain[1], plain[0]
    return _TEXT, b"", stored.signed


def _split(body: bytes) -> tuple[int, bytes, bytes]:
    """As `_plain`, of what is stored."""
    kind = body[0]
    if kind >= _FRESH_BARE:
        return _plain(decode(body))
    length = 1 + (_SIGNATURE if kind == _SIGNED else 0)
    pressed = zlib.decompressobj(-15, _COMMON)
    return kind, body[1:length], pressed.decompress(body[length:]) + pressed.flush()


def _stored(kind: int, signature: bytes, text: bytes) -> Stored:
    known, header, payload = text.split(_FIELD, 2)
    signed = None
    if kind == _SIGNED:
        signed = _jws(header, payload, signature)
    elif kind == _TEXT:
        signed = header
    return _again(known, payload, signed)


def _again(known: bytes, payload: bytes, signed: bytes | None) -> Stored:
    operation, key, received_ms, status, result = _read(known)
    return Stored(operation, key, received_ms, status, result, payload, signed)


def _jws(header: bytes, payload: bytes, signature: bytes) -> bytes:
    return b".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload, signature)
    )


def _from64(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
