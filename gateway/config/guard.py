"""What the guard is told: the part of gateway.toml that keeps the home safe, as plain frozen values.

Made from the checked `gateway.config.settings` by `gateway.config.load`, and handed to the guard's
process as JSON: it needs no library to check it again, and nothing of the market, the broker, the page
or the tariff is in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from gateway.domain.control import BatteryAssumptions, ChargerAssumptions, ControlSettings, Fuse
from gateway.domain.grid_operator import OperatorRules, RelayInput, Source
from gateway.domain.heat import Heater
from gateway.domain.order import EVERY_DAY, StandingSettings
from gateway.domain.readings import Role

Steer = Literal["proved", "always", "never"]
FILE = "guard.json"  # in the state folder: what the guard must not forget; its lock tells that one runs


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One device and how to reach it; see `gateway.config.device_settings.DeviceSettings`.

    ``steer``: ``proved``, once `energy-gateway verify` has seen that it obeys; ``always``, by the owner's word;
    ``never``, it is only read.
    """

    name: str
    profile: str = "auto"
    host: str | None = None
    port: int = 502
    unit: int | None = None
    framing: Literal["tcp", "rtu_over_tcp", "rtu"] = "tcp"
    serial: str | None = None
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    steer: Steer = "proved"
    role: Role | None = None
    inputs: tuple[RelayInput, ...] = ()
    phases: tuple[int, ...] = ()

    @property
    def control(self) -> bool:
        """Whether it may be written at all."""
        return self.steer != "never"


@dataclass(frozen=True, slots=True)
class Timing:
    """The pace of control; see `gateway.config.home_settings.Control`."""

    period_s: float = 2.0
    deadband_w: float = 50.0
    dwell_s: float = 30.0
    car_dwell_s: float = 120.0
    car_start_cost: float = 0.02
    battery_switch_cost: float = 0.001
    phase_switch_cost: float = 0.03


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """All that the guard needs. ``place`` is latitude and longitude, degrees, north and east +.

    The limits are those of the connection itself; the user's may only be tighter. ``operator`` is how
    the grid operator's limits are taken; None where no such limits are taken. ``programme``: the home is in one,
    whose limits the agent hands down.
    """

    devices: tuple[DeviceConfig, ...]
    state_dir: str
    time_zone: str = "UTC"
    place: tuple[float, float] | None = None
    reserve_pct: float = 20.0
    export_limit_w: float | None = None
    import_limit_w: float | None = None
    fuse: Fuse | None = None
    departure: time = time(7)
    departure_energy_wh: float = 0.0
    departure_days: tuple[int, ...] = EVERY_DAY
    car_more_per_kwh: float = 0.02
    car_limit_wh: float | None = None
    car_surplus_w: float = 0.0
    battery: BatteryAssumptions = field(default_factory=BatteryAssumptions)
    charger: ChargerAssumptions = field(default_factory=ChargerAssumptions)
    timing: Timing = field(default_factory=Timing)
    heaters: dict[str, Heater] = field(default_factory=dict)
    operator: OperatorRules | None = None
    programme: bool = False
    clock_start: datetime | None = None
    clock_rate: float = 1.0

    @property
    def bridged(self) -> bool:
        """Whether any device is read through the bridge."""
        return any(d.profile.startswith("bridge-") for d in self.devices)

    def limits_from(self) -> tuple[Source, ...]:
        """Whose limits are heard."""
        operator: tuple[Source, ...] = () if self.operator is None else ("mqtt",)
        return (*operator, "programme") if self.programme else operator

    def standing(self) -> StandingSettings:
        """What holds until the user says otherwise."""
        return StandingSettings(
            reserve_pct=self.reserve_pct,
            export_limit_w=self.export_limit_w,
            import_limit_w=self.import_limit_w,
            departure_time=self.departure,
            departure_energy_wh=self.departure_energy_wh,
            departure_days=self.departure_days,
            car_more_per_kwh=self.car_more_per_kwh,
            car_limit_wh=self.car_limit_wh,
            car_surplus_w=self.car_surplus_w,
        )

    def control(self) -> ControlSettings:
        """What a decision is made with, as long as this configuration holds."""
        return ControlSettings(
            zone=ZoneInfo(self.time_zone),
            import_limit_w=self.import_limit_w,
            export_limit_w=self.export_limit_w,
            fuse=self.fuse,
            phases={d.name: d.phases for d in self.devices if d.phases},
            battery=self.battery,
            charger=self.charger,
            deadband_w=self.timing.deadband_w,
            dwell_s=self.timing.dwell_s,
            car_dwell_s=self.timing.car_dwell_s,
            car_start_cost=self.timing.car_start_cost,
            battery_switch_cost=self.timing.battery_switch_cost,
            phase_switch_cost=self.timing.phase_switch_cost,
            heaters=self.heaters,
        )

    def roles(self) -> dict[str, Role]:
        """The roles that devices were given, by name."""
        return {d.name: d.role for d in self.devices if d.role is not None}
