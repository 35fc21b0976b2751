"""Refusals as problem+json (RFC 9457), with the reject reason of FIX tag 103."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Problem(Exception):
    """A refusal: ``kind`` names it (``gate-closed``), ``status`` is HTTP, ``reject`` FIX 103."""

    kind: str
    status: int
    detail: str
    reject: int | None = None
    retry_after_s: int | None = None


def malformed(detail: str) -> Problem:
    return Problem("malformed", 400, detail)


def missing_key() -> Problem:
    return Problem("missing-idempotency-key", 400, "send the header Idempotency-Key")


def unauthorized(detail: str) -> Problem:
    return Problem("unauthorized", 401, detail)


def bad_signature(detail: str) -> Problem:
    return Problem("bad-signature", 401, detail)


def forbidden(detail: str) -> Problem:
    return Problem("forbidden", 403, detail)


def party_mismatch(claimed: str) -> Problem:
    return Problem("party-mismatch", 403, f"partyId {claimed!r} is not the party that signed in")


def party_revoked(party_id: str) -> Problem:
    return Problem("party-revoked", 403, f"party {party_id!r} is revoked", 15)


def unknown_instrument(detail: str) -> Problem:
    return Problem("unknown-instrument", 404, detail, 1)


def unknown_tender(detail: str) -> Problem:
    return Problem("unknown-tender", 404, detail, 5)


def duplicate_tender(tender_id: str) -> Problem:
    return Problem("duplicate-tender", 409, f"tenderId {tender_id!r} was used before", 6)


def gate_closed(detail: str) -> Problem:
    return Problem("gate-closed", 409, detail, 4)


def conflict(detail: str) -> Problem:
    return Problem("conflict", 409, detail)


def key_reused() -> Problem:
    return Problem("key-reused", 422, "this Idempotency-Key was used with another body")


def bad_quantity(detail: str) -> Problem:
    return Problem("quantity", 422, detail, 13)


def price_band(detail: str) -> Problem:
    return Problem("price-band", 422, detail, 16)


def tick(detail: str) -> Problem:
    return Problem("tick", 422, detail, 18)


def exceeds_capacity(detail: str) -> Problem:
    return Problem("exceeds-capacity", 422, detail, 3)


def unsupported(detail: str) -> Problem:
    return Problem("unsupported", 422, detail, 11)


def self_cross(detail: str) -> Problem:
    return Problem("self-cross", 422, detail, 99)


def halted() -> Problem:
    return Problem("halted", 503, "the market is halted", 2, retry_after_s=60)


def storage() -> Problem:
    return Problem("storage", 503, "nothing can be stored now; send it again", retry_after_s=60)


def too_many(detail: str, retry_after_s: int) -> Problem:
    return Problem("too-many-requests", 429, detail, retry_after_s=retry_after_s)
