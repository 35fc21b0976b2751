"""The user's settings at the start: the configuration's values, and over them what commands have stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from gateway.agent.state import StateKeeper
from gateway.config.settings import Settings
from gateway.domain.setting_kinds import DAYS
from gateway.domain.user_settings import SETTINGS, UserSettings
from gateway.errors import StorageError
from gateway.store.settings import SettingsStore

PREFIX = "setting."  # of the names under which changes are stored
_PREFIX_0_1 = "wish."
_TEXTS_0_1: Mapping[str, bool | None] = {"True": True, "False": False, "None": None}


def configured(settings: Settings) -> UserSettings:
    """What gateway.toml says; what it does not name has the default of its row."""
    user = UserSettings(
        backup_reserve_pct=settings.site.reserve_pct,
        export_limit_w=settings.site.export_limit_w,
        departure_time=settings.car.departure,
        departure_energy_wh=settings.car.energy_wh,
        departure_days=tuple(sorted(DAYS.index(day) for day in settings.car.departure_days)),
        car_more_per_kwh=settings.car.more_per_kwh,
        car_limit_wh=settings.car.limit_wh,
        car_surplus_w=settings.car.surplus_w,
    )
    market = settings.market
    if market is None:
        return user
    return user.changed({"trading": market.trading, "price_floor": market.price_floor_per_kwh})


def restored(settings: Settings, stored: Mapping[str, str]) -> UserSettings:
    """The configuration's settings with the stored changes; a stored text that no longer fits is dropped."""
    user = configured(settings)
    for name, text in stored.items():
        setting = SETTINGS.get(name)
        if setting is None:
            continue
        try:
            user = user.changed({name: setting.kind.read(_value(text))})
        except (ValueError, RecursionError):
            continue
    most_w = settings.site.export_limit_w
    if most_w is not None and (user.export_limit_w is None or user.export_limit_w > most_w):
        user = user.changed({"export_limit_w": most_w})  # the connection's limit always holds
    return user


def stored_settings(store: SettingsStore) -> dict[str, str]:
    """What commands have changed, by name; what 0.1 stored is older."""
    return store.settings(_PREFIX_0_1) | store.settings(PREFIX)


def _value(text: str) -> Any:
    """JSON; 0.1 stored Python's own texts."""
    if text in _TEXTS_0_1:
        return _TEXTS_0_1[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def differences(old: UserSettings, new: UserSettings) -> dict[str, str]:
    """What changed, as text to store."""
    return {
        name: json.dumps(new.shown(name)) for name in SETTINGS if new.shown(name) != old.shown(name)
    }


class SettingsKeeper:
    """The only one who changes the user's settings: stored first, then in force."""

    def __init__(self, keeper: StateKeeper, store: SettingsStore) -> None:
        self._keeper, self._stored = keeper, store
        self._write = keeper.writer("user")

    def change(self, new: UserSettings, *, must_store: bool = True) -> None:
        """Raises StorageError, and changes nothing, where it must be stored and cannot be."""
        differing = differences(self._keeper.state.user, new)
        if must_store:
            self._store(differing)
        else:
            with suppress(StorageError):
                self._store(differing)
        self._write(new)

    def _store(self, differing: Mapping[str, str]) -> None:
        for name, text in differing.items():
            self._stored.setting(PREFIX + name, text)
