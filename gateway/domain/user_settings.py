"""What the user may set while the gateway runs: one table, and the values that hold now. Pure.

One field of `UserSettings` is one row: its type and default, how it is checked (`setting_kinds`), its
title and what it does. The MQTT command and its topics, Home Assistant's entity, the page's control,
the generated reference and the stored values follow from it. What a new setting needs besides is the
place that uses it, and `gateway.agent.user_settings.configured` where gateway.toml gives its first value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import time
from decimal import Decimal
from typing import Any, Literal

from gateway.domain.order import EVERY_DAY, Departure, StandingSettings
from gateway.domain.setting_kinds import (
    Calendar,
    Choice,
    Kind,
    Number,
    Price,
    Shown,
    Switch,
    TimeOfDay,
    Value,
    Weekdays,
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A command that sets several settings at once; its value is an object with some of their keys."""

    command: str
    title: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One row. ``part`` is what of the home it is about (a part that is not there is not offered).

    ``urgent``: it protects the home; its command never waits behind others. ``standing`` is the field of
    `StandingSettings` that the guard keeps of it. ``bundle`` and ``key``: its command sets others, too.
    """

    kind: Kind
    title: str
    about: str
    part: Literal["battery", "car", "grid", "market", "programme"]
    urgent: bool = False
    standing: str = ""
    bundle: Bundle | None = None
    key: str = ""
    name: str = ""  # of the field

    @property
    def command(self) -> str:
        """The name of the command that sets it."""
        return self.bundle.command if self.bundle else self.name


def _row(default: Any, setting: Setting) -> Any:
    return field(default=default, metadata={"setting": setting})


_DEPARTURE = Bundle("departure", "The car leaves")


@dataclass(frozen=True, slots=True)
class UserSettings:
    """What holds now. Powers W, energy Wh; ``price_floor`` in currency units per kWh."""

    backup_reserve_pct: float = _row(
        20.0,
        Setting(
            Number("%", 0, 100),
            "Backup reserve",
            "state of charge that is kept for outages",
            part="battery",
            urgent=True,
            standing="reserve_pct",
        ),
    )
    battery: Literal["auto", "hold"] = _row(
        "auto",
        Setting(
            Choice(("auto", "hold")),
            "Battery",
            "auto = planned and traded; hold = neither charged nor discharged by the gateway",
            part="battery",
            urgent=True,
            standing="battery",
        ),
    )
    export_limit_w: float | None = _row(
        None,
        Setting(
            Number("W", 0, 100_000, step=100, optional=True),
            "Export limit",
            "most power that is fed into the grid (the configured limit still holds); null = no limit",
            part="grid",
            urgent=True,
            standing="export_limit_w",
        ),
    )
    charge_now: bool = _row(
        False,
        Setting(
            Switch(),
            "Charge the car now",
            "charge the car at full power until it is full or this is off",
            part="car",
            standing="charge_now",
        ),
    )
    departure_time: time = _row(  # noqa: RUF009 - it makes a field
        time(7),
        Setting(
            TimeOfDay(),
            "Departure time",
            "when the car leaves",
            part="car",
            standing="departure_time",
            bundle=_DEPARTURE,
            key="time",
        ),
    )
    departure_energy_wh: float = _row(
        0.0,
        Setting(
            Number("Wh", 0, 200_000, step=500),
            "Departure energy",
            "how much energy the car wants by then",
            part="car",
            standing="departure_energy_wh",
            bundle=_DEPARTURE,
            key="energy_wh",
        ),
    )
    car_from_battery: bool = _row(
        False,
        Setting(
            Switch(),
            "Car from the battery",
            "let the home battery feed the car where that is worth it; off = it feeds the house alone",
            part="car",
            standing="car_from_battery",
        ),
    )
    departure_soc_pct: float | None = _row(
        None,
        Setting(
            Number("%", 0, 100, optional=True),
            "Departure charge",
            "state of charge that the car wants by then, where it is known; null = the departure energy counts",
            part="car",
            bundle=_DEPARTURE,
            key="soc_pct",
        ),
    )
    car_limit_pct: float | None = _row(
        None,
        Setting(
            Number("%", 0, 100, optional=True),
            "Most charge of the car",
            "the car is not charged beyond this state of charge, where it is known; null = no limit",
            part="car",
        ),
    )
    departure_days: tuple[int, ...] = _row(
        EVERY_DAY,
        Setting(
            Weekdays(),
            "Departure days",
            "on which days of the week it leaves then",
            part="car",
            standing="departure_days",
            bundle=_DEPARTURE,
            key="days",
        ),
    )
    departures: tuple[Departure, ...] = _row(
        (),
        Setting(
            Calendar(),
            "Single departures",
            "when the car leaves on single days, and what it wants then; there the usual departure does not hold",
            part="car",
            standing="departures",
        ),
    )
    car_more_per_kwh: float = _row(
        0.02,
        Setting(
            Value("currency/kWh", -10, 10, step=0.001),
            "Value of more in the car",
            "what a kWh beyond the departure energy is worth: the car takes it where it costs less "
            "(0.02: what costs next to nothing; the price of export and a little: surplus only)",
            part="car",
            standing="car_more_per_kwh",
        ),
    )
    car_limit_wh: float | None = _row(
        None,
        Setting(
            Number("Wh", 0, 200_000, step=500, optional=True),
            "Most in the car",
            "most that the car gets in one stay; null = until it is full",
            part="car",
            standing="car_limit_wh",
        ),
    )
    car_surplus_w: float = _row(
        0.0,
        Setting(
            Number("W", 0, 100_000, step=100),
            "Least surplus for the car",
            "beyond the departure energy the car only charges while the home has so much surplus",
            part="car",
            standing="car_surplus_w",
        ),
    )
    away: bool = _row(
        False,
        Setting(
            Switch(),
            "Away",
            "nobody is at home: the house is expected to need what it needs at night, and learns nothing",
            part="grid",
        ),
    )
    programme: bool = _row(
        True,
        Setting(
            Switch(),
            "Programme",
            "follow the dispatches of the programme; its limits and prices hold either way",
            part="programme",
        ),
    )
    trading: bool = _row(
        False,
        Setting(
            Switch(),
            "Trading",
            "offer surplus at the exchange; what is sold is delivered either way",
            part="market",
        ),
    )
    price_floor: Decimal = _row(  # noqa: RUF009 - it makes a field
        Decimal(0),
        Setting(
            Price("currency/kWh", 0, 10, step=0.001),
            "Price floor",
            "never sell below this price",
            part="market",
        ),
    )

    def shown(self, name: str) -> Shown:
        """The setting ``name`` as JSON: for topics, the page and the store."""
        return SETTINGS[name].kind.shown(getattr(self, name))

    def changed(self, values: Mapping[str, Any]) -> UserSettings:
        """With other values of some settings, of the type that their kind gives."""
        return replace(self, **values)

    def standing(self, import_limit_w: float | None = None) -> StandingSettings:
        """The part that the guard keeps itself, whether or not an agent runs."""
        kept = {
            setting.standing: getattr(self, name)
            for name, setting in SETTINGS.items()
            if setting.standing
        }
        return StandingSettings(import_limit_w=import_limit_w, **kept)


SETTINGS: Mapping[str, Setting] = {
    found.name: replace(found.metadata["setting"], name=found.name)
    for found in fields(UserSettings)
}
