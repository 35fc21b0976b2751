"""What the user wants of the car, and what the plan's values ask of it now. Pure but for `Contactor`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.config.settings import Car
from gateway.control import LEAST_CAR_W, ChargerSpec
from gateway.domain.plan import CarNeed, Plan
from gateway.domain.readings import Snapshot
from gateway.domain.user_settings import UserSettings
from gateway.planner.car import car_power_w as worth_power_w
from gateway.planner.dispatch import DispatchInputs

RISE_S = 30.0  # a car follows a raised current within some seconds (IEC 61851: 5 s, some need more)
SLACK = 1.25  # a car that needs more than 1 / SLACK of the time that is left no longer waits
SLACK_S = 900.0  # ... nor one with less than a quarter-hour to spare


def charger_spec(car: Car, cars: int = 1) -> ChargerSpec:
    """The chargers as one: the most is that of all ``cars``, the least that of one."""
    most_a = car.max_current_a * max(1, cars)
    return ChargerSpec(car.phases, car.volts, car.min_current_a, most_a)


def sessions_wh(snapshot: Snapshot) -> dict[str, float]:
    """The chargers at which a car stands, with what it has got there (0 where that is not counted)."""
    return {
        name: state.number("charger_session_wh") or 0.0
        for name, state in snapshot.devices.items()
        if state.text("charger_state") in ("plugged", "charging")
    }


def shares_a(
    total_a: float | None, car: Car, wishes: UserSettings, snapshot: Snapshot
) -> tuple[tuple[str, float], ...]:
    """What each of several chargers gets of ``total_a``, in whole amperes; empty where there is one.

    Cars that still want something share alike; where the least of a car is not left for all, those
    that stand first in the configuration go first. Everybody else is paused.
    """
    chargers = [n for n, state in snapshot.devices.items() if "charger_state" in state.readings]
    if total_a is None or len(chargers) < 2:
        return ()
    wanting = [
        name
        for name, got_wh in sessions_wh(snapshot).items()
        if wishes.charge_now or got_wh < wishes.departure_energy_wh
    ]
    count = min(len(wanting), math.floor(total_a / car.min_current_a))
    each, rest = divmod(math.floor(total_a), count) if count else (0, 0)
    parts = {
        name: float(min(car.max_current_a, each + (place < rest)))
        for place, name in enumerate(wanting[:count])
    }
    return tuple((name, parts.get(name, 0.0)) for name in chargers)


def car_need(car: Car, wishes: UserSettings, snapshot: Snapshot, zone: ZoneInfo) -> CarNeed | None:
    """The energy still wanted before the next departure; None without a car or when it is done.

    The wish is that of each car. A charger that does not count its session is asked for the whole of
    it: rather ready than short.
    """
    if not snapshot.car_plugged:
        return None
    got = list(sessions_wh(snapshot).values()) or [snapshot.car_session_wh or 0.0]
    missing = [wishes.departure_energy_wh - wh for wh in got if wh < wishes.departure_energy_wh]
    if not missing:
        return None
    per_ampere_w = car.phases * car.volts
    return CarNeed(
        energy_wh=sum(missing),
        departure=next_at(snapshot.time, wishes.departure_time, zone),
        max_power_w=len(missing) * car.max_current_a * per_ampere_w,
        min_power_w=car.min_current_a * per_ampere_w,
    )


def next_at(now: datetime, local: time, zone: ZoneInfo) -> datetime:
    """The next moment at which the local clock shows ``local``."""
    here = now.astimezone(zone)
    when = datetime.combine(here.date(), local, zone)
    if when <= here:
        when = datetime.combine(here.date() + timedelta(days=1), local, zone)
    return when.astimezone(now.tzinfo)


def is_urgent(need: CarNeed, now: datetime) -> bool:
    """Whether the car is late if it does not charge at full power from about now on."""
    needed_s = 3600 * need.energy_wh / need.max_power_w
    return (need.departure - now).total_seconds() < SLACK * needed_s + SLACK_S


def car_power_w(
    plan: Plan | None, need: CarNeed, moment: DispatchInputs | None, now: datetime
) -> float:
    """The car's power now by the value of another Wh in it against the present price.

    A plan that does not know the car (none yet, or made before it came) lets it wait while there is
    time; after that it charges at full power, as it does where a price is not known: rather ready than
    short. ``moment`` has the net load without car and battery.
    """
    curve = plan.car_value(now) if plan else None
    if curve is None:
        return need.max_power_w if is_urgent(need, now) else 0.0
    if moment is None:
        return need.max_power_w
    return worth_power_w(curve, moment, need)


def whole_amperes(power_w: float, charger: ChargerSpec) -> float:
    """``power_w`` rounded down to whole amperes: control rounds up, and a limit must hold."""
    per_ampere_w = charger.phases * charger.volts
    return math.floor(power_w / per_ampere_w + 1e-9) * per_ampere_w


@dataclass(slots=True)
class Contactor:
    """Spares the charger's contactor: a car that charges, or waits, does so for at least ``dwell_s``.

    Times are of a monotonic clock, s.
    """

    dwell_s: float
    charging: bool = False
    since_s: float = -math.inf
    raised_s: float = -math.inf
    _power_w: float = 0.0

    def calm(
        self, wanted_w: float | None, need: CarNeed | None, *, urgent: bool, at: float
    ) -> float | None:
        """``wanted_w``, or what was going on before, where prices alone ask for a change too soon.

        A car that has its energy stops at once, one that is short of time starts at once.
        """
        power_w = wanted_w
        if need is not None and wanted_w is not None and at - self.since_s < self.dwell_s:
            if self.charging and wanted_w <= LEAST_CAR_W:
                power_w = need.min_power_w
            elif not self.charging and wanted_w > LEAST_CAR_W and not urgent:
                power_w = 0.0
        charging = power_w is not None and power_w > LEAST_CAR_W
        if charging != self.charging:
            self.charging, self.since_s = charging, at
        if (power_w or 0.0) > self._power_w:
            self.raised_s = at
        self._power_w = power_w or 0.0
        return power_w

    def rises(self, at: float) -> bool:
        """Whether the car was told to take more just now and may not do so yet."""
        return at - self.raised_s < RISE_S
