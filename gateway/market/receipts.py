"""Receipts: heads of our account, signed by us and countersigned by the exchange, for third parties.

A receipt file holds rows of the account, receipts for some of them, and the two public keys. Whoever
has it recomputes the chain from the first row and compares its hashes with what was signed; who changed
a row later would need the exchange's signature under another hash. `faults` needs nothing but the file
and the keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.market.signing import public_key, signed_payload
from gateway.store.chain import GENESIS, Row, canonical, chained

FORMAT = 1
Json = Mapping[str, Any]


def receipt_file(account: Iterable[Row], party_keys: Sequence[Json]) -> dict[str, Any]:
    """All rows of an account, its receipts among them, as one document.

    ``party_keys`` are all that have signed, the present one first. An exchange that has changed its key
    has told each with the receipts under it.
    """
    rows: list[dict[str, Any]] = [
        {"seq": seq, "time": time, "kind": kind, "body": json.loads(body)}
        for seq, time, kind, body in account
    ]
    told = [row["body"]["exchange_key"] for row in reversed(rows) if row["kind"] == "receipt"]
    keys = list({key["x"]: dict(key) for key in told}.values())  # the newest first, each once
    return {
        "format": FORMAT,
        "party_key": dict(party_keys[0]),
        "exchange_key": keys[0] if keys else None,
        "former_party_keys": [dict(key) for key in party_keys[1:]],
        "former_exchange_keys": keys[1:],
        "entries": rows,
    }


def keys_in(document: Json, whose: str) -> list[Json]:
    """The keys in the file of ``party`` or ``exchange``, the present one first; empty where none is."""
    present = document[f"{whose}_key"]
    return [] if present is None else [present, *document.get(f"former_{whose}_keys", [])]


def faults(document: Json, party_keys: Sequence[Json], exchange_keys: Sequence[Json]) -> list[str]:
    """What is not as it was signed with one of the keys, as sentences; empty when all of it holds.

    Raises ValueError, KeyError or TypeError where it is no receipt file.
    """
    if document["format"] != FORMAT:
        raise ValueError("of a newer gateway")
    hashes, receipts = _walked(document["entries"])
    found: list[str] = []
    if not receipts:
        found.append("no receipt is in it: nobody but the party vouches for these rows")
    for receipt in receipts:
        found += _receipt_faults(receipt, hashes, party_keys, exchange_keys)
    return found


def covered(document: Json) -> int:
    """Up to which row the newest receipt vouches; 0 = none does."""
    bodies = [row["body"] for row in document["entries"] if row["kind"] == "receipt"]
    return max((int(body["sequence"]) for body in bodies), default=0)


def _walked(rows: Iterable[Json]) -> tuple[dict[int, str], list[Json]]:
    """The hash of each row, recomputed from the first, and the receipts among them."""
    digest = GENESIS
    hashes: dict[int, str] = {}
    receipts: list[Json] = []
    for number, row in enumerate(rows, 1):
        if row["seq"] != number:
            raise ValueError(f"row {number} is missing")
        digest = chained(digest, (number, row["time"], row["kind"], canonical(row["body"])))
        hashes[number] = digest
        if row["kind"] == "receipt":
            receipts.append(row["body"])
    return hashes, receipts


def _receipt_faults(
    receipt: Json,
    hashes: Mapping[int, str],
    party_keys: Sequence[Json],
    exchange_keys: Sequence[Json],
) -> list[str]:
    sequence, signed = int(receipt["sequence"]), str(receipt["signed"])
    name = f"receipt for row {sequence}"
    found: list[str] = []
    ours = signed_payload(signed, *party_keys)
    theirs = signed_payload(str(receipt["countersigned"]), *exchange_keys)
    if ours is None:
        found.append(f"{name}: the party's signature does not verify")
    if theirs is None:
        found.append(f"{name}: the exchange's signature does not verify")
    for who, payload in (("party", ours), ("exchange", theirs)):
        if payload is None:
            continue
        said = json.loads(payload)
        if (said["headSequence"], said["headHash"]) != (sequence, hashes.get(sequence)):
            found.append(f"{name}: the {who} signed another account than this one")
        document = hashlib.sha256(signed.encode()).hexdigest()
        if who == "exchange" and said["documentSha256"] != document:
            found.append(f"{name}: the exchange signed for another document")
    return found


def fingerprint(key: Json) -> str:
    """To compare a key by eye (RFC 7638 thumbprint)."""
    return public_key(key).thumbprint()
