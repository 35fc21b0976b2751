"""What goes wrong in a day, by seed: devices that fall silent, sensors that err, an agent that dies, prices that stop,
limits of the grid operator, owners who change their mind, cars that do as they like, outages.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from simulators.lab import Day, Lab, Said, SensorFault
from simulators.lab.exchange import ExchangeDay
from simulators.lab.feed import Prices
from simulators.lab.site import INVERTER, METER, PHASE_2, ROOF, STORE, Silence, box_name
from simulators.physics.script import Span, Visit
from simulators.physics.storage import Storage

CHANCE = 0.22  # of each trouble
WITHOUT_S = 1_200.0  # so long after an agent's death nothing of its order holds


def troubled(lab: Lab, seed: int, day: Day) -> Lab:
    """The same home on a worse day."""
    rng = random.Random(f"troubles {seed}")
    chosen = [trouble for trouble in TROUBLES if rng.random() < CHANCE]
    for trouble in chosen or [rng.choice(TROUBLES)]:
        lab = trouble(rng, lab, day)
    trades = random.Random(f"exchange {seed}")
    return _trades(trades, lab, seed) if trades.random() < CHANCE else lab


def _span(rng: random.Random, lab: Lab, least_min: float, most_min: float) -> Span:
    """Somewhere in the day, never before its first hour is over."""
    begin = lab.start + timedelta(hours=rng.uniform(1, 23))
    return begin, begin + timedelta(minutes=rng.uniform(least_min, most_min))


def _with(lab: Lab, table: str, **values: Any) -> Mapping[str, Any]:
    return {**lab.settings, table: {**lab.settings.get(table, {}), **values}}


def _trades(rng: random.Random, lab: Lab, seed: int) -> Lab:
    """It sells and buys at an exchange, which is away now and then, for minutes or hours."""
    spans = [_span(rng, lab, 2, 240)] if rng.random() < 0.6 else []
    down = tuple((begin, min(end, lab.end - timedelta(hours=1))) for begin, end in spans)
    settings = {name: table for name, table in lab.settings.items() if name != "tariff"}
    exchange = ExchangeDay(seed, tuple(span for span in down if span[0] < span[1]))
    return replace(lab, settings=settings, prices=None, exchange=exchange)


def second_battery(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    storage = Storage(
        rng.choice((2_000.0, 5_000.0, 10_000.0)),
        rng.choice((800.0, 2_500.0, 5_000.0)),
        soc_pct=rng.choice((10, 50, 90)),
    )
    return replace(lab, house=replace(lab.house, storage=storage))


def silent_device(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    there = [INVERTER, METER]
    there += [ROOF] if lab.equipment.roof else []
    there += [STORE] * 2 if lab.house.storage is not None else []
    there += [box_name(i) for i in range(lab.script.chargers)]
    lost = Silence(rng.choice(there), *_span(rng, lab, 2, 240))
    return _silent(lab, lost)


def unbalanced_fuse(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    """Phases unlike each other; a meter that tells them, or one that tells only the sum; or one phase is missing."""
    settings = _with(lab, "site", fuse_a=rng.choice((16, 20, 25, 35)))
    equipment = replace(lab.equipment, tells_phases=rng.random() < 0.8)
    shares = rng.choice(((0.8, 0.1, 0.1), (0.5, 0.3, 0.2), (1.0, 0.0, 0.0)))
    lab = replace(lab, settings=settings, equipment=equipment, load_shares=shares)
    if equipment.tells_phases and rng.random() < 0.3:
        lab = _silent(lab, Silence(PHASE_2, *_span(rng, lab, 10, 300)))
    return lab


def _silent(lab: Lab, lost: Silence) -> Lab:
    return replace(lab, equipment=replace(lab.equipment, silent=(*lab.equipment.silent, lost)))


def meter_errs(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    begin, end = _span(rng, lab, 5, 180)
    lag_s = rng.choice((10.0, 30.0))
    fault = rng.choice(
        (
            SensorFault("grid", "stuck", begin, end),
            SensorFault("grid", "lag", begin, end, lag_s),
            SensorFault("grid", "turned", begin, end),
            SensorFault("grid", "restarted", begin, lab.end),
        )
    )
    return replace(lab, script=replace(lab.script, sensors=(*lab.script.sensors, fault)))


def agent_dies(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    """Once or more, for a moment or for hours."""
    spans: list[Span] = []
    for _ in range(rng.choice((1, 1, 2, 4))):
        begin, end = _span(rng, lab, 0.2, rng.choice((2, 30, 240)))
        if all(end < a or b < begin for a, b in spans) and end < lab.end:
            spans.append((begin, end))
    return replace(lab, agent_off=tuple(sorted(spans)))


def gateway_restarts(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    begin, end = _span(rng, lab, 0.2, 20)
    return replace(lab, off=((begin, min(end, lab.end - timedelta(minutes=5))),))


def prices_fail(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    """The server is away, or publishes nothing new from an hour on."""
    if not isinstance(lab.prices, Prices):
        return lab
    stops, end = _span(rng, lab, 30, 600)
    if rng.random() < 0.5:
        return replace(lab, prices=replace(lab.prices, down=((stops, end),)))

    def known_until(now: datetime) -> datetime:
        return min(now, stops) + timedelta(hours=6)

    return replace(lab, prices=replace(lab.prices, known_until=known_until))


def prices_at_nothing(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    """Hours at 0, or in which whoever takes energy is paid."""
    if not isinstance(lab.prices, Prices):
        return lab
    begin, end = _span(rng, lab, 60, 300)
    usual = lab.prices.posted
    low = rng.choice(((0.0, 0.0), (0.05, 0.0), (-0.1, -0.2), (0.02, -0.01)))

    def posted(time: datetime) -> tuple[float | None, float | None]:
        return low if begin <= time < end else usual(time)

    return replace(lab, prices=replace(lab.prices, posted=posted))


def grid_operator(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    """Limits that come, change, are lifted or run out."""
    applies = rng.choice(("controllable", "connection"))
    said = list(lab.commands)
    for _ in range(rng.choice((1, 2, 3))):
        begin, end = _span(rng, lab, 5, 180)
        kind = rng.choice(("import", "import", "export"))
        limit_w = rng.choice((0, 1_500, 4_200, 6_000))
        value = {"limit_w": limit_w, "duration_s": int((end - begin).total_seconds()) + 1}
        said.append(Said(begin, f"operator_{kind}_limit", value))
        if rng.random() < 0.4:
            said.append(Said(begin + (end - begin) / 2, f"operator_{kind}_limit", None))
    settings = _with(lab, "grid_operator", applies_to=applies)
    return replace(lab, settings=settings, commands=tuple(said))


def owner_decides(rng: random.Random, lab: Lab, day: Day) -> Lab:
    """At any hour, and often takes it back."""
    said, agreed_w = list(lab.commands), lab.settings["site"].get("export_limit_w")
    for _ in range(rng.choice((1, 2, 4))):
        begin, end = _span(rng, lab, 10, 300)
        name, value, back = rng.choice(
            (
                ("battery", "hold", "auto"),
                ("charge_now", True, False),
                ("backup_reserve_pct", rng.choice((0, 30, 70, 100)), 20),
                ("export_limit_w", 0 if agreed_w is None else agreed_w / 2, agreed_w),
                ("car_from_battery", True, False),
                ("away", True, False),
                ("departure", {"time": rng.choice(("06:30", "15:30")), "energy_wh": 8_000}, None),
                ("car_surplus_w", 2_000, 0),
            )
        )
        said.append(Said(begin, name, value))
        if name != "departure" and rng.random() < 0.8 and end < lab.end:
            said.append(Said(end, name, back))
    return replace(lab, commands=tuple(said))


def odd_car(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    """It leaves early, refuses for a while, or takes less than it is told."""

    def odd(visit: Visit) -> Visit:
        stay = visit.leaves - visit.arrives
        which = rng.random()
        if which < 0.4:
            return replace(visit, leaves=visit.arrives + stay * rng.uniform(0.1, 0.9))
        if which < 0.7:
            begin = visit.arrives + stay * rng.uniform(0, 0.8)
            span = (begin, begin + timedelta(minutes=rng.uniform(2, 120)))
            return replace(visit, refuses=(*visit.refuses, span))
        return replace(visit, car=replace(visit.car, max_current_a=rng.choice((6.0, 8.0, 13.0))))

    visits = tuple(odd(v) for v in lab.script.visits)
    return replace(lab, script=replace(lab.script, visits=visits))


def outage(rng: random.Random, lab: Lab, _day: Day) -> Lab:
    begin, end = _span(rng, lab, 2, 180)
    return replace(lab, outages=((begin, min(end, lab.end - timedelta(minutes=30))),))


Trouble = Callable[[random.Random, Lab, Day], Lab]
TROUBLES: tuple[Trouble, ...] = (
    second_battery,
    silent_device,
    unbalanced_fuse,
    meter_errs,
    agent_dies,
    gateway_restarts,
    prices_fail,
    prices_at_nothing,
    grid_operator,
    owner_decides,
    odd_car,
    outage,
)
