"""Every table of gateway.toml: what the guard takes of it, the bridge, and the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.config.agent_settings import (
    Dashboard,
    Household,
    Market,
    Mqtt,
    Notify,
    Planner,
    Programme,
    PvForecast,
)
from gateway.config.device_settings import DeviceSettings
from gateway.config.feeds import PriceFeed
from gateway.config.guard import DeviceConfig, GuardSettings, Timing
from gateway.config.home_settings import (
    Battery,
    Bridge,
    Car,
    Control,
    GridOperator,
    Ocpp,
    Site,
    TimeSettings,
)
from gateway.config.tariff import Tariff
from gateway.domain.control import BatteryAssumptions, ChargerAssumptions
from gateway.domain.heat import Heater
from gateway.domain.price import mwh_price
from gateway.domain.readings import Role
from gateway.domain.setting_kinds import DAYS


class GuardPart(BaseModel):
    """The tables that keep the home safe. What is wrong elsewhere in the file does not concern them."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    site: Site = Site()
    device: tuple[DeviceSettings, ...] = Field(min_length=1)
    battery: Battery = Battery()
    car: Car = Car()
    control: Control = Control()
    grid_operator: GridOperator | None = None
    programme: object | None = None  # whether there is one; `Settings` reads it
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

    @property
    def heaters(self) -> dict[str, Heater]:
        """What the owner says of each heater's water, by its name."""
        return {d.name: d.heat.heater() for d in self.device if d.heat is not None}

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
                mwh_price(battery.wear_per_kwh),
            ),
            charger=ChargerAssumptions(car.phases, car.volts, car.min_current_a, car.max_current_a),
            timing=Timing(
                control.period_s,
                control.deadband_w,
                control.dwell_s,
                control.car_dwell_s,
                control.car_start_cost,
                control.battery_switch_cost,
                control.phase_switch_cost,
            ),
            heaters=self.heaters,
            operator=None if self.grid_operator is None else self.grid_operator.rules(),
            programme=self.programme is not None,
            clock_start=self.time.start,
            clock_rate=self.time.rate,
        )


class BridgePart(GuardPart):
    """What the bridge needs: the devices, the broker, and where chargers dial in."""

    mqtt: Mqtt = Mqtt()
    ocpp: Ocpp = Ocpp()


class Settings(GuardPart):
    """The whole configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    mqtt: Mqtt = Mqtt()
    ocpp: Ocpp = Ocpp()
    tariff: Tariff = Tariff()
    price_feed: tuple[PriceFeed, ...] = ()
    market: Market | None = None
    programme: Programme | None = None
    planner: Planner = Planner()
    pv_forecast: PvForecast | None = None
    household: Household = Household()
    dashboard: Dashboard = Dashboard()
    notify: Notify | None = None

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
