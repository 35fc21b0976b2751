"""The user's standing wishes: the configuration's values until a command changes one; kept over restarts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import time
from decimal import Decimal
from typing import Any

from gateway.config.settings import Settings
from gateway.publishing.commands import Command
from gateway.publishing.topics import UserSettings

PREFIX = "wish."  # of the names under which changes are stored


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants now. Powers W; ``price_floor`` in currency units per kWh."""

    backup_reserve_pct: float
    battery: str  # auto | hold
    export_limit_w: float | None
    charge_now: bool
    departure_time: time
    departure_energy_wh: float
    trading: bool
    price_floor: Decimal

    def changed(self, command: Command) -> Wishes:
        """The wishes after a valid command (see `gateway.publishing.commands.COMMANDS`)."""
        value: Any = command.value
        if command.name != "departure":
            return replace(self, **{command.name: value})
        wanted: Mapping[str, Any] = value
        when, energy_wh = wanted.get("time"), wanted.get("energy_wh")
        return replace(
            self,
            departure_time=time.fromisoformat(when) if when else self.departure_time,
            departure_energy_wh=self.departure_energy_wh if energy_wh is None else energy_wh,
        )

    def published(self) -> UserSettings:
        return UserSettings(
            backup_reserve_pct=self.backup_reserve_pct,
            battery=self.battery,
            export_limit_w=self.export_limit_w,
            charge_now=self.charge_now,
            departure_time=f"{self.departure_time:%H:%M}",
            departure_energy_wh=self.departure_energy_wh,
            trading=self.trading,
            price_floor=str(self.price_floor),
        )


def configured(settings: Settings) -> Wishes:
    """What the configuration says."""
    market = settings.market
    return Wishes(
        backup_reserve_pct=settings.site.reserve_pct,
        battery="auto",
        export_limit_w=settings.site.export_limit_w,
        charge_now=False,
        departure_time=settings.car.departure,
        departure_energy_wh=settings.car.energy_wh,
        trading=market is not None and market.trading,
        price_floor=market.price_floor_per_kwh if market else Decimal(0),
    )


def restored(settings: Settings, stored: Mapping[str, str]) -> Wishes:
    """The configuration's wishes with the stored changes; a stored text that no longer fits is dropped."""
    wishes = configured(settings)
    for name, text in stored.items():
        try:
            wishes = replace(wishes, **{name: _PARSE[name](text)})
        except (KeyError, ValueError, ArithmeticError):
            continue
    most_w = settings.site.export_limit_w
    if most_w is not None and (wishes.export_limit_w is None or wishes.export_limit_w > most_w):
        wishes = replace(wishes, export_limit_w=most_w)  # the connection's limit always holds
    return wishes


def differences(old: Wishes, new: Wishes) -> dict[str, str]:
    """What changed, as text to store."""
    before, after = asdict(old), asdict(new)
    return {name: _text(after[name]) for name in after if after[name] != before[name]}


def _text(value: Any) -> str:
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return str(value)


_PARSE: Mapping[str, Any] = {
    "backup_reserve_pct": float,
    "battery": str,
    "export_limit_w": float,
    "charge_now": lambda text: text == "True",
    "departure_time": time.fromisoformat,
    "departure_energy_wh": float,
    "trading": lambda text: text == "True",
    "price_floor": Decimal,
}
