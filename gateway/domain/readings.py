"""What was measured: a value or None, with its quality and time; and the home at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.domain.metrics import METRICS
from gateway.domain.sentences import Sentence


class Quality(StrEnum):
    """Why a reading may or may not be used. Only GOOD readings carry a value into decisions."""

    GOOD = "good"
    STALE = "stale"  # was good; the device has not answered since
    ABSENT = "absent"  # the device says that it does not implement this
    BAD = "bad"  # an error, or a value that cannot be


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value. ``value`` is None unless quality is GOOD or STALE."""

    metric: str
    value: float | str | None
    quality: Quality
    time: datetime

    @property
    def unit(self) -> str:
        known = METRICS.get(self.metric)
        return known.unit if known else ""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The latest of one device: readings by metric name; ``online`` is False from the first loss.

    ``asleep``: it fell silent in the dark, as its kind does; no fault. ``notes`` are for people, on
    how it is steered, and why not. ``made_by`` is its maker and model as it states them, empty where it does not;
    ``versions`` its firmware and the datasheet it is read by. ``fault`` is why the last poll of one that is not
    online failed.
    """

    name: str
    online: bool
    readings: Mapping[str, Reading] = field(default_factory=dict)
    asleep: bool = False
    notes: tuple[Sentence, ...] = ()
    made_by: tuple[str, str] = ("", "")
    versions: tuple[str, str] = ("", "")
    fault: Sentence | None = None

    def number(self, metric: str) -> float | None:
        """The value if it is good and a number, else None (never a stale or invented value)."""
        reading = self.readings.get(metric)
        if reading is None or reading.quality is not Quality.GOOD:
            return None
        return reading.value if isinstance(reading.value, int | float) else None

    def text(self, metric: str) -> str | None:
        reading = self.readings.get(metric)
        if reading is None or reading.quality is not Quality.GOOD:
            return None
        return reading.value if isinstance(reading.value, str) else None


class Role(StrEnum):
    """What a device's power stands for, where the device itself does not say it."""

    GRID = "grid"  # the grid connection
    PV = "pv"
    BATTERY = "battery"
    CHARGER = "charger"
    SUBMETER = "submeter"  # a part of the load, in no sum


@dataclass(frozen=True, slots=True)
class BatteryState:
    """One battery. Powers W (discharge +), None = not known.

    ``capacity_wh`` and the two limits are as the device states them, None where it does not.
    ``steerable``: a power can be asked of it; else it is a part of the home as any other.
    """

    name: str
    power_w: float | None
    soc_pct: float | None
    capacity_wh: float | None = None
    max_charge_w: float | None = None
    max_discharge_w: float | None = None
    steerable: bool = True


@dataclass(frozen=True, slots=True)
class ChargerState:
    """One charger. ``plugged``: a car stands there; ``session_wh`` what that car has got so far.

    None = not known (a charger that does not count has no ``session_wh`` for ever). ``steerable``: a
    current can be asked of it; else it is load. ``phases`` and ``most_w`` are what its car was seen to draw
    from and at most (None: not seen yet, no limit but the charger's). ``switchable``: it can be told to use
    one phase only; ``other_phases`` are those from which its car would draw if the charger were switched
    (None: it cannot be, or the car would draw from as many).
    """

    name: str
    power_w: float | None
    plugged: bool | None
    session_wh: float | None = None
    steerable: bool = True
    phases: int | None = None
    most_w: float | None = None
    switchable: bool = False
    other_phases: int | None = None


@dataclass(frozen=True, slots=True)
class HeaterState:
    """One heating rod, boiler or heat pump; None = not known.

    ``steerable``: a power (of a ``pump``: an SG Ready state) can be asked of it; else it is load. ``got_wh`` is what it
    has drawn since its water was last to be ready.
    """

    name: str
    power_w: float | None
    temperature_c: float | None
    steerable: bool = True
    pump: bool = False
    got_wh: float = 0.0


@dataclass(frozen=True, slots=True)
class InverterState:
    """What brings energy of panels or batteries to the home's wires, W, None = not known.

    ``tells_ac``: it measures its AC output (also when that is not known at this moment).
    ``limitable``: its output can be limited.
    """

    name: str
    pv_w: float | None
    ac_w: float | None
    tells_ac: bool
    limitable: bool = True


@dataclass(frozen=True, slots=True)
class MeterState:
    """One meter. ``role`` None: it might be the grid's or another, and nobody said which.

    ``power_w`` of what it feeds is +; counters Wh.
    """

    name: str
    role: Role | None
    power_w: float | None
    import_wh: float | None
    export_wh: float | None


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the grid connection as its meter tells it; None = not known.

    ``power_w`` import +; ``current_a`` its size, for few meters say which way it flows.
    """

    power_w: float | None
    current_a: float | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The home at one moment: its devices, and the sums that can be trusted.

    A sum is None when any part of it is missing. ``*_w`` in W by the sign convention of
    `gateway.domain`; counters in Wh. ``battery_soc_pct`` is weighted by capacity where all
    batteries state theirs. ``off_grid``: the grid is away and the home lives on its own; None where
    no inverter tells. ``phases`` of the grid connection are empty where its meter tells only the sum.
    """

    time: datetime
    devices: Mapping[str, DeviceState]
    pv_w: float | None
    battery_w: float | None
    battery_soc_pct: float | None
    grid_w: float | None
    load_w: float | None
    charger_w: float | None
    car_plugged: bool | None
    car_session_wh: float | None
    grid_import_wh: float | None
    grid_export_wh: float | None
    batteries: tuple[BatteryState, ...] = ()
    chargers: tuple[ChargerState, ...] = ()
    inverters: tuple[InverterState, ...] = ()
    meters: tuple[MeterState, ...] = ()
    off_grid: bool | None = None
    phases: tuple[Phase, ...] = ()
    heaters: tuple[HeaterState, ...] = ()

    @property
    def rods(self) -> tuple[HeaterState, ...]:
        """The rods and boilers that heat by our word."""
        return tuple(h for h in self.heaters if h.steerable and not h.pump)

    @property
    def rods_w(self) -> float | None:
        """What they draw, W: no part of what the house draws by itself. 0 without one."""
        parts = [h.power_w for h in self.rods]
        known = [w for w in parts if w is not None]
        return sum(known) if len(known) == len(parts) else None

    @property
    def charger_phases(self) -> int | None:
        """From how many phases the car draws, as far as it was seen; None also where the cars of several chargers differ."""
        known = {charger.phases for charger in self.chargers if charger.plugged}
        return known.pop() if len(known) == 1 else None


@dataclass(frozen=True, slots=True)
class Poll:
    """How one poll of a device went, for the metrics."""

    device: str
    seconds: float
    answered: bool
