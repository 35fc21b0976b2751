"""A charger's registers as the guard reads and writes them; the guard's sheet bridge-ocpp.toml says the same.

Behind those of every bridged device (`gateway.bridge.layout`): who the charger is (16 registers each), what is asked of it (0.01 A; 65535:
nothing) with the seconds for which that holds, and whether it can be asked.
"""

from __future__ import annotations

import struct

from gateway.bridge.layout import END, NAME_WORDS, registers
from gateway.bridge.ocpp.charger import Charger

TEXTS, LIMIT, LEASE = 200, 300, 301
_MOST_LIMIT = 8000  # 80 A; 65535 is nobody's
_FREE = 0xFFFF


def image(charger: Charger) -> bytes:
    """All registers, as they are now."""
    base = registers(charger.name, charger.known())
    texts = b"".join(
        text.encode()[: 2 * NAME_WORDS].ljust(2 * NAME_WORDS, b"\0")
        for text in (
            charger.vendor,
            charger.model,
            charger.firmware,
            charger.serial or charger.name,
        )
    )
    limit, lease_s = charger.asked
    ready = int(charger.steerable)
    head = base[: 2 * END].ljust(2 * TEXTS, b"\0") + texts
    return head.ljust(2 * LIMIT, b"\0") + struct.pack(">HHH", limit, lease_s, ready)


def take(charger: Charger, first: int, words: tuple[int, ...]) -> bool:
    """Limit and lease are written together."""
    if first != LIMIT or len(words) != 2:
        return False
    limit, lease_s = words
    if limit != _FREE and limit > _MOST_LIMIT:
        return False
    return charger.ask(limit, lease_s)
