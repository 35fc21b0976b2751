"""The tariff part of the configuration: what the retailer charges and pays, by local rules."""

from __future__ import annotations

import re
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gateway.config.parts import Name, Part, TimeOfDay

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class FlatPrice(Part):
    """One price at all times."""

    kind: Literal["flat"]
    per_kwh: Decimal


class TimeOfUsePeriod(Part):
    """A daily window in local time (``from`` after ``to`` wraps midnight), optionally only on some
    weekdays and in some months (1..12)."""

    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")
    per_kwh: Decimal
    days: tuple[Weekday, ...] = ()
    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = ()


class TimeOfUsePrice(Part):
    """The first period that matches sets the price; ``otherwise_per_kwh`` holds where none does."""

    kind: Literal["time_of_use"]
    otherwise_per_kwh: Decimal
    periods: tuple[TimeOfUsePeriod, ...]


class WholesalePrice(Part):
    """The market's real-time price times ``factor`` plus ``adder_per_kwh``."""

    kind: Literal["wholesale"]
    adder_per_kwh: Decimal = Decimal(0)
    factor: Decimal = Decimal(1)
    feed: Name | None = Field(
        None, description="price feed of the real-time price; default: the exchange"
    )
    day_ahead_feed: Name | None = Field(
        None, description="price feed of what is expected of it; default: the exchange"
    )


class PublishedPrice(Part):
    """The price that is published for each interval, times ``factor`` plus ``adder_per_kwh``; unknown until it is."""

    kind: Literal["published"]
    feed: Name | None = Field(None, description="price feed; default: the exchange")
    factor: Decimal = Decimal(1)
    adder_per_kwh: Decimal = Decimal(0)
    tax_included: bool = Field(
        False, description="it is what the bill says: neither `tax_pct` nor `grid_fee` is added"
    )


RetailPrice = Annotated[
    FlatPrice | TimeOfUsePrice | WholesalePrice | PublishedPrice, Field(discriminator="kind")
]


GridFee = Annotated[FlatPrice | TimeOfUsePrice, Field(discriminator="kind")]


class FlatNight(Part):
    """A monthly fee that covers all energy imported in a local window. It must not be resold."""

    start: TimeOfDay = Field(alias="from", default=time(22))
    end: TimeOfDay = Field(alias="to", default=time(6))
    monthly_fee: Decimal = Decimal(30)


class Tariff(Part):
    """What a Wh costs and earns without trading."""

    currency: str = Field("USD", description="ISO 4217; all amounts of this table are in it")
    import_price: RetailPrice = Field(
        PublishedPrice(kind="published"),
        description="has to be stated: without it nothing is planned, bought or sold by price",
    )
    export_price: RetailPrice = Field(
        PublishedPrice(kind="published"),
        description="not stated: what the exchange publishes, where it does",
    )
    grid_fee: GridFee | None = Field(
        None,
        description="comes on top of the import price, by hour where it differs (§14a module 3)",
    )
    levies_per_kwh: Decimal = Field(
        Decimal(0), description="electricity tax and levies, on top of the import price"
    )
    flat_night: FlatNight | None = None
    monthly_fee: Decimal = Field(Decimal(0), description="standing charge of a month")
    daily_fee: Decimal = Field(Decimal(0), description="standing charge of a day")
    demand_charge_per_kw: Decimal = Field(
        Decimal(0), description="of a month's highest quarter-hour"
    )
    tax_pct: Decimal = Field(
        Decimal(0), description="VAT, sales tax, GST on all that is bought, fees included"
    )
    since: date | None = Field(
        None,
        description="the day this tariff began: days that are over since then are billed anew by it, e.g. after a mistyped price; earlier ones stay as they were",
    )
    accept: tuple[str, ...] = Field(
        (),
        description="oddities that `check` asks about and that are meant so, by the names it gives them",
    )

    @field_validator("currency")
    @classmethod
    def _code(cls, currency: str) -> str:
        if not re.fullmatch(r"[A-Za-z]{3}", currency):
            raise ValueError(f"{currency!r} is no code of a currency; ISO 4217, e.g. 'EUR'")
        return currency.upper()

    @property
    def says_import(self) -> bool:
        """Whether it says how import is priced. A price that nobody stated is not invented: then there is no plan."""
        return "import_price" in self.model_fields_set

    def feeds(self) -> frozenset[str]:
        """The names of the price feeds that the tariff follows."""
        named = []
        for price in (self.import_price, self.export_price):
            if isinstance(price, PublishedPrice | WholesalePrice):
                named.append(price.feed)
            if isinstance(price, WholesalePrice):
                named.append(price.day_ahead_feed)
        return frozenset(name for name in named if name is not None)
