"""A charger's registers as the guard reads and writes them; the guard's sheet bridge-ocpp.toml says the same.

Behind those of every bridged device (`gateway.bridge.layout`): who the charger is (16 registers each, empty until it was asked), what is asked
of it (0.01 A; 65535: nothing) with the seconds for which that holds, whether it can be asked; then whether it shall charge from one phase (1; 0:
nothing is asked) with its seconds, and whether it can.
"""

from __future__ import annotations

import struct

from gateway.bridge.layout import END, NAME_WORDS, registers
from gateway.bridge.ocpp.charger import Charger

TEXTS, LIMIT, PHASES = 200, 300, 303
_MOST_LIMIT = 8000  # 80 A; 65535 is nobody's
_FREE = 0xFFFF


def image(charger: Charger) -> bytes:
    """All registers, as they are now."""
    base = registers(charger.name, charger.known())
    texts = b"".join(
        text.encode()[: 2 * NAME_WORDS].ljust(2 * NAME_WORDS, b"\0") for text in _who(charger)
    )
    limit, lease_s = charger.asked
    ready, phases = int(charger.steerable), (*charger.asked_phases, int(charger.switches_phases))
    head = base[: 2 * END].ljust(2 * TEXTS, b"\0") + texts
    return (
        head.ljust(2 * LIMIT, b"\0")
        + struct.pack(">HHH", limit, lease_s, ready)
        + struct.pack(">HHH", *phases)
    )


def _who(charger: Charger) -> tuple[str, ...]:
    if not charger.greeted:
        return ("", "", "", charger.name)
    return (charger.vendor, charger.model, charger.firmware, charger.serial or charger.name)


def take(charger: Charger, first: int, words: tuple[int, ...]) -> bool:
    """Limit and lease are written together, and so are phases and theirs."""
    if first not in (LIMIT, PHASES) or len(words) != 2:
        return False
    limit, lease_s = words
    if first == PHASES:
        return limit in (0, 1) and charger.ask_phases(limit == 1, lease_s)
    if limit != _FREE and limit > _MOST_LIMIT:
        return False
    return charger.ask(limit, lease_s)
