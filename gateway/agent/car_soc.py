"""The car's state of charge, where something knows it and tells it on an MQTT topic.

A number from 0 to 100, nothing else; what it tells is of the car that stands at the first charger with one. With
`car.capacity_wh` a wish in percent becomes energy: what the session had then, and what is missing to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.agent.state import CarSoc, GatewayState, StateKeeper
from gateway.clock import Clock
from gateway.domain.order import StandingSettings
from gateway.escape import printable
from gateway.log_budget import LogBudget

log = logging.getLogger(__name__)

KEEPS = timedelta(
    hours=18
)  # a car that was driven since has another; one that charges is counted on
_MOST_BYTES = 32
_INTO_CAR = 0.9  # of the energy at the charger


@dataclass
class CarSocInput:
    """Hears the topic. ``write`` is the state's writer."""

    keeper: StateKeeper
    write: Callable[[CarSoc | None], None]
    clock: Clock

    def __post_init__(self) -> None:
        self._refused = LogBudget(log, self.clock, most=2)

    def hear(self, payload: bytes) -> None:
        """What the topic says now; what is no percentage changes nothing."""
        pct = _percent(payload)
        if pct is None:
            text = printable(payload[:_MOST_BYTES].decode(errors="replace"))
            self._refused.say(logging.WARNING, "car.soc_topic: %r is no number from 0 to 100", text)
            return
        self.write(CarSoc(pct, self.clock.now(), session_wh(self.keeper.state)))


def session_wh(state: GatewayState) -> float:
    """What the car that stands there has got so far."""
    chargers = state.snapshot.chargers if state.snapshot else ()
    return next((c.session_wh or 0.0 for c in chargers if c.plugged), 0.0)


def known_pct(state: GatewayState, now: datetime) -> float | None:
    """The state of charge of the car that stands there, counted on with what it got since; None where it is not known."""
    soc, car = state.car_soc, state.settings.car
    if (
        soc is None
        or not timedelta(0) <= now - soc.time <= KEEPS
        or not (state.snapshot and state.snapshot.car_plugged)
    ):
        return None
    got_wh = session_wh(state) - soc.session_wh
    if got_wh < -1:
        return None  # another car, or another session
    more = 0.0 if car.capacity_wh is None else max(0.0, got_wh) * _INTO_CAR / car.capacity_wh * 100
    return min(100.0, soc.pct + more)


def standing(state: GatewayState, now: datetime) -> StandingSettings:
    """The user's settings for the guard, with a wish in percent as energy where the charge is known."""
    user, car = state.user, state.settings.car
    plain = user.standing(state.settings.site.import_limit_w)
    soc = state.car_soc
    if soc is None or car.capacity_wh is None or not timedelta(0) <= now - soc.time <= KEEPS:
        return plain
    if session_wh(state) < soc.session_wh - 1:
        return plain  # another car, or another session
    per_pct = car.capacity_wh / 100 / _INTO_CAR

    def energy_wh(pct: float) -> float:
        return max(0.0, soc.session_wh + (pct - soc.pct) * per_pct)

    if user.departure_soc_pct is not None:
        plain = replace(plain, departure_energy_wh=energy_wh(user.departure_soc_pct))
    if user.car_limit_pct is not None:
        most = energy_wh(user.car_limit_pct)
        known = plain.car_limit_wh
        plain = replace(plain, car_limit_wh=most if known is None else min(known, most))
    return plain


def _percent(payload: bytes) -> float | None:
    if len(payload) > _MOST_BYTES:
        return None
    try:
        pct = float(payload)
    except ValueError:
        return None
    return pct if 0 <= pct <= 100 else None  # NaN is neither
