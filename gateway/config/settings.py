"""Every key of gateway.toml with its default. Field descriptions become the reference in docs/."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.config import bridged
from gateway.config.feeds import PriceFeed
from gateway.config.guard import DeviceConfig, GuardSettings, Steer, Timing
from gateway.config.tariff import Tariff, Weekday
from gateway.domain.control import BatteryAssumptions, ChargerAssumptions, Fuse
from gateway.domain.grid_operator import (
    LEAST_14A_W,
    LEAST_FAILSAFE_S,
    MOST_FAILSAFE_S,
    OperatorRules,
    RelayInput,
    guaranteed_14a_w,
)
from gateway.domain.readings import Role
from gateway.domain.setting_kinds import DAYS

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
HostName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
Curve = tuple[tuple[float, float], ...]  # AC W, one-way efficiency
Port = Annotated[int, Field(ge=1, le=65535)]
_KWH_PER_MWH = 1000
RELAY = "relay"  # the profile of a device that is nothing but contacts


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Site(_Part):
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


class DeviceInput(_Part):
    """One contact of a device with `profile = "relay"`: what the grid operator means by it."""

    address: int = Field(ge=0, le=65535, description="of the coil or discrete input, from 0")
    table: Literal["coil", "discrete"] = Field("discrete", description="where it is read")
    active: bool = Field(True, description="the state in which the limits hold; false = when open")
    import_limit_w: float | None = Field(None, ge=0, description="W, while it is active")
    export_limit_w: float | None = Field(None, ge=0, description="W, while it is active")

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self.import_limit_w is None and self.export_limit_w is None:
            raise ValueError("it limits nothing: set import_limit_w or export_limit_w")
        return self


class DeviceSettings(_Part):
    """One device and how to reach it."""

    name: Name = Field(description="part of its MQTT topics")
    profile: str = Field("auto", description="`energy-gateway profiles` lists them")
    host: str | None = Field(None, description="name or address; absent for a serial device")
    port: Port = Field(502, description="TCP port")
    unit: int | None = Field(None, ge=0, le=255, description="Modbus unit; default of the profile")
    framing: Literal["tcp", "rtu_over_tcp", "rtu"] = Field(
        "tcp", description="rtu_over_tcp for transparent gateways, rtu for a serial line"
    )
    serial: Path | None = Field(None, description="serial port of an RTU device")
    baud: int = Field(9600, description="of a serial line")
    parity: Literal["N", "E", "O"] = Field("N", description="of a serial line")
    steer: Steer = Field(
        "proved",
        description="`proved`: once `energy-gateway verify` has seen that it obeys; `always`: by your word, "
        "without that proof; `never`: it is only read",
    )
    role: Role | None = Field(
        None,
        description="what its power stands for, where that is not clear: `grid` for the meter of the "
        "connection, `submeter` for one of a part of the load; or `pv`, `battery`, `charger`",
    )

    phases: tuple[Literal[1, 2, 3], ...] = Field(
        (), description="of the connection that it is on, e.g. [1]; default: all, or not known"
    )
    input: tuple[DeviceInput, ...] = Field(
        (), description="contacts of a `relay`, each a table [[device.input]]"
    )

    values: dict[str, str] = Field(
        {},
        description="of `home-assistant`, `http-json` and `mqtt-json`: metric -> where it stands, and its unit",
    )
    token_file: Path | None = Field(
        None, description="of a device read over HTTP: its bearer token"
    )
    tls: bool = Field(False, description="of a device read over HTTP: https")
    ca_file: Path | None = Field(None, description="of a private certificate authority, for that")

    @model_validator(mode="before")
    @classmethod
    def _former_word(cls, raw: Any) -> Any:
        """`control = false` of files before 0.2 is `steer = "never"`."""
        if not isinstance(raw, dict) or "control" not in raw or "steer" in raw:
            return raw
        known = {key: value for key, value in raw.items() if key != "control"}
        if raw["control"] is False:
            return {**known, "steer": "never"}
        if raw["control"] is True:
            return known
        raise ValueError("control is now steer: 'proved', 'always' or 'never'")

    @model_validator(mode="after")
    def _contacts(self) -> Self:
        if bool(self.input) != (self.profile == RELAY):
            raise ValueError(
                f"a device with profile = '{RELAY}' has [[device.input]] tables, and no other has"
            )
        return self

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.framing == "rtu" and self.serial is None:
            raise ValueError("framing = 'rtu' needs serial = '/dev/...'")
        told_by_broker = self.bridged and not bridged.has_host(self.profile)
        if self.framing != "rtu" and self.host is None and not told_by_broker:
            raise ValueError("host is missing, e.g. host = 'inverter.lan'")
        return self

    @model_validator(mode="after")
    def _of_the_bridge(self) -> Self:
        own = {"values", "token_file", "tls", "ca_file"} & self.model_fields_set
        if own and not self.bridged:
            raise ValueError(
                f"{', '.join(sorted(own))}: only of a device that is read over HTTP or MQTT"
            )
        if self.bridged and bridged.names_values(self.profile) != bool(self.values):
            raise ValueError(
                f"values: profile = {self.profile!r} "
                + ("knows where they stand" if self.values else "needs a table [device.values]")
            )
        return self

    @property
    def bridged(self) -> bool:
        """Whether the bridge reads it, not the guard by Modbus."""
        return bridged.is_bridged(self.profile)

    def at_its_port(self) -> Self:
        """The same with the port at which such a device usually answers, where none is said."""
        if "port" in self.model_fields_set:
            return self
        return self.model_copy(update={"port": bridged.usual_port(self.profile)})

    def through_bridge(self, unit: int, port: int) -> DeviceConfig:
        """As the guard reads it: a unit of the bridge's own server. It is never steered."""
        key = bridged.guard_profile(self.profile, self.values)
        return DeviceConfig(
            self.name,
            key,
            bridged.HOST,
            port,
            unit,
            steer="never",
            role=self.role,
            phases=self.phases,
        )

    def plain(self) -> DeviceConfig:
        """The same without the checks, for rooms that need no library for it."""
        return DeviceConfig(
            self.name,
            self.profile,
            self.host,
            self.port,
            self.unit,
            self.framing,
            None if self.serial is None else str(self.serial),
            self.baud,
            self.parity,
            self.steer,
            self.role,
            tuple(
                RelayInput(i.address, i.table, i.active, i.import_limit_w, i.export_limit_w)
                for i in self.input
            ),
            self.phases,
        )


class Battery(_Part):
    """What the planner assumes of the battery where the device does not say."""

    capacity_wh: float | None = Field(None, gt=0, description="default: what the device states")
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

    @field_validator("charge_efficiency_by_power", "discharge_efficiency_by_power")
    @classmethod
    def _rising(cls, curve: Curve) -> Curve:
        powers = [power for power, _ in curve]
        if any(b <= a for a, b in pairwise([0.0, *powers])):
            raise ValueError("the powers must be above 0 and rise, e.g. [[300, 0.8], [2000, 0.95]]")
        if not all(0 < efficiency <= 1 for _, efficiency in curve):
            raise ValueError("an efficiency lies between 0 and 1, e.g. 0.95")
        return curve


class Car(_Part):
    """The usual wish of the car: so much energy by that time of day."""

    energy_wh: float = Field(10_000, ge=0, description="wanted per plug-in")
    departure: time = Field(time(7), description="local time of day")
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

    @model_validator(mode="after")
    def _can_charge(self) -> Self:
        if self.max_current_a < self.min_current_a:
            raise ValueError(f"max_current_a is below min_current_a = {self.min_current_a:g}")
        return self


class Mqtt(_Part):
    """Where the home's state is published."""

    host: str = Field("127.0.0.1", description="name or address of the broker")
    port: Port = Field(1883, description="8883 is usual with TLS")
    root: str = Field("energy", pattern=r"^[^#+/]+(/[^#+/]+)*$", description="first part of topics")
    username: str | None = Field(None, description="if the broker asks for one")
    password_file: Path | None = Field(None, description="or systemd credential mqtt_password")
    tls: bool = Field(False, description="encrypt, and check the broker's certificate")
    ca_file: Path | None = Field(None, description="of a private certificate authority")
    cert_file: Path | None = Field(None, description="our certificate (PEM), if the broker asks")
    key_file: Path | None = Field(None, description="its key; or systemd credential mqtt_key")
    protocol: Literal["3.1.1", "5"] = Field("3.1.1", description="every broker speaks 3.1.1")
    publish_s: float = Field(
        10,
        gt=0,
        description="what has hardly changed, and counters, are published at most this often; a change of a "
        "power by more than 50 W and 5 %, of a state, a loss: at once",
    )
    home_assistant: bool = Field(True, description="publish discovery")
    discovery_prefix: str = Field("homeassistant", description="Home Assistant's own")


class Market(_Part):
    """The exchange on which surplus is offered."""

    exchange: str = Field("cts", description="adapter, by entry point")
    url: str = Field(description="address of the exchange")
    party_id: str = Field("home", description="our name at the exchange")
    credential_file: Path | None = Field(None, description="or systemd credential exchange")
    ca_file: Path | None = Field(None, description="of a private certificate authority")
    cert_file: Path | None = Field(None, description="our certificate (PEM), if the exchange asks")
    key_file: Path | None = Field(None, description="its key; or systemd credential market_key")
    trading: bool = Field(True, description="false = plan, but offer nothing")
    price_floor_per_kwh: Decimal = Field(Decimal(0), description="never sell below")
    buy: bool = Field(
        False,
        description="also buy there, below the retailer's price, what the home will draw and store",
    )


class Planner(_Part):
    """How stored energy is valued."""

    strategy: str = Field("value", description="`value` or `greedy`")
    horizon_h: float = Field(36, ge=2, le=96, description="how far ahead is planned")
    quantity_quantile: float = Field(0.2, gt=0, lt=1, description="caution of offered quantities")
    first_days: Literal["live", "shadow"] = Field(
        "shadow",
        description="in a new home: `shadow` = the inverter works alone and nothing is offered until the plan, "
        "reckoned beside it for three days or more, would not have done worse",
    )


class PvForecast(_Part):
    """A weather service whose PV forecast is used while it errs less than the home's own."""

    provider: Literal["forecast-solar", "open-meteo", "solcast"] = Field(
        description="the first two need `site.latitude` and `site.longitude`"
    )
    peak_w: float | None = Field(None, gt=0, description="of the panels; not for solcast")
    tilt_deg: float = Field(30, ge=0, le=90, description="0 = flat, 90 = upright")
    azimuth_deg: float = Field(
        0, ge=-180, le=180, description="0 = south, -90 = east, 90 = west, 180 = north"
    )
    site_id: str | None = Field(None, description="solcast: the rooftop site")
    key_file: Path | None = Field(None, description="or systemd credential pv_forecast")
    url: str | None = Field(None, description="default: the service's own address")


class GridOperator(_Part):
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


class Control(_Part):
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


class Dashboard(_Part):
    """The local web page."""

    enabled: bool = Field(True, description="serve the page")
    host: str = Field(
        "127.0.0.1", description="address to listen on; beyond loopback it needs a password"
    )
    port: int = Field(8750, ge=0, le=65535, description="0 = any free one")
    password_file: Path | None = Field(None, description="needed before it listens beyond loopback")
    names: tuple[HostName, ...] | None = Field(
        None, description="under which it is reached too, e.g. by a reverse proxy"
    )
    metrics: bool = Field(True, description="serve /metrics for Prometheus")
    security_contact: str | None = Field(
        None,
        pattern=r"^(mailto:|https://|tel:)[!-~]{3,200}$",
        description="who is told of weaknesses (mailto:, https://, tel:), shown in security.txt",
    )


class TimeSettings(_Part):
    """Only for trying things out: another start time, another pace."""

    start: AwareDatetime | None = Field(None, description="begin then instead of now")
    rate: float = Field(1.0, gt=0, le=10_000, description="simulated seconds a second")


class Bridge(_Part):
    """The part that reads devices without Modbus and hands them to the guard on this machine."""

    port: Port = Field(bridged.PORT, description="its own, on 127.0.0.1 only")


class GuardPart(BaseModel):
    """The tables that keep the home safe. What is wrong elsewhere in the file does not concern them."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    site: Site = Site()
    device: tuple[DeviceSettings, ...] = Field(min_length=1)
    battery: Battery = Battery()
    car: Car = Car()
    control: Control = Control()
    grid_operator: GridOperator | None = None
    time: TimeSettings = TimeSettings()
    bridge: Bridge = Bridge()
    state_dir: Path = Field(Path("state"), description="journal and history; systemd sets its own")

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        names = [d.name for d in self.device]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two devices are named {name!r}; names must differ")
        return self

    @model_validator(mode="after")
    def _operator_for_relays(self) -> Self:
        relays = [d.name for d in self.device if d.input]
        if relays and self.grid_operator is None:
            raise ValueError(
                f"{' and '.join(relays)} hears the grid operator; add a table [grid_operator]"
            )
        return self

    @model_validator(mode="after")
    def _one_grid(self) -> Self:
        grids = [d.name for d in self.device if d.role is Role.GRID]
        if len(grids) > 1:
            raise ValueError(
                f"{' and '.join(grids)} both have role = 'grid'; the home has one connection: "
                "leave it at the meter of the connection, and write 'submeter' at the other"
            )
        return self

    def bridged(self) -> tuple[DeviceSettings, ...]:
        """The devices without Modbus, in order: the first is the bridge's unit 1."""
        return tuple(d.at_its_port() for d in self.device if d.bridged)

    def plain_devices(self, bridge_port: int | None = None) -> tuple[DeviceConfig, ...]:
        """All devices as the guard reads them."""
        port = self.bridge.port if bridge_port is None else bridge_port
        units = {d.name: unit for unit, d in enumerate(self.bridged(), 1)}
        return tuple(
            d.through_bridge(units[d.name], port) if d.bridged else d.plain() for d in self.device
        )

    def for_guard(self) -> GuardSettings:
        """The same as the plain values that the guard's process is handed."""
        own, battery, car, control = self.site, self.battery, self.car, self.control
        return GuardSettings(
            devices=self.plain_devices(),
            state_dir=str(self.state_dir),
            time_zone=own.time_zone,
            place=own.place,
            reserve_pct=own.reserve_pct,
            export_limit_w=own.export_limit_w,
            import_limit_w=own.import_limit_w,
            fuse=own.fuse,
            departure=car.departure,
            departure_energy_wh=car.energy_wh,
            departure_days=tuple(sorted(DAYS.index(day) for day in car.departure_days)),
            car_more_per_kwh=car.more_per_kwh,
            car_limit_wh=car.limit_wh,
            car_surplus_w=car.surplus_w,
            battery=BatteryAssumptions(
                battery.capacity_wh,
                battery.max_charge_w,
                battery.max_discharge_w,
                battery.charge_efficiency,
                battery.discharge_efficiency,
                battery.charge_efficiency_by_power,
                battery.discharge_efficiency_by_power,
                battery.standby_w,
                float(battery.wear_per_kwh) * _KWH_PER_MWH,
            ),
            charger=ChargerAssumptions(car.phases, car.volts, car.min_current_a, car.max_current_a),
            timing=Timing(
                control.period_s,
                control.deadband_w,
                control.dwell_s,
                control.car_dwell_s,
                control.car_start_cost,
                control.battery_switch_cost,
            ),
            operator=None if self.grid_operator is None else self.grid_operator.rules(),
            clock_start=self.time.start,
            clock_rate=self.time.rate,
        )


class BridgePart(GuardPart):
    """What the bridge needs: the devices and the broker."""

    mqtt: Mqtt = Mqtt()


class Settings(GuardPart):
    """The whole configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    mqtt: Mqtt = Mqtt()
    tariff: Tariff = Tariff()
    price_feed: tuple[PriceFeed, ...] = ()
    market: Market | None = None
    planner: Planner = Planner()
    pv_forecast: PvForecast | None = None
    dashboard: Dashboard = Dashboard()

    @model_validator(mode="after")
    def _feeds_are_there(self) -> Self:
        names = [feed.name for feed in self.price_feed]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two price feeds are named {name!r}; names must differ")
        for name in sorted(self.tariff.feeds() - set(names)):
            raise ValueError(
                f"the tariff follows the price feed {name!r}: add [[price_feed]] with name = {name!r}"
            )
        return self
