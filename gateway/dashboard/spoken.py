"""A sentence as the page says it in the reader's language: its English, and what that is made of. Pure."""

from __future__ import annotations

from typing import Any

from gateway.domain.sentences import Sentence, template


def spoken(said: Sentence) -> dict[str, Any]:
    """``text`` in English; ``say`` with ``values`` (strings, or such again) in its places, after ``who`` if it is about a device."""
    return {
        "text": said.text,
        "code": said.code,
        "who": said.who,
        "say": template(said),
        "values": {n: spoken(v) if isinstance(v, Sentence) else v for n, v in said.values},
    }
