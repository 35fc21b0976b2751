"""What makers do differently from the SunSpec standard, or leave unsaid: one row a maker."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MakerQuirk:
    """``says`` is found in manufacturer and model.

    ``meter_sign``: what makes import + of the meter's power. ``battery_input``: the module of model
    160 that holds the battery where its name does not say so. ``other_meters``: options (model 1)
    of meters that measure something else than the grid connection. ``export_below_0``: its counter
    of export runs down from 0.
    """

    says: str
    meter_sign: int = 1
    battery_input: int | None = None
    other_meters: str = ""
    export_below_0: bool = False


QUIRKS = (
    # counts export as +, and has meters of its production and of loads in the same chain
    MakerQuirk("solaredge", meter_sign=-1, other_meters=r"^(production|consumption)"),
    # evcc-io/evcc#18358
    MakerQuirk("kostal (ksem|smart energy meter)", export_below_0=True),
    # 'String 2' is the battery (evcc-io/evcc#19078, hilman2/ha-sunspec2)
    MakerQuirk("fronius symo hybrid", battery_input=1),
)
_NONE = MakerQuirk("")


def quirk_of(manufacturer: str, model: str) -> MakerQuirk:
    """The maker's row; the standard alone where there is none."""
    says = f"{manufacturer} {model}"
    return next((q for q in QUIRKS if re.search(q.says, says, re.IGNORECASE)), _NONE)
