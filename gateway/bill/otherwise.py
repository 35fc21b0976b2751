"""What the same quarters would have been without the battery, without us, and without the sun. Pure.

They are netted within each quarter-hour, as what the battery moved is: a cloud that comes and goes within one costs here
nothing, while the real meter counts it. So the savings shown are rather too small than too large.

Without us the inverter does what it does by itself: the battery takes what the sun leaves and gives what the house needs, above
the same reserve, with the same losses; and a car charges at full power from the moment it is plugged in, as much as it really got.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.bill.account import Quarter
from gateway.domain.flows import Flow
from gateway.domain.intervals import Interval
from gateway.domain.plan import BatterySpec

_SUNNY_WH, _RESTS, _ENOUGH_WH = 100.0, 0.02, 2_000.0
_LEAST_SHARE, _USUAL_SHARE = 0.85, 0.97


@dataclass(frozen=True, slots=True)
class Known:
    """A metered quarter whose flows are known: net energy of house and car, without the battery, Wh."""

    quarter: Quarter
    net_wh: float
    pv_wh: float
    car_wh: float
    plugged: bool
    stored_wh: float | None


def known(quarters: Iterable[Quarter], flows: Iterable[Flow]) -> list[Known]:
    """The quarters of which enough is known, in order."""
    by_start = {flow.interval.start: flow for flow in flows}
    ordered = sorted(quarters, key=lambda q: q.interval.start)
    pairs = [(q, by_start[q.interval.start]) for q in ordered if q.interval.start in by_start]
    share = ac_share(pairs)
    has_sun = any(flow.pv_wh is not None for _, flow in pairs)
    has_battery = any(flow.charge_wh is not None for _, flow in pairs)
    made = []
    for quarter, flow in pairs:
        pv = flow.pv_wh if has_sun else 0.0
        car = flow.car_wh or 0.0
        if pv is None or (has_battery and flow.charge_wh is None and flow.load_wh is None):
            continue
        if flow.load_wh is not None:
            net = flow.load_wh + car - share * pv
        else:
            moved = (flow.discharge_wh or 0.0) - (flow.charge_wh or 0.0)
            net = quarter.import_wh - quarter.export_wh + moved
        made.append(Known(quarter, net, share * pv, car, bool(flow.plugged), flow.stored_wh))
    return made


def ac_share(pairs: Sequence[tuple[Quarter, Flow]]) -> float:
    """What of the panels' energy reaches the house: 1 where it is measured in AC, less behind a hybrid's inverter.

    Learnt from quarters in which the sun shone and the battery rested.
    """
    sun, used = 0.0, 0.0
    for quarter, flow in pairs:
        pv, load = flow.pv_wh, flow.load_wh
        moved = (flow.charge_wh or 0.0) + (flow.discharge_wh or 0.0)
        if pv is None or load is None or pv < _SUNNY_WH or moved > _RESTS * pv:
            continue
        sun += pv
        used += load + (flow.car_wh or 0.0) + quarter.export_wh - quarter.import_wh
    return min(max(used / sun, _LEAST_SHARE), 1.0) if sun > _ENOUGH_WH else _USUAL_SHARE


def without_battery(rows: Sequence[Known]) -> list[Quarter]:
    """Sun and car as they were, and nothing stored."""
    return [_netted(row.quarter.interval, row.net_wh) for row in rows]


def without_sun(rows: Sequence[Known]) -> list[Quarter]:
    """All that was consumed, bought."""
    return [_netted(row.quarter.interval, max(row.net_wh + row.pv_wh, 0.0)) for row in rows]


def without_us(
    rows: Sequence[Known], battery: BatterySpec | None, car_power_w: float
) -> tuple[list[Quarter], list[float]]:
    """The inverter's own rule, and a car that never waits; beside it what would be stored more after each, Wh."""
    moved = _cars_at_once(rows, car_power_w)
    if battery is None:
        nets = [row.net_wh + car for row, car in zip(rows, moved, strict=True)]
        made = [_netted(row.quarter.interval, net) for row, net in zip(rows, nets, strict=True)]
        return made, [0.0] * len(rows)
    first = next((row.stored_wh for row in rows if row.stored_wh is not None), None)
    stored = battery.reserve_wh if first is None else first
    made, more = [], []
    for row, car in zip(rows, moved, strict=True):
        hours = row.quarter.interval.hours
        net = row.net_wh + car
        given = own_rule(net, stored, hours, battery)
        change = battery.change_wh(given, hours) - battery.standby_w * hours
        stored = min(max(stored + change, 0.0), battery.capacity_wh)
        made.append(_netted(row.quarter.interval, net - given))
        more.append(0.0 if row.stored_wh is None else stored - row.stored_wh)
    return made, more


def own_rule(net_wh: float, stored_wh: float, hours: float, battery: BatterySpec) -> float:
    """What the battery gives (+) or takes (-) to keep the meter at zero, within power and energy."""
    if net_wh > 0:
        held = max(stored_wh - battery.reserve_wh, 0.0) * battery.discharge_efficiency
        return min(net_wh, battery.max_discharge_w * hours, held)
    room = max(battery.capacity_wh - stored_wh, 0.0) / battery.charge_efficiency
    return -min(-net_wh, battery.max_charge_w * hours, room)


def _cars_at_once(rows: Sequence[Known], power_w: float) -> list[float]:
    """By quarter, what the car would have taken more (+) or less (-): each stay's energy from its first quarter on."""
    change = [0.0] * len(rows)
    at = 0
    while at < len(rows):
        if not rows[at].plugged:
            at += 1
            continue
        end = at
        while end < len(rows) and rows[end].plugged:
            end += 1
        left = sum(row.car_wh for row in rows[at:end])
        for i in range(at, end):
            taken = (
                min(left, power_w * rows[i].quarter.interval.hours) if power_w else rows[i].car_wh
            )
            left -= taken
            change[i] = taken - rows[i].car_wh
        at = end
    return change


def _netted(interval: Interval, net_wh: float) -> Quarter:
    whole = round(net_wh)
    return Quarter(interval, max(whole, 0), max(-whole, 0))
