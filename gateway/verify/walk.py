"""What a device is told to do while it is verified, and what must then be measured. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.control import ChargerAssumptions, Control
from gateway.domain.heat import Heater, SgReady
from gateway.domain.readings import DeviceState, Snapshot

USUAL_W = 1000.0  # battery power that is tried, where there is room for it
LEAST_W = 300.0  # less drowns in the inverter's own needs
REST_W, REST_PART = 150.0, 0.4  # so much is still rest: watts, or part of the power that is tried
NEAR = (0.5, 1.5)  # parts of what was told that count as obeyed
LEAST_RISE = 0.2  # of the lower limit, by which the output must rise with the limit
LEAST_OUTPUT_W = 600.0  # of an inverter (or of feed-in), whose limit is to be seen
FULL_PCT, ROOM_PCT = 95.0, 3.0  # beyond, a battery's own limits overrule what it is told
_MOST_HIGH_A = 10.0
_PART_OF_FUSE = 0.9


class NotNow(Exception):
    """The home is not in a state in which the control could be seen to work; the text says which would be."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What verifying must keep: W at the grid connection (None = no limit), and the battery's reserve, %."""

    import_w: float | None = None
    export_w: float | None = None
    reserve_pct: float = 20.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to hold, and the band in which the measured power must come, W. ``value`` None = released.

    ``current_a`` is what the charger is told beside it: its phases are switched in a pause.
    """

    name: str
    value: float | None
    low_w: float
    high_w: float
    current_a: float | None = None


def measured_w(control: Control, state: DeviceState, snapshot: Snapshot) -> float | None:
    """The power that shows the control's effect: the battery's, the car's, the inverter's output, the feed-in.

    Of a heat pump's SG Ready it is the number of the state that it says it is in.
    """
    if control is Control.SG_READY:
        said = state.text("heat_pump_state")
        return float(SgReady[said.upper()]) if said is not None else None
    if control is Control.BATTERY_POWER:
        return state.number("battery_power_w")
    if control in (Control.CHARGE_CURRENT, Control.CHARGE_PHASES):
        return state.number("charger_power_w")
    if control is Control.HEAT_POWER:
        return state.number("heat_power_w")
    if control is Control.EXPORT_LIMIT:
        return None if snapshot.grid_w is None else -snapshot.grid_w
    output = state.number("ac_power_w")
    if output is not None:
        return output
    panels = state.number("pv_power_w")
    return None if panels is None else panels + (state.number("battery_power_w") or 0.0)


def walk(
    control: Control,
    state: DeviceState,
    snapshot: Snapshot,
    limits: Limits,
    charger: ChargerAssumptions,
    heater: Heater | None = None,
) -> tuple[Step, ...]:
    """The steps for ``control`` in the home as it is now; raises NotNow."""
    now = measured_w(control, state, snapshot)
    if now is None:
        raise NotNow(
            "the power that would show its effect is not measured; add a meter, or see `check`"
        )
    if control is Control.BATTERY_POWER:
        return _battery(now, state, snapshot, limits)
    if control is Control.CHARGE_CURRENT:
        return _charger(now, state, snapshot, limits, charger)
    if control is Control.CHARGE_PHASES:
        return _phases(now, state, snapshot, limits, charger)
    if control is Control.SG_READY:
        return _sg_ready()
    if control is Control.HEAT_POWER:
        return _heater(now, snapshot, limits, heater)
    return _limit(now, "fed in" if control is Control.EXPORT_LIMIT else "given by the inverter")


def _battery(
    now: float, state: DeviceState, snapshot: Snapshot, limits: Limits
) -> tuple[Step, ...]:
    """Charge, rest, discharge, then each way once without a rest between them."""
    soc = state.number("battery_soc_pct")
    if soc is None:
        raise NotNow("the battery's state of charge is not known")
    low = limits.reserve_pct + ROOM_PCT
    if not low <= soc <= FULL_PCT - ROOM_PCT:
        raise NotNow(
            f"the battery is at {soc:.0f} %: verify it between {low:.0f} and {FULL_PCT - ROOM_PCT:.0f} %"
        )
    stated = (state.number(m) for m in ("battery_max_charge_w", "battery_max_discharge_w"))
    room = _room(None if snapshot.grid_w is None else snapshot.grid_w + now, limits)
    watts = min([USUAL_W, *(most / 2 for most in stated if most is not None), *room])
    if watts < LEAST_W:
        raise NotNow(f"there is room for {max(0.0, watts):.0f} W of charging and discharging only, {LEAST_W:.0f} W are needed: "
                     "within the import and the export limit, and what the battery says it may do now")  # fmt: skip
    near, far = NEAR
    charge = Step("charge", -watts, -far * watts, -near * watts)
    rest = Step("rest", 0.0, -max(REST_W, REST_PART * watts), max(REST_W, REST_PART * watts))
    discharge = Step("discharge", watts, near * watts, far * watts)
    return (charge, rest, discharge, charge, discharge, rest)


def _room(net_w: float | None, limits: Limits) -> Sequence[float]:
    """How much a battery may take and give at most, where the home without it draws ``net_w``."""
    if net_w is None:
        if limits.import_w is not None or limits.export_w is not None:
            raise NotNow("the grid's power is not known, and there is a limit to keep; see `check`")
        return ()
    room = []
    if limits.import_w is not None:
        room.append(_PART_OF_FUSE * limits.import_w - net_w)
    if limits.export_w is not None:
        if -net_w > limits.export_w:
            raise NotNow(f"{-net_w:.0f} W are left over and {limits.export_w:.0f} W may be fed in: verify with less sun")  # fmt: skip
        room.append(limits.export_w + net_w)
    return room


def _charger(
    now: float, state: DeviceState, snapshot: Snapshot, limits: Limits, charger: ChargerAssumptions
) -> tuple[Step, ...]:
    """The least current, a pause, a little more, the least again."""
    if state.text("charger_state") not in ("plugged", "charging"):
        raise NotNow("no car is plugged in: plug one in that is not full")
    low_a, high_a = charger.min_a, min(charger.max_a, max(_MOST_HIGH_A, charger.min_a + 2))
    room = _room(None if snapshot.grid_w is None else snapshot.grid_w - now, limits)
    if limits.import_w is not None and min(room) < 3 * high_a * charger.volts:
        raise NotNow(f"the fuse has no room for {high_a:.0f} A: verify while less is drawn")
    one_phase, three_phases = low_a * charger.volts, 3 * low_a * charger.volts
    least = Step(f"{low_a:g} A", low_a, 0.6 * one_phase, 1.2 * three_phases)
    more = Step(f"{high_a:g} A", high_a, 0.6 * high_a * charger.volts, 3.6 * high_a * charger.volts)
    pause = Step("pause", 0.0, -REST_W, REST_W)
    return (least, pause, more, least)


def _heater(
    now: float, snapshot: Snapshot, limits: Limits, heater: Heater | None
) -> tuple[Step, ...]:
    """On, off and on again, with a power that it has by its owner's word."""
    watts = USUAL_W if heater is None else heater.stepped_w(USUAL_W) or heater.least_w
    room = _room(None if snapshot.grid_w is None else snapshot.grid_w - now, limits)
    if limits.import_w is not None and room and room[0] < watts:
        raise NotNow(f"the fuse has no room for {watts:.0f} W: verify while less is drawn")
    on = Step(f"{watts:.0f} W", watts, NEAR[0] * watts, NEAR[1] * watts)
    off = Step("off", 0.0, -REST_W, REST_W)
    return (on, off, on, off)


def _sg_ready() -> tuple[Step, ...]:
    """Encouraged and normal, twice: it is never blocked nor ordered for a trial."""
    encouraged, normal = (
        Step(s.name.lower(), s, s - 0.5, s + 0.5) for s in (SgReady.ENCOURAGED, SgReady.NORMAL)
    )
    return (encouraged, normal, encouraged, normal)


def _phases(
    now: float, state: DeviceState, snapshot: Snapshot, limits: Limits, charger: ChargerAssumptions
) -> tuple[Step, ...]:
    """The least current from all phases, from one, and from all again; each switch in a pause."""
    if charger.phases == 1:
        raise NotNow("by gateway.toml the charger has one phase: there is nothing to switch")
    least = _charger(now, state, snapshot, limits, charger)[0]
    low_a, one_w = charger.min_a, charger.min_a * charger.volts
    all_of_them = Step("all phases", None, 1.6 * one_w, least.high_w, low_a)
    one = Step("one phase", 1.0, 0.6 * one_w, 1.3 * one_w, low_a)
    stop, wait = (Step("pause", v, -REST_W, REST_W, 0.0) for v in (None, 1.0))
    return (all_of_them, stop, one, wait, all_of_them)


def _limit(now: float, how: str) -> tuple[Step, ...]:
    """Half of what flows now, and three quarters of it: so much more that a cloud over both is no limit kept."""
    if now < LEAST_OUTPUT_W:
        raise NotNow(
            f"{max(0.0, now):.0f} W are {how} now: its limit is seen from {LEAST_OUTPUT_W:.0f} W on"
        )
    half, more = now / 2, 0.75 * now
    return (
        Step("half of it", half, 0.5 * half, half + REST_W),
        Step("three quarters of it", more, half + LEAST_RISE * half, more + REST_W),
        Step("half of it again", half, 0.5 * half, half + REST_W),
    )
