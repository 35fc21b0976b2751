"""Receipts: the exchange signs that a party showed it the head of its account at a time.

A head is a row number and the hash that vouches for all rows before it. Who rewrites the account later
needs this signature for another hash, and does not get it. The key is made at the first start.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.jwk import OKPKey
from joserfc.registry import HeaderParameter

from gateway.domain.intervals import iso
from simulators.exchange.jose import ALGORITHM, JOSE_TYPE
from simulators.exchange.market import Market
from simulators.exchange.rows import Batch

_KEY = "receipt_key"  # the name of a mark
_REGISTRY = jws.JWSRegistry({"iat": HeaderParameter("Issued at", "int", True)}, [ALGORITHM])


async def make_key(market: Market) -> None:
    """Have the key that receipts are signed with."""
    if _KEY not in market.marks:
        key = OKPKey.generate_key("Ed25519", {"kid": "exchange-1"}, private=True)
        batch = Batch()
        market.mark(_KEY, json.dumps(key.as_dict(private=True)), batch)
        await market.ledger.append(batch)


def public_key(market: Market) -> dict[str, Any]:
    return dict(_key(market).as_dict(private=False))


def countersigned(
    market: Market, party_id: str, head: tuple[int, str], signed: bytes | None, now: datetime
) -> str:
    """The receipt as compact JWS; ``signed`` is the document that the party sent."""
    said = {
        "partyId": party_id,
        "headSequence": head[0],
        "headHash": head[1],
        "documentSha256": hashlib.sha256(signed or b"").hexdigest(),
        "receivedDateTime": iso(now),
    }
    header: dict[str, Any] = {"alg": ALGORITHM, "kid": _key(market).kid, "typ": JOSE_TYPE}
    header |= {"iat": int(now.timestamp())}
    return jws.serialize_compact(
        header,
        json.dumps(said, sort_keys=True).encode(),
        _key(market),
        algorithms=[ALGORITHM],
        registry=_REGISTRY,
    )


def _key(market: Market) -> OKPKey:
    return OKPKey.import_key(json.loads(market.marks[_KEY]))
