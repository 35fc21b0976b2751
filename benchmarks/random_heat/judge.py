"""What an owner or a grid operator would complain of."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from benchmarks.random_heat.homes import (
    LEAST_C,
    LIMIT_W,
    LOST,
    LOST_PART,
    MOST_SWITCHES,
    OVER_S,
    OVER_W,
    SLACK_K,
    TARGET_C,
    WANTED_WH,
    Alone,
    at,
    boiler_of,
)
from simulators.lab import (
    Lab,
    Result,
    Sample,
)
from simulators.lab.site import BOILER, HEAT_PUMP


def faults(lab: Lab, steered: Result, usual: Alone) -> list[str]:
    """What somebody would complain of."""
    return [*_limit(steered), *_water(lab, steered), *_calm(lab, steered), *_car(lab, steered), *_money(lab, steered, usual),
            *(line for line in steered.log if "ERROR" in line and "is not kept" not in line)]  # fmt: skip


def _limit(steered: Result) -> list[str]:
    """Above the connection's limit while something could have given way."""

    def drawn_w(sample: Sample) -> float:
        rod_w = sample.boiler.power_w if sample.boiler else 0.0
        gives_way_w = sum(sample.cars_w) + max(0.0, -sample.powers.battery) + rod_w
        return sample.powers.grid if gives_way_w > 300 else 0.0

    over_wh, longest_s = steered.excess(LIMIT_W, drawn_w, OVER_W)
    if longest_s <= OVER_S:
        return []
    return [f"limit of {LIMIT_W} W: {over_wh:.0f} Wh over, {longest_s:.0f} s without a break"]


def _water(lab: Lab, steered: Result) -> list[str]:
    """Not warm when it was to be, and nobody was told."""
    told = "water_late" in {code for s in steered.samples for code in s.note_codes}
    found = []
    begin = steered.samples[0].time
    for ready in (at("18:00"), at("06:30", 1)):
        sample = min(steered.samples, key=lambda s: abs(s.time - ready))
        boiler = boiler_of(sample.boiler)
        if lab.equipment.thermometer:
            warm = boiler.temperature_c >= TARGET_C - SLACK_K
            says = f"{boiler.temperature_c:.1f} °C"
        else:
            got_wh = _drawn_wh(steered, begin if ready == at("18:00") else at("18:00"), ready)
            full = boiler.temperature_c >= 58
            warm, says = got_wh >= 0.9 * WANTED_WH or full, f"{got_wh:.0f} Wh"
        if not (warm or told):
            found.append(f"the boiler at {ready:%H:%M}: {says}, and nobody was told")
    if lab.equipment.thermometer:
        least = min(s.boiler.temperature_c for s in steered.samples if s.boiler)
        if least < LEAST_C - 4:
            found.append(f"the boiler fell to {least:.1f} °C")
    return found


def _drawn_wh(steered: Result, begin: datetime, end: datetime) -> float:
    inside = [s.boiler.total_wh for s in steered.samples if begin <= s.time <= end and s.boiler]
    return inside[-1] - inside[0]


def _calm(lab: Lab, steered: Result) -> list[str]:
    """What is only on or off, and a compressor, is not switched for nothing."""
    told = {
        "the plug": [s.setpoints.heaters_w.get(BOILER, 0) > 0 for s in steered.samples],
        "the heat pump": [s.setpoints.sg_ready.get(HEAT_PUMP, 2) == 3 for s in steered.samples],
    }
    found = []
    for name, on in told.items():
        count = sum(a != b for a, b in pairwise(on))
        if count > MOST_SWITCHES[name] and not (name == "the plug" and lab.equipment.thermometer):
            found.append(f"{name} was switched {count} times")
    return found


def _car(lab: Lab, steered: Result) -> list[str]:
    wish_wh, got_wh = lab.settings["car"]["energy_wh"], steered.car_wh(0)
    told = "car_late" in {c for s in steered.samples for c in s.note_codes} or any(
        "car cannot be" in note for s in steered.samples for note in s.notes
    )
    for visit in lab.script.visits:
        room_wh = (visit.car.capacity_wh - visit.stored_wh) / visit.car.charge_efficiency
        if (
            visit.leaves >= at("06:30", 1)
            and got_wh < 0.97 * min(wish_wh, 0.95 * room_wh)
            and not told
        ):
            return [f"the car has {got_wh:.0f} Wh of {wish_wh}, and nobody was told"]
    return []


def _money(lab: Lab, steered: Result, usual: Alone) -> list[str]:
    """Dearer than on its own; what is left in tanks, battery and car is counted at the least price for more, at the usual for less."""
    prices = sorted(s.prices[0] for s in steered.samples if s.prices[0] is not None)
    dear, cheap = prices[len(prices) // 2] / 1e3, prices[0] / 1e3
    last = steered.samples[-1]
    tank = boiler_of(lab.boiler).tank
    more_kwh = [
        (boiler_of(last.boiler).temperature_c - usual.water_c) * tank.wh_per_k / 1e3,
        (steered.car_wh(0) - usual.car_wh) / 1e3,
    ]
    if lab.equipment.battery:
        stored_wh = last.soc_pct / 100 * lab.house.battery.capacity_wh
        more_kwh.append(0.9 * (stored_wh - usual.stored_wh) / 1e3)
    if last.pump is not None and usual.pump_c is not None and lab.heat_pump is not None:
        wh_per_k = lab.heat_pump.tank.wh_per_k / lab.heat_pump.cop
        more_kwh.append((last.pump.temperature_c - usual.pump_c) * wh_per_k / 1e3)
    # what is lacking could have been bought at the cheapest, what is there more is worth a usual price: in doubt for us
    gained = sum(kwh * (dear if kwh > 0 else cheap) for kwh in more_kwh)
    lost = steered.cost - usual.cost - gained
    if lost <= max(LOST, LOST_PART * abs(usual.cost)):
        return []
    left = ", ".join(f"{kwh:+.1f}" for kwh in more_kwh)
    return [
        f"{lost:.2f} worse than on its own: {steered.cost:.2f} for {usual.cost:.2f}; kWh in water, car, battery, pump: {left}"
    ]
