"""A sentence for people as a text column holds it: JSON, so that it is said in any language later."""

from __future__ import annotations

import msgspec

from gateway.domain.sentences import Sentence, other

_DECODER = msgspec.json.Decoder(Sentence)


def packed(said: Sentence) -> str:
    """One line of JSON."""
    return msgspec.json.encode(said).decode()


def unpacked(text: str) -> Sentence:
    """What `packed` made; a gateway of before kept the English itself."""
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return other(text)
