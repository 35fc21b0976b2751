"""The tariff part of the configuration: what the retailer charges and pays, by local rules."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FlatPrice(_Part):
    """One price at all times."""

    kind: Literal["flat"]
    per_kwh: Decimal


class TimeOfUsePeriod(_Part):
    """A daily window in local time (``from`` after ``to`` wraps midnight), optionally only on some
    weekdays and in some months (1..12)."""

    start: time = Field(alias="from")
    end: time = Field(alias="to")
    per_kwh: Decimal
    days: tuple[Weekday, ...] = ()
    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = ()


class TimeOfUsePrice(_Part):
    """The first period that matches sets the price; ``otherwise_per_kwh`` holds where none does."""

    kind: Literal["time_of_use"]
    otherwise_per_kwh: Decimal
    periods: tuple[TimeOfUsePeriod, ...]


class WholesalePrice(_Part):
    """The market's real-time price times ``factor`` plus ``adder_per_kwh``."""

    kind: Literal["wholesale"]
    adder_per_kwh: Decimal = Decimal(0)
    factor: Decimal = Decimal(1)


class PublishedPrice(_Part):
    """The price that the retailer publishes at the exchange for each interval."""

    kind: Literal["published"]


RetailPrice = Annotated[
    FlatPrice | TimeOfUsePrice | WholesalePrice | PublishedPrice, Field(discriminator="kind")
]


class FlatNight(_Part):
    """A monthly fee that covers all energy imported in a local window. It must not be resold."""

    start: time = Field(alias="from", default=time(22))
    end: time = Field(alias="to", default=time(6))
    monthly_fee: Decimal = Decimal(30)


class Tariff(_Part):
    """What a Wh costs and earns without trading."""

    currency: str = "USD"
    import_price: RetailPrice = FlatPrice(kind="flat", per_kwh=Decimal("0.14"))
    export_price: RetailPrice = PublishedPrice(kind="published")
    flat_night: FlatNight | None = None
    monthly_fee: Decimal = Decimal(0)
    demand_charge_per_kw: Decimal = Decimal(0)
    tax_pct: Decimal = Decimal(0)
