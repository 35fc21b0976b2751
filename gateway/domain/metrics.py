"""What a device can measure: one table of metrics and one of their units. Pure.

A row gives the topics, the sensor of Home Assistant, the sample of /metrics, the line on the page and the
documentation. Its unit may be any: `UNITS` only adds what other software calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as other software knows it. ``suffix`` ends the names of metrics in it.

    ``spelled`` is Prometheus's (base units in the plural), ``device_class`` Home Assistant's.
    """

    symbol: str
    suffix: str
    spelled: str
    device_class: str = ""


UNITS: Mapping[str, Unit] = {
    unit.symbol: unit
    for unit in (
        Unit("W", "_w", "watts", "power"),
        Unit("Wh", "_wh", "watt_hours", "energy"),
        Unit("%", "_pct", "percent"),
        Unit("Hz", "_hz", "hertz", "frequency"),
        Unit("V", "_v", "volts", "voltage"),
        Unit("A", "_a", "amperes", "current"),
        Unit("°C", "_c", "celsius", "temperature"),
        Unit("s", "_s", "seconds", "duration"),
    )
}


def unit_of(symbol: str) -> Unit:
    """What is known of a unit; one that is not in the table is spelled by its letters."""
    letters = "".join(c for c in symbol if c.isascii() and c.isalnum()).lower()
    return UNITS.get(symbol) or Unit(symbol, f"_{letters}" if letters else "", letters)


@dataclass(frozen=True, slots=True)
class Metric:
    """A name that readings and topics share, with its unit (SI or %), and what it is.

    ``counts``: it only grows, "for ever" or "a session". ``choices`` are the words of a state, where
    they are fixed. ``detail``: of interest to few. ``device_class`` is Home Assistant's, where it is
    not that of the unit.
    """

    name: str
    unit: str
    about: str
    counts: Literal["", "for ever", "a session"] = ""
    choices: tuple[str, ...] = ()
    detail: bool = False
    device_class: str = ""

    @property
    def title(self) -> str:
        return title(self.name, unit_of(self.unit).suffix)

    def short_title(self, start: str) -> str:
        """The title where ``start`` of the name is said by what it stands under."""
        return title(self.name.removeprefix(start), unit_of(self.unit).suffix)


_LIFETIME: Literal["for ever"] = "for ever"
_SG_READY = ("blocked", "normal", "encouraged", "ordered")
_CHARGER = ("idle", "plugged", "charging", "error")

PHASES = ("l1", "l2", "l3")

METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        Metric("ac_power_w", "W", "inverter AC output, to the home +"),
        Metric("pv_power_w", "W", "what the panels give"),
        Metric("pv_energy_wh", "Wh", "lifetime PV energy", _LIFETIME),
        Metric("battery_power_w", "W", "battery, discharge +, charge -"),
        Metric("battery_soc_pct", "%", "state of charge", device_class="battery"),
        Metric("battery_capacity_wh", "Wh", "usable capacity as the device states it", detail=True),
        Metric("battery_charge_wh", "Wh", "lifetime energy charged", _LIFETIME),
        Metric("battery_discharge_wh", "Wh", "lifetime energy discharged", _LIFETIME),
        Metric("battery_max_charge_w", "W", "largest charge power the device accepts", detail=True),
        Metric(
            "battery_max_discharge_w",
            "W",
            "largest discharge power the device accepts",
            detail=True,
        ),
        Metric("grid_power_w", "W", "grid connection, import +, export -"),
        Metric("grid_import_wh", "Wh", "lifetime energy imported", _LIFETIME),
        Metric("grid_export_wh", "Wh", "lifetime energy exported", _LIFETIME),
        *(
            Metric(f"grid_power_{n}_w", "W", f"phase {n.upper()} of it", detail=True)
            for n in PHASES
        ),
        *(Metric(f"grid_current_{n}_a", "A", f"of phase {n.upper()}", detail=True) for n in PHASES),
        Metric("grid_frequency_hz", "Hz", "grid frequency", detail=True),
        Metric("charger_power_w", "W", "power into the car"),
        Metric("charger_energy_wh", "Wh", "lifetime energy into cars", _LIFETIME),
        Metric(
            "charger_session_wh", "Wh", "energy into the car since it was plugged in", "a session"
        ),
        Metric("charger_state", "", " | ".join(_CHARGER), choices=_CHARGER),
        Metric("heat_power_w", "W", "what a heating rod, boiler or heat pump draws"),
        Metric("heat_energy_wh", "Wh", "lifetime energy into heat", _LIFETIME),
        Metric("heat_temperature_c", "°C", "water in the tank"),
        Metric("heat_pump_state", "", " | ".join(_SG_READY), choices=_SG_READY, detail=True),
        Metric("load_power_w", "W", "all consumption of the home, the car included"),
        Metric("inverter_state", "", "the inverter's own operating state", detail=True),
        Metric(
            "battery_mode", "", "auto | held: whether an external setpoint is active", detail=True
        ),
        Metric(
            "operator_signal",
            "",
            "a relay of the grid operator: numbers of its active contacts, or none",
        ),
        Metric("pv_limit_pct", "%", "active limit of generation, 100 = none", detail=True),
    )
}


_WORDS = {"pv": "PV", "soc": "state of charge", "ac": "AC"} | {
    phase: phase.upper() for phase in PHASES
}


def title(name: str, suffix: str = "") -> str:
    """A name for people: ``battery_soc_pct`` -> ``Battery state of charge``."""
    words = " ".join(_WORDS.get(word, word) for word in name.removesuffix(suffix).split("_"))
    return words[:1].upper() + words[1:]
