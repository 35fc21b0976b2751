"""The `[[device]]` tables of gateway.toml. Field descriptions become the reference in docs/."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from gateway.config import bridged
from gateway.config.guard import DeviceConfig, Steer
from gateway.config.heat_settings import HeatSettings
from gateway.config.parts import Address, Name, Part, Port
from gateway.domain.grid_operator import (
    RelayInput,
)
from gateway.domain.readings import Role

OCPP = "ocpp"  # the profile of a charger that dials in
RELAY = "relay"  # the profile of a device that is nothing but contacts


class DeviceInput(Part):
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


class OcppStation(Part):
    """A charger that dials in by OCPP, `profile = "ocpp"`: `[device.ocpp]`."""

    station: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9*\-_=:+|@.]{1,48}$",
        description="its name, the end of the address that it dials; default: the device's name",
    )
    password_file: Path | None = Field(
        None, description="of security profiles 1 and 2; or systemd credential device_<name>"
    )
    without_password: bool = Field(
        False,
        description="true = let it in without: for chargers that have none, in your own network",
    )
    safe_current_a: float = Field(
        6, ge=0, le=80, description="what it takes when nobody steers it; the fuse must bear it"
    )
    id_tags: tuple[Annotated[str, Field(min_length=1, max_length=20)], ...] = Field(
        (), description="cards and cars that may charge; none = all"
    )
    start: bool = Field(True, description="a car that is plugged in is started, without a card")
    backend: str | None = Field(
        None,
        pattern=r"^wss?://[^/\s]",
        description="of its operator, e.g. wss://operator.example/ocpp: told all that the charger says, and asked first",
    )
    backend_password_file: Path | None = Field(
        None, description="of the station there; default: the charger's own"
    )


class DeviceSettings(Part):
    """One device and how to reach it."""

    name: Name = Field(description="part of its MQTT topics")
    profile: str = Field("auto", description="`energy-gateway profiles` lists them")
    host: Address | None = Field(None, description="name or address; absent for a serial device")
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
    ocpp: OcppStation | None = Field(
        None, description="of a charger that dials in, a table [device.ocpp]"
    )
    heat: HeatSettings | None = Field(
        None, description="of a heater, the water behind it: a table [device.heat]"
    )
    token_file: Path | None = Field(
        None,
        description="of a device read over HTTP: its bearer token; or systemd credential device_<name>",
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
        if self.framing != "rtu" and self.serial is not None:
            raise ValueError("serial = '/dev/...' needs framing = 'rtu', or leave it out")
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

    @model_validator(mode="after")
    def _dials_in(self) -> Self:
        if self.ocpp is not None and self.profile != OCPP:
            raise ValueError(f"[device.ocpp] is of a device with profile = '{OCPP}'")
        return self

    @property
    def station(self) -> OcppStation:
        """How it dials in, of a device with `profile = "ocpp"`."""
        return self.ocpp or OcppStation()

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
        """As the guard reads it: a unit of the bridge's own server. Most of them are only read."""
        key = bridged.guard_profile(self.profile, self.values)
        return DeviceConfig(
            self.name,
            key,
            bridged.HOST,
            port,
            unit,
            steer=self.steer if bridged.is_steered(self.profile) else "never",
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
