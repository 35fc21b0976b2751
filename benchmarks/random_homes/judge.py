"""What an owner or a grid operator would complain of, as sentences. From the truth, not from what the gateway thinks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.random_homes.limits import kept
from benchmarks.random_homes.told import AFTERWARDS, Told, inside
from gateway.domain.control import Reason
from simulators.lab import Lab, Result, Sample, Visit
from simulators.lab.feed import Prices

# More starts and turns than a day has reasons for; setpoints of a device that keeps them in flash; more money lost than
# the estimate of what is left in battery and car can be wrong by.
MOST_STARTS, MOST_TURNS, MOST_FLASH, MOST_LINES, MOST_ALIKE = 12, 90, 24, 400, 40
LOST, LOST_PART = 0.15, 0.03
PRICED = frozenset(
    {Reason.PRICE_CHARGE, Reason.PRICE_DISCHARGE, Reason.PRICE_REST, Reason.DELIVERY}
)


def same_day(lab: Lab) -> bool:
    """Whether the inverter alone would have had the same day: else whoever may draw less, or is asked for more, pays."""
    if lab.exchange is not None or lab.commands or lab.outages or lab.off:
        return False
    if lab.script.sensors or lab.equipment.silent:
        return False
    prices = lab.prices
    whole = not isinstance(prices, Prices) or prices.known_until(lab.end) >= lab.end
    return whole and not getattr(prices, "down", ())


def faults(lab: Lab, steered: Result, alone: Result | None = None) -> list[str]:
    """All complaints; empty when nobody has one. ``alone`` is the same day by the inverter's own rule."""
    return [
        *kept(lab, steered),
        *_without_order(steered),
        *_calm(lab, steered),
        *_cars(lab, steered),
        *(_money(lab, steered, alone) if alone is not None else ()),
        *steered.account,
        *_answers(lab, steered),
        *_alarms(lab, steered),
        *_said(steered),
    ]


def _without_order(steered: Result) -> Iterator[str]:
    """No price moves a battery when no order holds."""
    found = [
        s
        for s in steered.samples
        if not s.ordered and s.setpoints.batteries_w and s.setpoints.reason in PRICED
    ]
    if found:
        first = found[0]
        yield f"{len(found)} ticks steered by {first.setpoints.reason} without an order, first {first.time:%d %H:%M:%S}"


def _calm(lab: Lab, steered: Result) -> Iterator[str]:
    for n in range(lab.script.chargers):
        if (count := steered.starts(n)) > MOST_STARTS:
            yield f"charger {n} began {count} times"
    if (turns := steered.reversals()) > MOST_TURNS:
        yield f"the battery was turned {turns} times"
    told: dict[str, Callable[[Sample], Any]] = {
        "export limit": lambda s: s.setpoints.export_limit_w,
        "reserve": lambda s: s.setpoints.reserve_pct,
    }
    for name, value in told.items():
        writes = sum(value(a) != value(b) for a, b in pairwise(steered.samples))
        if writes > MOST_FLASH:
            yield f"the inverter's {name} was written {writes} times"


def _cars(lab: Lab, steered: Result) -> Iterator[str]:
    """Each that stays until its departure has its wish, or its owner was told."""
    told = any(code.startswith("car") for s in steered.samples for code in s.note_codes)
    asked = {s.name for s in lab.commands}
    if told or asked & {"departure", "car_surplus_w"}:
        return
    for visit in lab.script.visits:
        ready = _ready(lab, visit)
        if ready is None or min(visit.leaves, lab.end) < ready:
            continue
        room_wh = (visit.car.capacity_wh - visit.stored_wh) / visit.car.charge_efficiency
        wanted_wh = min(
            lab.settings["car"]["energy_wh"], 0.95 * room_wh, _possible_wh(lab, visit, ready)
        )
        got_wh = steered.between(visit.arrives, visit.leaves).car_wh(visit.charger)
        if got_wh < 0.97 * wanted_wh:
            yield f"the car at {visit.charger} has {got_wh:.0f} of {wanted_wh:.0f} Wh, and nobody was told"


def _ready(lab: Lab, visit: Visit) -> datetime | None:
    """The configured departure in its stay."""
    departure = lab.settings["car"].get("departure")
    if departure is None:
        return None
    hour, minute = (int(part) for part in departure.split(":"))
    local = visit.arrives.astimezone(ZoneInfo(lab.settings["site"]["time_zone"]))
    ready = local.replace(hour=hour, minute=minute)
    if ready <= local:
        ready = (ready + timedelta(days=1)).replace(hour=hour, minute=minute)
    return ready.astimezone(visit.arrives.tzinfo)


def _possible_wh(lab: Lab, visit: Visit, ready: datetime) -> float:
    """What it could get where nothing but itself is in the way, less what faults took."""
    lost = [*visit.refuses, *lab.outages, *lab.off]
    lost += [(s.begin, s.end) for s in lab.equipment.silent]
    lost += [(f.begin, f.end) for f in lab.script.sensors]
    stay = ready - visit.arrives
    away = sum(
        (max(timedelta(0), min(e, ready) - max(b, visit.arrives)) for b, e in lost), timedelta(0)
    )
    hours = max(0.0, (stay - away) / timedelta(hours=1) - 0.5)
    car = visit.car
    return hours * car.max_current_a * car.phases * 230.0 * 0.6


def _money(lab: Lab, steered: Result, alone: Result) -> Iterator[str]:
    """Worse than the inverter's own rule; what is left in battery and cars is counted at usual prices."""
    bought = sorted(s.prices[0] for s in alone.samples if s.prices[0] is not None)
    sold = sorted(s.prices[1] for s in alone.samples if s.prices[1] is not None)
    usual = bought[len(bought) // 2] / 1e3
    least = min(bought[0], max(0.0, sold[len(sold) // 2])) / 1e3
    first, second = (lab.house.battery.capacity_wh / 1e3 if lab.equipment.battery else 0.0), 0.0
    more_kwh = (steered.samples[-1].soc_pct - alone.samples[-1].soc_pct) / 100 * first
    if lab.house.storage is not None:
        second = (steered.samples[-1].storage_pct or 0.0) - (alone.samples[-1].storage_pct or 0.0)
        more_kwh += second / 100 * lab.house.storage.capacity_wh / 1e3
    cars_kwh = sum(steered.car_wh(n) - alone.car_wh(n) for n in range(lab.script.chargers)) / 1e3
    gained = sum(kwh * (usual if kwh > 0 else least) for kwh in (0.9 * more_kwh, cars_kwh))
    lost = steered.cost - alone.cost - gained
    if lost > max(LOST, LOST_PART * abs(alone.cost)):
        sums = f"{steered.cost:.2f} for {alone.cost:.2f}"
        left = f"{more_kwh:+.1f} kWh stored, {cars_kwh:+.1f} in cars"
        yield f"{lost:.2f} worse than its inverter's own rule: {sums}, {left}"


def _answers(lab: Lab, steered: Result) -> Iterator[str]:
    """Whoever says something is answered, and obeyed; nobody charges a car that is not there."""
    told = Told(lab)
    for number, said in enumerate(sorted(lab.commands, key=lambda s: s.at)):
        name = f"{said.name}-{number}"
        answer: Any = steered.answers.get(name)
        nobody = said.name == "charge_now" and not any(v.at(said.at) for v in lab.script.visits)
        if answer is not None and answer.status != "ok" and not nobody:
            yield f"command {name}: {answer}"
    missing = len(told.heard) - len(steered.answers)
    if missing > 0:
        yield f"{missing} commands without an answer"


def _alarms(lab: Lab, steered: Result) -> Iterator[str]:
    """Each that should have come came, and none that should not."""
    told = Told(lab)
    seen: dict[str, list[datetime]] = {}
    for sample in steered.samples:
        for code in sample.alarm_codes:
            seen.setdefault(code, []).append(sample.time)
    stuck = [(f.begin, f.end) for f in lab.script.sensors if f.kind == "stuck"]
    operator = [
        (s.at, s.at + timedelta(seconds=s.value["duration_s"]))
        for s in told.heard
        if s.name.startswith("operator") and s.value is not None
    ]
    reasons = {
        "off_grid": list(lab.outages),
        "meter_stands_still": stuck,
        "operator_limit": operator,
    }
    for code, times in seen.items():
        if code == "limit_not_kept":
            continue  # judged by the limits themselves
        without = [t for t in times if not inside(reasons.get(code, []), t, AFTERWARDS)]
        if without:
            yield f"alarm {code} without a reason, {len(without)} ticks, first {without[0]:%d %H:%M:%S}"
    for begin, end in lab.outages:
        if end - begin > timedelta(minutes=1) and not any(
            begin <= t < end for t in seen.get("off_grid", [])
        ):
            yield "nobody was told that the grid was away"


def _said(steered: Result) -> Iterator[str]:
    """Errors in the log, but for limits that the house alone breaks, which are judged elsewhere; and too many lines."""
    for line in steered.log:
        if "ERROR" in line and "is not kept" not in line and "stands still" not in line:
            yield line
    if len(steered.log) > MOST_LINES:
        yield f"{len(steered.log)} lines in the log of a day"
    alike = Counter(re.sub(r"\d+", "#", line) for line in steered.log)
    for line, count in alike.items():
        if count > MOST_ALIKE:
            yield f"{count} times in the log: {line[15:]}"
