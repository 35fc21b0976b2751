"""``[[price_feed]]``: who publishes prices, or the CO2 in a kWh, and how they are read."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.config.parts import Name, Part, web_address


class PriceFeed(Part):
    """One feed; the tariff names it where its prices count. `docs/tariffs.md` has an example for each provider."""

    name: Name = Field(description="by which the tariff names it")
    provider: str = Field(description="who publishes; docs/tariffs.md lists them")
    zone: str | None = Field(None, description="bidding zone, hub, load zone, node or country")
    market: Literal["real-time", "day-ahead"] | None = Field(
        None, description="where a provider has both"
    )
    product: str | None = Field(None, description="octopus: product; amber: general or feedIn")
    tariff: str | None = Field(None, description="octopus: code of the tariff with its region")
    site_id: str | None = Field(None, description="tibber: home, amber: site")
    key_file: Path | None = Field(None, description="or systemd credential feed_<name>")
    url: str | None = Field(None, description="default: the provider's own address")
    topic: str | None = Field(
        None,
        pattern=r"^[^#+\x00-\x1f]{1,200}$",
        description="json-rows: MQTT topic on which something publishes the document, e.g. Home Assistant its price sensor; in place of `url`",
    )
    currency: str | None = Field(None, description="of its prices, where it does not say")
    rate: Decimal | None = Field(
        None,
        gt=0,
        description="what one unit of its currency is in the home's, where they differ",
    )
    unit: Literal["per_kwh", "per_mwh", "minor_per_kwh"] | None = Field(
        None, description="json-rows, csv-rows: minor is cents, pence"
    )
    rows: str = Field("", description="json-rows: path to the list, e.g. `data.prices`")
    start: str | None = Field(None, description="json-rows, csv-rows: where a row's start stands")
    end: str | None = Field(None, description="... its end; or `minutes`")
    price: str | None = Field(None, description="... its price")
    minutes: int | None = Field(None, ge=1, le=1440, description="... length of a row")
    time_zone: str | None = Field(
        None, description="... of its times, where they have no offset; default: the site's"
    )
    accept: bool = Field(False, description="take its prices as they are, however odd they look")

    @field_validator("url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        return url if url is None else web_address(url, "https://prices.example/api")

    @model_validator(mode="after")
    def _a_topic_has_rows(self) -> Self:
        if self.topic is not None and (self.provider != "json-rows" or self.url is not None):
            raise ValueError("topic is for provider = 'json-rows', in place of url")
        return self

    @field_validator("currency")
    @classmethod
    def _code(cls, currency: str | None) -> str | None:
        return None if currency is None else currency.upper()
