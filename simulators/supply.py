"""How the retailer sells at the exchange: a choice of its operator."""

from __future__ import annotations

from enum import StrEnum


class Supply(StrEnum):
    """``BACKSTOP`` at one price without end; ``CURVE`` dearer, the more a call asks of him."""

    BACKSTOP = "backstop"
    CURVE = "curve"


class Counterpart(StrEnum):
    """Whom the demo's home deals with: an energy exchange beside its retailer, or the retailer alone."""

    EXCHANGE = "exchange"
    NONE = "none"
