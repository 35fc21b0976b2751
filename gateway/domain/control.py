"""What the home's devices are asked to do, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from gateway.domain.heat import Heater, HeatReason
from gateway.domain.plan import Curve

UNBALANCE_A = 20.0  # 4.6 kVA between phases (VDE-AR-N 4100)


class Control(StrEnum):
    """A thing that can be steered; a device that cannot do it does not list it."""

    BATTERY_POWER = "battery_power_w"  # W, discharge +, charge -
    PV_LIMIT = "pv_limit_w"  # W, upper limit of the inverter's AC output
    EXPORT_LIMIT = "export_limit_w"  # W, upper limit at the grid connection, kept by the device
    RESERVE = (
        "reserve_pct"  # state of charge below which the device itself gives no more on the grid
    )
    CHARGE_CURRENT = "charge_current_a"  # A per phase, 0 = pause
    CHARGE_PHASES = "charge_phases"  # 1 = one phase only; released: as many as there are
    HEAT_POWER = "heat_power_w"  # W into a rod or boiler, 0 = off
    SG_READY = "sg_ready"  # a heat pump's state 1 to 4 (`gateway.domain.heat`); released: 2, normal


class Reason(StrEnum):
    """Which rule decided: the value is for programs, `words` are for people."""

    RELEASED = "released"
    NOT_MEASURED = "not_measured"
    SELF_CONSUMPTION = "self_consumption"
    PRICE_REST = "price_rest"
    PRICE_CHARGE = "price_charge"
    PRICE_DISCHARGE = "price_discharge"
    DELIVERY = "delivery"
    HOLD = "hold"
    RESERVE = "reserve"
    NOT_RESOLD = "not_resold"
    EXPORT_LIMIT = "export_limit"
    IMPORT_LIMIT = "import_limit"
    FUSE = "fuse"
    OFF_GRID = "off_grid"
    NOT_FOR_CAR = "not_for_car"
    GRID_OPERATOR = "grid_operator"

    @property
    def words(self) -> str:
        """The reason as half a sentence."""
        return _WORDS[self]

    @property
    def priced(self) -> bool:
        """Whether only prices ask for it: that may wait for the dwell time, a limit never does."""
        return self in _PRICED


_WORDS = {
    Reason.RELEASED: "left to the inverter",
    Reason.NOT_MEASURED: "left to the inverter: meter or battery does not answer",
    Reason.SELF_CONSUMPTION: "the inverter keeps the meter at zero",
    Reason.PRICE_REST: "the battery rests: later is better",
    Reason.PRICE_CHARGE: "the battery charges: energy is cheap now",
    Reason.PRICE_DISCHARGE: "the battery gives: energy is dear now",
    Reason.DELIVERY: "delivering what was sold",
    Reason.HOLD: "the battery is held by the user",
    Reason.RESERVE: "the battery is at its backup reserve",
    Reason.NOT_RESOLD: "the stored energy stays at home",
    Reason.EXPORT_LIMIT: "no more may be fed into the grid",
    Reason.IMPORT_LIMIT: "no more may be drawn from the grid",
    Reason.FUSE: "the fuse carries no more",
    Reason.GRID_OPERATOR: "the grid operator allows no more",
    Reason.NOT_FOR_CAR: "the car is not charged from the battery",
    Reason.OFF_GRID: "the grid is away: all that is stored is the house's",
}
_PRICED = frozenset(
    {
        Reason.SELF_CONSUMPTION,
        Reason.PRICE_REST,
        Reason.PRICE_CHARGE,
        Reason.PRICE_DISCHARGE,
        Reason.NOT_FOR_CAR,
    }
)


class PhaseReason(StrEnum):
    """Why a charger was switched to the phases that it uses."""

    LITTLE = "little_power"  # what its car is to get is less than all phases take at least
    MUCH = "much_power"  # it is more than one phase takes at most
    URGENT = "full_power"  # it is to charge as fast as it can


@dataclass(frozen=True, slots=True)
class Setpoints:
    """What every device is asked for at one tick; what is not named or None is released to itself.

    ``batteries_w`` by name, discharge +, charge -; ``chargers_a`` by name, A per phase, 0 = pause;
    ``charger_phases`` are those that are to switch on one phase only, by name, and ``phase_reasons`` say why each that
    was switched, either way, uses the phases that it uses.
    ``export_limit_w`` is for devices that keep such a limit by themselves; ``pv_limits_w`` are the most that
    inverters may feed into the home, by name, where none does. ``reserve_pct`` is for devices that keep a reserve by
    themselves, which they go on doing when the gateway is dead. ``reason`` says which rule decided the battery.
    ``heaters_w`` are the rods and boilers, ``sg_ready`` the heat pumps that are told another state than
    normal, ``heat_reasons`` say why of each.
    """

    batteries_w: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    chargers_a: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    charger_phases: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    pv_limits_w: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    export_limit_w: int | None = None
    reason: Reason = Reason.RELEASED
    reserve_pct: int | None = None
    phase_reasons: Mapping[str, PhaseReason] = field(default_factory=lambda: MappingProxyType({}))
    heaters_w: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    sg_ready: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    heat_reasons: Mapping[str, HeatReason] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def battery_w(self) -> int | None:
        """All batteries together; None = released."""
        return sum(self.batteries_w.values()) if self.batteries_w else None

    @property
    def charge_current_a(self) -> float | None:
        """All chargers together; None = released."""
        return sum(self.chargers_a.values()) if self.chargers_a else None

    @property
    def pv_limit_w(self) -> int | None:
        """All inverters together; None = no limit."""
        return sum(self.pv_limits_w.values()) if self.pv_limits_w else None


@dataclass(frozen=True, slots=True)
class Fuse:
    """The fuse of each phase, A, and how it is known that it is kept.

    ``volts`` of a phase against neutral; ``unbalance_a``: so much more than each other phase the most loaded
    one may carry, where the meter tells only the sum.
    """

    amps: float
    phases: int = 3
    volts: float = 230.0
    unbalance_a: float = UNBALANCE_A


@dataclass(frozen=True, slots=True)
class GridLimits:
    """What may be drawn from and fed into the grid now, to be kept at its meter; W, None = no limit.

    ``phase_w`` is what one phase may draw. ``unpaid``: surplus costs money, so control aims at none of it.
    """

    import_w: float | None = None
    export_w: float | None = None
    phase_w: float | None = None
    unpaid: bool = False

    @property
    def feed_in_w(self) -> float | None:
        """What control aims at. That nothing is fed in for a price is a wish: more than that breaks no limit."""
        return 0.0 if self.unpaid else self.export_w


@dataclass(frozen=True, slots=True)
class Tightening:
    """How much tighter than it is a limit is taken, W, for the meter says that it is not kept."""

    export_w: float = 0.0
    import_w: float = 0.0
    phase_w: float = 0.0


@dataclass(frozen=True, slots=True)
class BatteryAssumptions:
    """What is assumed of the batteries. Sizes are of all together; None = what the devices state.

    Efficiencies one way (AC to stored, stored to AC); ``wear_per_mwh`` is the cost of a MWh discharged.
    """

    capacity_wh: float | None = None
    max_charge_w: float | None = None
    max_discharge_w: float | None = None
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    charge_curve: Curve = ()
    discharge_curve: Curve = ()
    standby_w: float = 0.0
    wear_per_mwh: float = 20.0


@dataclass(frozen=True, slots=True)
class ChargerAssumptions:
    """How a charger's current relates to power. ``min_a`` is the least a car accepts (IEC 61851: 6 A)."""

    phases: int = 3
    volts: float = 230.0
    min_a: float = 6.0
    max_a: float = 16.0

    @property
    def per_ampere_w(self) -> float:
        return self.phases * self.volts

    @property
    def min_power_w(self) -> float:
        return self.min_a * self.per_ampere_w

    @property
    def max_power_w(self) -> float:
        return self.max_a * self.per_ampere_w


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """What stays as long as the configuration does. Powers W, None = no such limit.

    ``import_limit_w`` is the most the connection draws, ``export_limit_w`` what its agreement allows,
    ``fuse`` that of each phase; ``phases`` (from 1) are those that a device is on, by name, where told.
    ``chargers`` are those that differ from ``charger``, by name. Changes below ``deadband_w`` are not
    made; a mode that prices chose stays for ``dwell_s``, a car that charges or waits for ``car_dwell_s``.
    ``car_start_cost`` is what a start of a car costs, ``battery_switch_cost`` a change of the battery's mode,
    currency units. Between two switches of a charger's phases lie ``phase_dwell_s``, and one costs
    ``phase_switch_cost``. ``heaters`` are what the owner says of each, by name; one that is not in it is not steered.
    """

    zone: ZoneInfo
    import_limit_w: float | None = None
    export_limit_w: float | None = None
    battery: BatteryAssumptions = BatteryAssumptions()
    charger: ChargerAssumptions = ChargerAssumptions()
    chargers: Mapping[str, ChargerAssumptions] = field(default_factory=lambda: MappingProxyType({}))
    deadband_w: float = 50.0
    dwell_s: float = 30.0
    car_dwell_s: float = 120.0
    car_start_cost: float = 0.02
    battery_switch_cost: float = 0.001
    phase_dwell_s: float = 300.0
    phase_switch_cost: float = 0.03
    fuse: Fuse | None = None
    phases: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    heaters: Mapping[str, Heater] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def one_phase_a(self) -> float:
        """The most current of one phase alone: more would load it too unevenly (VDE-AR-N 4100)."""
        return UNBALANCE_A if self.fuse is None else self.fuse.unbalance_a

    def charger_named(self, name: str) -> ChargerAssumptions:
        """What is assumed of that charger."""
        return self.chargers.get(name, self.charger)
