"""The tables of gateway.toml that keep the home safe. Field descriptions become the reference in docs/."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field, field_validator, model_validator

from gateway.config import bridged
from gateway.config.parts import Address, Curve, Name, Part, Port, TimeOfDay, at_least, in_percent
from gateway.config.tariff import Weekday
from gateway.domain.control import Fuse
from gateway.domain.grid_operator import (
    LEAST_14A_W,
    LEAST_FAILSAFE_S,
    MOST_FAILSAFE_S,
    OperatorRules,
    guaranteed_14a_w,
)

LEAST_BATTERY_WH, LEAST_BATTERY_W, LEAST_CAR_WH = 100.0, 30.0, 250.0  # less was meant in k
LEAST_LIMIT_W, MOST_BATTERY_WH = 30.0, 10_000_000.0  # of the connection; of a home


class Site(Part):
    """The home and its connection to the grid."""

    name: Name = Field("home", description="part of every MQTT topic")
    time_zone: str = Field("UTC", description="IANA name; local rules of the tariff follow it")
    latitude: float | None = Field(
        None, ge=-90, le=90, description="of the panels, north +: the sun's course for the forecast"
    )
    longitude: float | None = Field(
        None, ge=-180, le=180, description="of the panels, east +; both or none"
    )
    reserve_pct: float = Field(20, ge=0, le=100, description="state of charge kept for outages, %")
    export_limit_w: float | None = Field(None, ge=0, description="most power fed into the grid, W")
    import_limit_w: float | None = Field(None, gt=0, description="most power drawn in all, W")
    fuse_a: float | None = Field(None, gt=0, description="fuse of each phase, A")
    phases: Literal[1, 2, 3] = Field(3, description="of the connection")
    phase_v: float = Field(230, gt=0, description="of a phase against neutral, V")
    unbalance_a: float = Field(
        20,
        ge=0,
        description="what the most loaded phase may carry more than each other, where the meter tells only "
        "the sum (VDE-AR-N 4100 allows 20 A)",
    )

    _percent = field_validator("reserve_pct")(in_percent)

    @field_validator("export_limit_w", "import_limit_w")
    @classmethod
    def _in_w(cls, value: float | None) -> float | None:
        return at_least(value, LEAST_LIMIT_W, "W", "next to nothing")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name!r} is no IANA time zone, e.g. 'America/Chicago'") from None
        return name

    @model_validator(mode="after")
    def _whole_place(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude belong together: set both or none")
        return self

    @property
    def fuse(self) -> Fuse | None:
        """The fuse of each phase, None if not configured."""
        if self.fuse_a is None:
            return None
        return Fuse(self.fuse_a, self.phases, self.phase_v, self.unbalance_a)

    @property
    def most_import_w(self) -> float | None:
        """The most that may be drawn in all, W; None = no limit."""
        fuse = self.fuse
        parts = (self.import_limit_w, fuse.phases * fuse.volts * fuse.amps if fuse else None)
        return min((w for w in parts if w is not None), default=None)

    @property
    def place(self) -> tuple[float, float] | None:
        """Latitude and longitude, None if not configured."""
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude


class Battery(Part):
    """What the planner assumes of the battery where the device does not say."""

    capacity_wh: float | None = Field(
        None, gt=0, le=MOST_BATTERY_WH, description="default: what the device states"
    )
    max_charge_w: float | None = Field(None, gt=0, description="default: what the device states")
    max_discharge_w: float | None = Field(None, gt=0, description="default: what the device states")
    charge_efficiency: float = Field(0.95, gt=0, le=1, description="AC to stored, one way")
    discharge_efficiency: float = Field(0.95, gt=0, le=1, description="stored to AC, one way")
    charge_efficiency_by_power: Curve = Field(
        (),
        description="in its place: pairs of AC W and efficiency, e.g. [[300, 0.8], [2000, 0.95]]",
    )
    discharge_efficiency_by_power: Curve = Field((), description="the same for discharging")
    grid_energy: Literal["any", "home"] = Field(
        "any",
        description="what may become of energy that was bought from the grid: `home` = it is used here and "
        "never fed in again",
    )
    standby_w: float = Field(0, ge=0, description="own consumption of the battery, W")
    wear_per_kwh: Decimal = Field(Decimal("0.02"), ge=0, description="cost of a kWh discharged")

    @field_validator("capacity_wh")
    @classmethod
    def _in_wh(cls, value: float | None) -> float | None:
        return at_least(value, LEAST_BATTERY_WH, "Wh", "less than any home's battery")

    @field_validator("max_charge_w", "max_discharge_w")
    @classmethod
    def _in_w(cls, value: float | None) -> float | None:
        return at_least(value, LEAST_BATTERY_W, "W", "less than any home's battery")

    @field_validator("charge_efficiency_by_power", "discharge_efficiency_by_power")
    @classmethod
    def _rising(cls, curve: Curve) -> Curve:
        powers = [power for power, _ in curve]
        if any(b <= a for a, b in pairwise([0.0, *powers])):
            raise ValueError("the powers must be above 0 and rise, e.g. [[300, 0.8], [2000, 0.95]]")
        if not all(0 < efficiency <= 1 for _, efficiency in curve):
            raise ValueError("an efficiency lies between 0 and 1, e.g. 0.95")
        return curve


class Car(Part):
    """The usual wish of the car: so much energy by that time of day."""

    energy_wh: float = Field(10_000, ge=0, description="wanted per plug-in")
    departure: TimeOfDay = Field(time(7), description="local time of day")
    departure_days: tuple[Weekday, ...] = Field(
        ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), description="on which it leaves then"
    )
    more_per_kwh: float = Field(
        0.02,
        description="what a kWh beyond `energy_wh` is worth: it is taken where it costs less "
        "(0.02: what costs next to nothing; the price of export and a little: surplus only)",
    )
    limit_wh: float | None = Field(None, ge=0, description="most that it gets in a stay")
    capacity_wh: float | None = Field(
        None, gt=0, description="of its battery; for wishes in percent, with `soc_topic`"
    )
    soc_topic: str | None = Field(
        None,
        pattern=r"^[^#+]+$",
        description="MQTT topic on which something tells its state of charge, a number from 0 to 100",
    )
    surplus_w: float = Field(
        0, ge=0, description="beyond `energy_wh` it only charges while the home has so much surplus"
    )
    phases: Literal[1, 3] = Field(3, description="that the charger uses")
    volts: float = Field(230, gt=0, description="of a phase against neutral")
    min_current_a: float = Field(6, ge=0, description="least that a car takes (IEC 61851: 6 A)")
    max_current_a: float = Field(16, gt=0, description="most that charger and cable allow")

    @field_validator("energy_wh", "limit_wh", "capacity_wh")
    @classmethod
    def _in_wh(cls, value: float | None) -> float | None:
        return at_least(value, LEAST_CAR_WH, "Wh", "next to nothing")

    @model_validator(mode="after")
    def _can_charge(self) -> Self:
        if self.max_current_a < self.min_current_a:
            raise ValueError(f"max_current_a is below min_current_a = {self.min_current_a:g}")
        return self


class GridOperator(Part):
    """Limits that the grid operator sets while it needs to (§14a EnWG, EEBus LPC and LPP, ripple control)."""

    applies_to: Literal["controllable", "connection"] = Field(
        "controllable",
        description="what an import limit is of: car and battery charging alone, own sun netted (§14a), "
        "or all that the connection draws",
    )
    heartbeat: bool = Field(
        False, description="whoever sends limits over MQTT sends a heartbeat at least every 60 s"
    )
    controllable_devices: int = Field(
        1, ge=1, description="behind this gateway, by §14a; the guaranteed power follows from it"
    )
    large_heat_pumps_w: float = Field(
        0, ge=0, description="power of all heat pumps above 11 kW together, by §14a"
    )
    guaranteed_import_w: float | None = Field(
        None, ge=0, description="the least an import limit leaves; default: P_min,14a, or 0"
    )
    failsafe_import_w: float | None = Field(
        None, ge=0, description="holds when the operator is lost; default: what is guaranteed"
    )
    failsafe_export_w: float | None = Field(
        None, ge=0, description="holds when the operator is lost; default: no limit"
    )
    failsafe_s: float = Field(
        LEAST_FAILSAFE_S,
        ge=LEAST_FAILSAFE_S,
        le=MOST_FAILSAFE_S,
        description="how long the fail-safe values hold at most",
    )

    def rules(self) -> OperatorRules:
        """The same as plain values."""
        controllable = self.applies_to == "controllable"
        guaranteed_w = self.guaranteed_import_w
        if guaranteed_w is None:
            pumps = (self.large_heat_pumps_w,)
            guaranteed_w = guaranteed_14a_w(self.controllable_devices, pumps) if controllable else 0
        failsafe_w = self.failsafe_import_w
        if failsafe_w is None:
            failsafe_w = guaranteed_w or LEAST_14A_W
        return OperatorRules(
            controllable,
            self.heartbeat,
            guaranteed_w,
            failsafe_w,
            self.failsafe_export_w,
            self.failsafe_s,
        )


class Control(Part):
    """The pace of the control loop."""

    period_s: float = Field(2, gt=0, le=60, description="of polling and of deciding")
    deadband_w: float = Field(50, ge=0, description="smaller changes are not written")
    dwell_s: float = Field(
        30, ge=0, description="shortest stay in a mode where no value says what a change is worth"
    )
    battery_switch_cost: float = Field(
        0.001,
        ge=0,
        description="cost of a change of the battery's mode, in the tariff's currency: so much must have "
        "been lost by staying before it changes; 0 = `dwell_s` alone",
    )
    car_dwell_s: float = Field(
        120, ge=0, description="shortest stay of the car in charging or waiting"
    )
    car_start_cost: float = Field(
        0.02,
        ge=0,
        description="cost of a start of the car, in the tariff's currency: what a short cloud or a "
        "short gap must be worth before the contactor moves",
    )
    phase_switch_cost: float = Field(
        0.03,
        ge=0,
        description="cost of a change between one and three phases, in the tariff's currency: so much must "
        "have been lost without it, for it wears contactors and makes the car wait",
    )


class TimeSettings(Part):
    """Only for trying things out: another start time, another pace."""

    start: AwareDatetime | None = Field(None, description="begin then instead of now")
    rate: float = Field(1.0, gt=0, le=10_000, description="simulated seconds a second")


class Bridge(Part):
    """The part that reads devices without Modbus and hands them to the guard on this machine."""

    port: Port = Field(bridged.PORT, description="its own, on 127.0.0.1 only")


class Ocpp(Part):
    """Where chargers with `profile = "ocpp"` dial in: they are given `ws://this-machine:port/<station>`, with a certificate wss://."""

    host: Address = Field("0.0.0.0", description="address to listen on")  # noqa: S104 - a charger is elsewhere
    port: int = Field(8887, ge=0, le=65535, description="0 = any free one")
    cert_file: Path | None = Field(
        None, description="certificate (PEM) of this machine: TLS, security profile 2"
    )
    key_file: Path | None = Field(None, description="its key; or systemd credential ocpp_key")
