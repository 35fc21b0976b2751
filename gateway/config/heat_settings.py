"""The table [device.heat] of a heater. Field descriptions become the reference in docs/."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import Self

from pydantic import Field, model_validator

from gateway.config.parts import Part, TimeOfDay
from gateway.domain.heat import Heater
from gateway.domain.price import mwh_price


class HeatSettings(Part):
    """The water behind a heater: `[device.heat]` of a heating rod, boiler, plug or heat pump. Without it the heater is only read."""

    power_w: float = Field(gt=0, le=100_000, description="most that it draws, W (electric)")
    step_w: float = Field(
        0, ge=0, description="W of each step; 0 = stepless; as much as `power_w` = on or off"
    )
    litres: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="of water in the tank; none = nobody measures its temperature, `energy_wh` is wanted",
    )
    energy_wh: float = Field(
        0,
        ge=0,
        description="wanted by each of `ready_by` where there is no `litres`, Wh (electric)",
    )
    target_c: float = Field(55, ge=20, le=95, description="temperature at `ready_by`, °C")
    min_c: float = Field(
        40, ge=0, le=90, description="below it heats at once, whatever that costs, °C"
    )
    max_c: float = Field(60, ge=20, le=98, description="never heated beyond, °C")
    ready_by: tuple[TimeOfDay, ...] = Field(
        (time(18),), min_length=1, max_length=12, description="local times at which it is warm"
    )
    loss_w: float = Field(
        60,
        ge=0,
        le=2_000,
        description="standing loss of the tank at `target_c`, W (its energy label)",
    )
    heat_per_electricity: float = Field(
        1, ge=0.5, le=8, description="heat for each Wh: 1 for a rod, about 3 for a heat pump"
    )
    min_on_s: float = Field(
        60, ge=0, le=14_400, description="once on it stays so; a compressor wants 900"
    )
    min_off_s: float = Field(
        60, ge=0, le=14_400, description="once off it stays so; a compressor wants 900"
    )
    more_per_kwh: Decimal = Field(
        Decimal("0.02"),
        description="what a kWh beyond the target is worth: up to `max_c` it takes what costs less",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.min_c < self.target_c <= self.max_c:
            raise ValueError(
                f"it must be min_c < target_c <= max_c, not {self.min_c:g}, {self.target_c:g}, {self.max_c:g}"
            )
        if self.step_w > self.power_w:
            raise ValueError(f"step_w = {self.step_w:g} is more than power_w = {self.power_w:g}")
        if self.litres is None and not self.energy_wh:
            raise ValueError(
                "it wants nothing: set litres (of a tank with a thermometer) or energy_wh"
            )
        return self

    def heater(self) -> Heater:
        """The same as plain values."""
        return Heater(
            most_w=self.power_w,
            litres=self.litres,
            energy_wh=self.energy_wh,
            target_c=self.target_c,
            min_c=self.min_c,
            max_c=self.max_c,
            ready_by=self.ready_by,
            loss_w=self.loss_w,
            step_w=self.step_w,
            cop=self.heat_per_electricity,
            min_on_s=self.min_on_s,
            min_off_s=self.min_off_s,
            more_per_mwh=mwh_price(self.more_per_kwh),
        )
