"""Evidence as the first stores of schema 2 had it, read to be written anew (`sqlite_migrations`)."""

from __future__ import annotations

import base64
import json
import lzma
import struct
import zlib
from collections.abc import Iterator

from simulators.exchange.evidence import Stored

_SIGNATURE = 64
_SIGNED, _TEXT = 1, 2
_COMMON = (
    b'["deliver","deliver:2026-06-01T12:15:00Z:measured",1780315200123,201,null,'
    b'"{\\"alg\\":\\"Ed25519\\",\\"typ\\":\\"cts+jose\\",\\"iat\\":1780315200,\\"kid\\":\\"home-1-1\\"}",'
    b'"{\\"requestId\\": \\"deliver:2026-06-01T12:15:00Z\\", \\"partyId\\": \\"home-1\\", '
    b'\\"counterPartyId\\": \\"exchange\\", \\"measurementPointId\\": \\"home-1-meter\\", \\"interval\\": '
    b'{\\"dtStart\\": \\"2026-06-01T12:15:00Z\\", \\"duration\\": \\"PT15M\\"}, \\"importQuantity\\": 0, '
    b'\\"exportQuantity\\": 120, \\"importRegister\\": 1034, \\"exportRegister\\": 2034, '
    b'\\"quality\\": \\"MEASURED\\"}"]'
    b'["createTender","home-1-t",1780315200123,201,null,"","{\\"requestId\\": \\"", \\"tender\\": '
    b'{\\"tenderId\\": \\"", \\"side\\": \\"BUY\\", \\"resourceDesignator\\": \\"ENERGY\\", '
    b'\\"expirationTime\\": \\"2026-06-01T12:30:00Z\\", \\"allOrNone\\": false, \\"tenderDetail\\": '
    b'{\\"interval\\": {\\"dtStart\\": \\"2026-06-01T13:00:00Z\\"}, \\"price\\": 6000, \\"quantity\\": 500}}}"]'
    b'["createStreamTender","home-1:2026-06-01T12:15:00Z:0",1780315200123,201,null,'
    b'"{\\"alg\\":\\"Ed25519\\",\\"typ\\":\\"cts+jose\\",\\"iat\\":1780315200,\\"kid\\":\\"home-1-1\\"}",'
    b'"{\\"requestId\\": \\"home-1:2026-06-01T12:15:00Z:0\\", \\"partyId\\": \\"home-1\\", '
    b'\\"marketId\\": \\"charging-network\\", \\"segmentId\\": \\"LZ_SOUTH\\", \\"tender\\": {\\"tenderId\\": '
    b'\\"home-1:2026-06-01T12:15:00Z:0\\", \\"side\\": \\"SELL\\", \\"expirationTime\\": '
    b'\\"2026-06-01T12:38:00Z\\", \\"tenderDetail\\": {\\"stream\\": {\\"streamIntervalDuration\\": '
    b'\\"PT15M\\", \\"streamStart\\": \\"2026-06-01T12:30:00Z\\", \\"streamIntervals\\": [{\\"streamUid\\": '
    b'0, \\"streamIntervalPrice\\": 6000, \\"streamIntervalQuantity\\": 120}, {\\"streamUid\\": 1, '
    b'\\"streamIntervalPrice\\": 6000, \\"streamIntervalQuantity\\": 120}, {\\"streamUid\\": 2, '
    b'\\"streamIntervalPrice\\": 6000, \\"streamIntervalQuantity\\": 120}, {\\"streamUid\\": 3, '
    b'\\"streamIntervalPrice\\": 6000, \\"streamIntervalQuantity\\": 120}]}}}}"]'
)


def decode(body: bytes) -> Stored:
    """Raises ValueError or `zlib.error` where it is of another form."""
    kind, length = body[0], 1 + (_SIGNATURE if body[0] == _SIGNED else 0)
    press = zlib.decompressobj(-15, _COMMON)
    text = press.decompress(body[length:]) + press.flush()
    return _stored(kind, body[1:length], text)


def unpack(packed: bytes) -> Iterator[Stored]:
    """What a pack holds, in its order; errors as of `decode`."""
    (count,) = struct.unpack_from(">I", packed)
    kinds, offset = packed[4 : 4 + count], 4 + count
    signatures = []
    for kind in kinds:
        length = _SIGNATURE if kind == _SIGNED else 0
        signatures.append(packed[offset : offset + length])
        offset += length
    texts = lzma.decompress(packed[offset:]).split(b"\n")
    for parts in zip(kinds, signatures, texts, strict=True):
        yield _stored(*parts)


def _stored(kind: int, signature: bytes, text: bytes) -> Stored:
    operation, key, received_ms, status, result, header, payload = json.loads(text)
    said, signed = payload.encode(), None
    if kind == _SIGNED:
        parts = (header.encode(), said, signature)
        signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    elif kind == _TEXT:
        signed = header.encode("ascii")
    return Stored(operation, key, received_ms, status, result, said, signed)
