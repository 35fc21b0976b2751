"""From the state to the order: what is sold, prices and values of the intervals that come next. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.agent.car_soc import standing
from gateway.agent.state import GatewayState
from gateway.domain.grid_operator import OperatorWord
from gateway.domain.intervals import Interval, quarter_of
from gateway.domain.order import IntervalTerms, Order
from gateway.domain.plan import NO_LIMIT_W, ValueCurve
from gateway.domain.price import Quote
from gateway.openadr.acting import (
    EXPORT_LIMIT,
    IMPORT_LIMIT,
    LIMITS,
    dispatched_wh,
    limits,
    most_wh,
    valued,
    wanted,
)
from gateway.planner.outlook import AnnouncedLimits

LEASE = timedelta(seconds=60)  # renewed with every report; longer than an agent takes to start anew
REPORTS_A_LEASE = 6  # at a slow pace of control the lease is so many periods
INTERVALS = 2  # the present one and the next: none begins without its terms


def make_order(
    state: GatewayState,
    now: datetime,
    position_wh: Callable[[Interval], int],
    cleared: Callable[[Interval], float | None],
) -> Order:
    """The order that holds from ``now``. ``position_wh`` is what was sold (+) of an interval."""
    period = timedelta(seconds=state.settings.control.period_s)
    interval = quarter_of(now)
    terms = []
    for _ in range(INTERVALS):
        terms.append(_terms(state, now, interval, position_wh(interval), cleared(interval)))
        interval = interval.next()
    return Order(
        made_at=now,
        valid_until=now + max(LEASE, REPORTS_A_LEASE * period),
        settings=standing(state, now),
        terms=tuple(terms),
        resellable=state.resellable,
        peak_import_w=state.plan.import_limit_w if state.plan else None,
        operator=_operator(state, now),
    )


def _operator(state: GatewayState, now: datetime) -> OperatorWord:
    """What was heard of the grid operator, and the limits of a programme's events."""
    if state.programme is None:
        return state.operator
    theirs = limits(state.programme.found, now, state.programme.heard)
    return replace(state.operator, commands=(*state.operator.commands, *theirs))


def _terms(
    state: GatewayState,
    now: datetime,
    interval: Interval,
    position_wh: int,
    cleared: float | None,
) -> IntervalTerms:
    bought, sold = state.quotes(interval, cleared)
    moment = max(now, interval.start)
    start = state.interval_start
    return IntervalTerms(
        interval=interval,
        position_wh=position_wh or dispatch_wh(state, interval) or 0,
        start_counters=start[1] if start and start[0] == interval else None,
        import_price=None if bought is None else bought.per_mwh,
        export_price=None if sold is None else sold.per_mwh,
        import_assumed=bought is not None and bought.source.assumed,
        export_assumed=sold is not None and sold.source.assumed,
        value=_value(state, moment, cleared, bought),
        car_values=_car_values(state, moment, cleared),
        heat_values=_heat_values(state, moment, cleared),
    )


def announced_limits(state: GatewayState) -> AnnouncedLimits | None:
    """Most W of export and import in a quarter-hour, as a programme's limits allow; None where none is announced."""
    held = () if state.programme is None else state.programme.found
    found = [h for h in held if h.kind in LIMITS]
    if not found:
        return None

    def most_w(interval: Interval) -> tuple[float, float]:
        export, bought = (most_wh(found, kind, interval) for kind in (EXPORT_LIMIT, IMPORT_LIMIT))
        return (
            NO_LIMIT_W if export is None else export / interval.hours,
            NO_LIMIT_W if bought is None else bought / interval.hours,
        )

    return most_w


def announced_wh(state: GatewayState, interval: Interval) -> tuple[float | None, float | None]:
    """What a programme's announced limits leave of a quarter-hour: export and import, None where there is none."""
    found = () if state.programme is None else state.programme.found
    export, bought = (most_wh(found, kind, interval) for kind in (EXPORT_LIMIT, IMPORT_LIMIT))
    return export, bought


def dispatch_wh(state: GatewayState, interval: Interval) -> int | None:
    """What the programme asks to be given (net, export +); None where nothing is, or the user does not follow it."""
    if state.programme is None or not state.user.programme:
        return None
    return dispatched_wh(state.programme.found, interval)


def _value(
    state: GatewayState, moment: datetime, cleared: float | None, bought: Quote | None
) -> ValueCurve | None:
    """What stored energy is worth: by the plan, and by what the programme wants stored."""
    if state.plan is None or state.shadow:
        return None
    curve = state.plan.value(moment, cleared)
    battery, stored_wh = state.battery(), state.stored_wh()
    if state.programme is None or not state.user.programme:
        return curve
    if curve is None or battery is None or stored_wh is None:
        return curve
    asked = wanted(state.programme.found, moment, battery)
    price = None if bought is None else bought.per_mwh
    return valued(curve, asked, moment, stored_wh, battery, price)


def _car_values(
    state: GatewayState, moment: datetime, cleared: float | None
) -> dict[str, ValueCurve]:
    """Of each car that the plan knows."""
    if state.plan is None:
        return {}
    known = {n: state.plan.car_value(n, moment, cleared) for n in state.plan.cars}
    return {name: curve for name, curve in known.items() if curve is not None}


def _heat_values(
    state: GatewayState, moment: datetime, cleared: float | None
) -> dict[str, ValueCurve]:
    """Of each heater that the plan knows."""
    if state.plan is None or not state.plan.heaters:
        return {}
    known = {n: state.plan.heat_value(n, moment, cleared) for n in state.plan.heaters}
    return {name: curve for name, curve in known.items() if curve is not None}
