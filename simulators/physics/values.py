"""What the physics of the home is about: its equipment, what is asked of it, what it does and what it has counted. Frozen values.

Sign convention of `gateway.domain`: grid import +, battery discharge +, PV and load +. Battery power is at the DC terminals of the
battery, which is what a hybrid inverter reports. Powers W, energies Wh.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simulators.physics.heat import HeatState
from simulators.physics.storage import Storage

PHASES = 3
VOLTAGE_V = 230.0
MIN_CURRENT_A = 6.0  # IEC 61851: a car charges at no less, or not at all


@dataclass(frozen=True, slots=True)
class Battery:
    """A home battery. Efficiencies are one way, between terminals and cells."""

    capacity_wh: float = 13_500.0
    max_charge_w: float = 5_000.0
    max_discharge_w: float = 5_000.0
    charge_efficiency: float = 0.975
    discharge_efficiency: float = 0.975
    standby_w: float = 8.0
    min_soc_pct: float = 5.0
    taper_from_pct: float = 95.0  # above, the charge power falls in a line ...
    taper_to: float = 0.2  # ... to this share at 100 %


@dataclass(frozen=True, slots=True)
class Inverter:
    """A hybrid inverter: DC of panels and battery to AC and back."""

    ac_rating_w: float = 10_000.0
    efficiency: float = 0.97
    idle_w: float = 12.0


@dataclass(frozen=True, slots=True)
class Car:
    """A car at an 11 kW three-phase charger; it takes what it is given, less near full.

    It draws from as many of the charger's phases as ``phases`` says.
    """

    capacity_wh: float = 60_000.0
    max_current_a: float = 16.0
    phases: int = PHASES
    charge_efficiency: float = 0.92
    taper_from_pct: float = 80.0
    taper_to: float = 0.12


@dataclass(frozen=True, slots=True)
class House:
    """What stands in the home. ``ac_coupled``: the battery's inverter also stores what others feed in. ``storage`` is
    one more battery, on the AC side.
    """

    battery: Battery = field(default_factory=Battery)
    inverter: Inverter = field(default_factory=Inverter)
    car: Car = field(default_factory=Car)
    ac_coupled: bool = False
    storage: Storage | None = None


@dataclass(frozen=True, slots=True)
class BoxCommands:
    """What is asked of one more charger: A a phase, the phases that it switches on."""

    current_a: float = 16.0
    phases: int = PHASES


@dataclass(frozen=True, slots=True)
class Commands:
    """What the devices' registers ask for now. None = no such limit.

    ``discharge_limit_w`` bounds the battery's power from above, ``charge_limit_w`` its charging;
    a negative one forces the other direction, as SunSpec model 124 has it. ``pv_limit_w`` bounds
    the inverter's AC output, ``export_limit_w`` the export at the meter; ``ac_power_w`` asks for
    this AC output (negative = from the grid) instead of self-consumption, ``grid_power_w`` for this power at
    the meter (import +). ``ac_pv_limit_w`` bounds a
    second inverter that has panels only; ``boxes`` are further chargers; ``rod_w`` is what a boiler's rod
    is told, ``sg_ready`` the state of a heat pump, ``storage_w`` what the second battery is asked for.
    """

    discharge_limit_w: float | None = None
    charge_limit_w: float | None = None
    grid_charge: bool = False
    reserve_pct: float = 5.0
    pv_limit_w: float | None = None
    export_limit_w: float | None = None
    ac_power_w: float | None = None
    grid_power_w: float | None = None
    connected: bool = True
    charge_current_a: float = 16.0
    charge_phases: int = PHASES
    charger_enabled: bool = True
    ac_pv_limit_w: float | None = None
    boxes: tuple[BoxCommands, ...] = ()
    rod_w: float = 0.0
    sg_ready: int = 2
    storage_w: float | None = None


@dataclass(frozen=True, slots=True)
class AtBox:
    """The car that stands at a charger now; ``takes`` is False while it refuses what it is offered."""

    car: Car
    takes: bool = True


@dataclass(frozen=True, slots=True)
class Inputs:
    """What comes from outside in this step: DC power of the panels, load, whether a car is there.

    ``car`` is which one (None: the house's), ``ac_pv_w`` what a second inverter's panels could give,
    ``boxes`` who stands at further chargers (None: nobody).
    ``outage``: there is no grid, and the inverter feeds the home alone. ``storage_w`` is what the second battery gives.
    """

    pv_w: float
    load_w: float
    car_plugged: bool = False
    car: AtBox | None = None
    ac_pv_w: float = 0.0
    boxes: tuple[AtBox | None, ...] = ()
    outage: bool = False
    storage_w: float = 0.0


@dataclass(frozen=True, slots=True)
class Powers:
    """Powers in W during the last step. ``ev`` is the first charger's, ``boxes_w`` the others' sum."""

    pv: float = 0.0
    pv_possible: float = 0.0
    battery: float = 0.0
    inverter_ac: float = 0.0
    load: float = 0.0
    ev: float = 0.0
    grid: float = 0.0
    losses: float = 0.0
    boxes_w: float = 0.0
    ac_pv: float = 0.0
    ac_pv_possible: float = 0.0
    storage: float = 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """Energies in Wh since the start. ``charge`` and ``discharge`` at the battery's terminals."""

    pv: float = 0.0
    load: float = 0.0
    ev: float = 0.0
    grid_import: float = 0.0
    grid_export: float = 0.0
    charge: float = 0.0
    discharge: float = 0.0
    inverter_out: float = 0.0
    inverter_in: float = 0.0
    losses: float = 0.0
    curtailed: float = 0.0
    boxes: float = 0.0
    ac_pv: float = 0.0
    storage_out: float = 0.0
    storage_in: float = 0.0


@dataclass(frozen=True, slots=True)
class BoxState:
    """One more charger: its power, what its car has stored, what that got since it came, and all it gave."""

    power_w: float = 0.0
    car_stored_wh: float = 0.0
    session_wh: float = 0.0
    plugged: bool = False
    total_wh: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """The home at a moment: what is stored, the powers of the step before it, and the totals."""

    stored_wh: float
    car_stored_wh: float = 30_000.0
    session_wh: float = 0.0
    car_plugged: bool = False
    boxes: tuple[BoxState, ...] = ()
    powers: Powers = field(default_factory=Powers)
    totals: Totals = field(default_factory=Totals)
    boiler: HeatState | None = None
    pump: HeatState | None = None
    storage_wh: float = 0.0


def soc_pct(house: House, state: State) -> float:
    """State of charge of the home battery in %."""
    return 100.0 * state.stored_wh / house.battery.capacity_wh


def imbalance_wh(start: State, end: State) -> float:
    """Energy that appeared (+) or vanished (-) between two states; 0 but for float rounding."""
    a, b = start.totals, end.totals
    used = (b.load - a.load) + (b.ev - a.ev) + (b.boxes - a.boxes) + (b.losses - a.losses)
    used += end.stored_wh - start.stored_wh
    given = (
        (b.pv - a.pv)
        + (b.ac_pv - a.ac_pv)
        + (b.grid_import - a.grid_import)
        - (b.grid_export - a.grid_export)
        + (b.storage_out - a.storage_out)
        - (b.storage_in - a.storage_in)
    )
    return used - given
