"""What the same quarters would have been without the battery, without us, and without the sun. Pure.

They are netted within each quarter-hour, as what the battery moved is: a cloud that comes and goes within one costs here
nothing, while the real meter counts it. So the savings shown are rather too small than too large.

Without us the inverter does what it does by itself: the battery takes what the sun leaves and gives what the house needs, above
the same reserve, with the same losses; a car charges at full power from the moment it is plugged in, as much as it really got;
and a boiler heats by its own thermostat (`thermostat`).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import overload
from zoneinfo import ZoneInfo

from gateway.bill.account import Quarter
from gateway.bill.columns import FlowColumns, HeaterColumns, Quarters, or_0
from gateway.bill.thermostat import by_thermostats
from gateway.domain.flows import Flow
from gateway.domain.heat import Heaters
from gateway.domain.plan import BatterySpec

_SUNNY_WH, _RESTS, _ENOUGH_WH = 100.0, 0.02, 2_000.0
_LEAST_SHARE, _USUAL_SHARE = 0.85, 0.97
_NO_HEATERS: Heaters = {}
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Known:
    """Those of ``quarters`` whose flows are known, by their ``numbers``: net energy of house, car and heaters, without the
    battery, Wh; ``stored_wh`` is NaN where it is not known. ``heaters``: by quarter, not by known row."""

    quarters: Quarters
    numbers: array[int]
    net_wh: array[float]
    pv_wh: array[float]
    car_wh: array[float]
    plugged: bytearray
    stored_wh: array[float]
    heaters: Mapping[str, HeaterColumns]

    def __len__(self) -> int:
        return len(self.numbers)

    def hours(self, n: int) -> float:
        return self.quarters.hours(self.numbers[n])


class Netted(Sequence[Quarter]):
    """What they would have been, netted (import +): an object is made when it is asked for."""

    def __init__(self, rows: Known, nets_wh: Iterable[float]) -> None:
        self._rows, self.nets_wh = rows, array("q", map(round, nets_wh))

    def __len__(self) -> int:
        return len(self.nets_wh)

    @overload
    def __getitem__(self, n: int) -> Quarter: ...
    @overload
    def __getitem__(self, n: slice) -> list[Quarter]: ...
    def __getitem__(self, n: int | slice) -> Quarter | list[Quarter]:
        if isinstance(n, slice):
            return [self[i] for i in range(*n.indices(len(self)))]
        net, rows = self.nets_wh[n], self._rows
        return Quarter(rows.quarters.interval(rows.numbers[n]), max(net, 0), max(-net, 0))


def known(quarters: Quarters, flows: Iterable[Flow], heaters: Collection[str] = ()) -> Known:
    """The quarters of which enough is known, in a home that has these heaters."""
    seen = FlowColumns(quarters, flows, heaters)
    share = ac_share(quarters, seen)
    has_sun = not all(map(math.isnan, seen.pv_wh))
    has_battery = not all(map(math.isnan, seen.charge_wh))
    made = Known(
        quarters, array("q"), array("d"), array("d"), array("d"), bytearray(), array("d"), seen.heaters,
    )  # fmt: skip
    for n, there in enumerate(seen.there):
        pv, load = seen.pv_wh[n] if has_sun else 0.0, seen.load_wh[n] + seen.heat_wh[n]
        nothing = has_battery and math.isnan(seen.charge_wh[n]) and math.isnan(load)
        if not there or math.isnan(pv) or nothing:
            continue
        car = or_0(seen.car_wh[n])
        if not math.isnan(load):
            net = load + car - share * pv
        else:
            moved = or_0(seen.discharge_wh[n]) - or_0(seen.charge_wh[n])
            net = quarters.import_wh[n] - quarters.export_wh[n] + moved
        made.numbers.append(n)
        made.net_wh.append(net)
        made.pv_wh.append(share * pv)
        made.car_wh.append(car)
        made.plugged.append(seen.plugged[n])
        made.stored_wh.append(seen.stored_wh[n])
    return made


def ac_share(quarters: Quarters, flows: FlowColumns) -> float:
    """What of the panels' energy reaches the house: 1 where it is measured in AC, less behind a hybrid's inverter.

    Learnt from quarters in which the sun shone and the battery rested.
    """
    sun, used = 0.0, 0.0
    for n, pv in enumerate(flows.pv_wh):
        load = flows.load_wh[n] + flows.heat_wh[n]
        moved = or_0(flows.charge_wh[n]) + or_0(flows.discharge_wh[n])
        if math.isnan(pv) or math.isnan(load) or pv < _SUNNY_WH or moved > _RESTS * pv:
            continue
        sun += pv
        used += load + or_0(flows.car_wh[n]) + quarters.export_wh[n] - quarters.import_wh[n]
    return min(max(used / sun, _LEAST_SHARE), 1.0) if sun > _ENOUGH_WH else _USUAL_SHARE


def without_battery(rows: Known) -> Netted:
    """Sun and car as they were, and nothing stored."""
    return Netted(rows, rows.net_wh)


def without_sun(rows: Known) -> Netted:
    """All that was consumed, bought."""
    return Netted(
        rows, (max(net + pv, 0.0) for net, pv in zip(rows.net_wh, rows.pv_wh, strict=True))
    )


@dataclass(frozen=True, slots=True)
class Alone:
    """The quarters without us; beside them what battery and water would hold more after each, Wh."""

    netted: Netted
    more_stored_wh: Sequence[float]
    more_heat_wh: Sequence[float]


def without_us(
    rows: Known,
    battery: BatterySpec | None,
    car_power_w: float,
    heaters: Heaters = _NO_HEATERS,
    zone: ZoneInfo = _UTC,
    more_wh: float = 0.0,
) -> Alone:
    """The inverter's own rule, a car that never waits, boilers on their thermostats (``zone``: of their hours).

    ``more_wh`` is what the battery would hold more at the beginning.
    """
    water = by_thermostats(rows.quarters, rows.numbers, rows.heaters, heaters, zone)
    changes = zip(rows.net_wh, _cars_at_once(rows, car_power_w), water.change_wh, strict=True)
    nets = array("d", map(sum, changes))
    more = array("d", bytes(8 * len(rows)))
    if battery is None:
        return Alone(Netted(rows, nets), more, water.more_wh)
    first = next((wh for wh in rows.stored_wh if not math.isnan(wh)), None)
    stored = battery.reserve_wh if first is None else first
    stored = min(max(stored + more_wh, 0.0), battery.capacity_wh)
    for n, net in enumerate(nets):
        hours = rows.hours(n)
        given = own_rule(net, stored, hours, battery)
        change = battery.change_wh(given, hours) - battery.standby_w * hours
        stored = min(max(stored + change, 0.0), battery.capacity_wh)
        nets[n] = net - given
        more[n] = or_0(stored - rows.stored_wh[n])
    return Alone(Netted(rows, nets), more, water.more_wh)


def own_rule(net_wh: float, stored_wh: float, hours: float, battery: BatterySpec) -> float:
    """What the battery gives (+) or takes (-) to keep the meter at zero, within power and energy."""
    if net_wh > 0:
        held = max(stored_wh - battery.reserve_wh, 0.0) * battery.discharge_efficiency
        return min(net_wh, battery.max_discharge_w * hours, held)
    room = max(battery.capacity_wh - stored_wh, 0.0) / battery.charge_efficiency
    return -min(-net_wh, battery.max_charge_w * hours, room)


def _cars_at_once(rows: Known, power_w: float) -> array[float]:
    """By quarter, what the car would have taken more (+) or less (-): each stay's energy from its first quarter on."""
    change = array("d", bytes(8 * len(rows)))
    at = 0
    while at < len(rows):
        if not rows.plugged[at]:
            at += 1
            continue
        end = at
        while end < len(rows) and rows.plugged[end]:
            end += 1
        left = sum(rows.car_wh[at:end])
        for i in range(at, end):
            taken = min(left, power_w * rows.hours(i)) if power_w else rows.car_wh[i]
            left -= taken
            change[i] = taken - rows.car_wh[i]
        at = end
    return change
