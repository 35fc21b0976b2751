"""Where each value stands in the registers that the guard reads; the guard's sheets bridge-*.toml say the same.

Input or holding registers from 0: 'HEGB', the format's number, the device's name; from 100 on four registers a metric, a 64-bit
float. Not a number: the device does not have it. Infinite: it is not known now (too old, or nonsense).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping

MAGIC, FORMAT, NAME_WORDS = b"HEGB", 1, 16
FIRST, WORDS = 100, 4
LAYOUT = (
    "grid_power_w",
    "grid_import_wh",
    "grid_export_wh",
    "grid_frequency_hz",
    "grid_power_l1_w",
    "grid_power_l2_w",
    "grid_power_l3_w",
    "grid_current_l1_a",
    "grid_current_l2_a",
    "grid_current_l3_a",
    "pv_power_w",
    "pv_energy_wh",
    "battery_power_w",
    "battery_soc_pct",
    "battery_charge_wh",
    "battery_discharge_wh",
    "load_power_w",
    "charger_state",
    "charger_power_w",
    "charger_energy_wh",
    "charger_session_wh",
    "heat_power_w",
    "heat_temperature_c",
    "heat_pump_state",
)
STATES = ("idle", "plugged", "charging", "error")
SG_READY = ("blocked", "normal", "encouraged", "ordered")
CHOICES = {"charger_state": STATES, "heat_pump_state": SG_READY}  # a state is its place among them
END = FIRST + WORDS * len(LAYOUT)
Known = Mapping[str, Callable[[], float | None]]  # None: not known now


def address(metric: str) -> int:
    """The first of its four registers."""
    return FIRST + WORDS * LAYOUT.index(metric)


def registers(name: str, known: Known) -> bytes:
    """All registers of one device, as they are now."""
    head = (
        MAGIC
        + FORMAT.to_bytes(2, "big")
        + name.encode()[: 2 * NAME_WORDS].ljust(2 * NAME_WORDS, b"\0")
    )
    values = b"".join(struct.pack(">d", _shown(known.get(metric))) for metric in LAYOUT)
    return head.ljust(2 * FIRST, b"\0") + values


def _shown(value: Callable[[], float | None] | None) -> float:
    if value is None:
        return math.nan
    now = value()
    return math.inf if now is None else now
