"""The tables of gateway.toml that only the agent reads. Field descriptions become the reference in docs/."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.config.parts import Address, HostName, Part, Port, TimeOfDay, Url
from gateway.languages import Language


class Mqtt(Part):
    """Where the home's state is published."""

    host: Address = Field("127.0.0.1", description="name or address of the broker")
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
    language: Language = Field(
        "en",
        description="of the names and sentences that Home Assistant shows, and of messages to a phone",
    )
    discovery_prefix: str = Field("homeassistant", description="Home Assistant's own")


class Market(Part):
    """The exchange on which surplus is offered."""

    exchange: str = Field("cts", description="adapter, by entry point")
    url: Url = Field(description="address of the exchange")
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


class Programme(Part):
    """A utility's or aggregator's programme that speaks OpenADR 3.1 (docs/programmes.md)."""

    url: Url = Field(description="base address of its server (VTN)")
    client_id: str = Field(min_length=1, max_length=128, description="as the programme gave it")
    secret_file: Path | None = Field(
        None, description="the client's secret; or systemd credential programme"
    )
    token_url: Url | None = Field(None, description="who gives tokens; default: `<url>/auth/token`")
    scope: str = Field("", max_length=200, description="of the token, where one is asked for")
    programs: tuple[str, ...] = Field(
        (), description="names of the programmes that are followed; default: all that it shows us"
    )
    ven_name: str = Field(
        "home",
        min_length=1,
        max_length=128,
        description="our name in reports; starts are spread by it",
    )
    poll_s: float = Field(60, ge=10, le=3600, description="between two looks at its events")
    simple_import_w: tuple[Annotated[float, Field(ge=0, le=1_000_000)], ...] | None = Field(
        None,
        min_length=1,
        max_length=3,
        description="most W that the home draws at SIMPLE levels 1, 2 and 3; none = such events change nothing",
    )
    reports: bool = Field(True, description="send the reports that its events ask for")
    credit_per_kwh: Decimal = Field(
        Decimal(0), ge=0, le=100, description="what the contract pays for a kWh of a dispatch"
    )
    credit_per_event: Decimal = Field(
        Decimal(0),
        ge=0,
        le=10_000,
        description="what it pays for a dispatch event that was followed",
    )
    credit_for: Literal["export", "baseline"] = Field(
        "baseline",
        description="what of a dispatch is paid: what was given to the grid, or the change from the ten days' baseline",
    )
    ca_file: Path | None = Field(None, description="of a private certificate authority")
    cert_file: Path | None = Field(None, description="our certificate (PEM), if it asks for one")
    key_file: Path | None = Field(None, description="its key; or systemd credential programme_key")


class Planner(Part):
    """How stored energy is valued."""

    strategy: str = Field("value", description="`value` or `greedy`")
    horizon_h: float = Field(36, ge=2, le=96, description="how far ahead is planned")
    quantity_quantile: float = Field(0.05, gt=0, lt=1, description="caution of offered quantities")
    first_days: Literal["careful", "live", "shadow"] = Field(
        "shadow",
        description="in a new home: `shadow` = the inverter works alone and nothing is offered until the plan, "
        "reckoned beside it for three days or more, would not have done worse; for four weeks it gives way again when it falls 2 % behind; "
        "`careful` = the plan steers at once, for three days within what the inverter alone would hardly regret; `live` = at once and in full",
    )
    trials: bool = Field(
        True,
        description="by night, try on the home's own last weeks whether another way to forecast would have earned clearly more, "
        "and use it then",
    )


class PvForecast(Part):
    """A weather service whose PV forecast is used while it errs less than the home's own."""

    provider: Literal["forecast-solar", "open-meteo", "solcast", "mqtt"] = Field(
        description="the first two need `site.latitude` and `site.longitude`"
    )
    topic: str | None = Field(
        None,
        pattern=r"^[^#+\x00-\x1f]{1,200}$",
        description="mqtt: where something publishes Wh by moment, e.g. Home Assistant its own forecast",
    )
    peak_w: float | None = Field(None, gt=0, description="of the panels; not for solcast")
    tilt_deg: float = Field(30, ge=0, le=90, description="0 = flat, 90 = upright")
    azimuth_deg: float = Field(
        0, ge=-180, le=180, description="0 = south, -90 = east, 90 = west, 180 = north"
    )
    site_id: str | None = Field(None, description="solcast: the rooftop site")
    key_file: Path | None = Field(None, description="or systemd credential pv_forecast")
    url: Url | None = Field(None, description="default: the service's own address")


class Household(Part):
    """What a forecast can be told of those who live there; all of it may be left out."""

    country: str | None = Field(
        None, description="for public holidays, ISO 3166, e.g. `DE`; needs the extra `holidays`"
    )
    subdivision: str | None = Field(None, description="of the country, e.g. `BY`")
    yearly_kwh: float | None = Field(
        None, gt=0, le=200_000, description="what the house needs; the first days' guess"
    )
    panels_w: float | None = Field(
        None, ge=0, le=200_000, description="peak power of the panels; the first days' guess"
    )
    temperature: Literal["open-meteo"] | None = Field(
        None,
        description="who is asked for the temperature outside, which a heat pump's load follows; it is told "
        "`site.latitude` and `site.longitude`",
    )
    temperature_url: str | None = Field(None, description="default: the service's own address")


class Dashboard(Part):
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


class Notify(Part):
    """Messages to a phone or by mail (apprise, an extra). Off unless this table is there."""

    urls_file: Path | None = Field(
        None, description="apprise addresses, one a line; or systemd credential notify"
    )
    about: tuple[Literal["alarm", "car", "limit", "sale", "update"], ...] = Field(
        ("alarm", "car", "limit"),
        description="alarms that last, a car that cannot be ready, a limit that is not kept, what the day sold and cost, and that another version runs",
    )
    quiet_from: TimeOfDay | None = Field(
        time(22),
        description="local; from then on only a limit that is not kept is told; none = never quiet",
    )
    quiet_to: TimeOfDay = Field(time(7), description="local; what waited is told then")
    most_a_day: int = Field(
        10, ge=1, le=200, description="messages; one more says that there were more"
    )
