"""Calm: what a change of the battery's mode costs is weighed; a delivery is an energy, not a power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control import battery_decision
from gateway.control.damping import FORGET_S, TURNS_AFTER_S, Damping, Target, steady
from gateway.control.decide import decide
from gateway.control.inputs import ControlMemory
from gateway.domain.control import Reason
from gateway.domain.intervals import Interval
from gateway.domain.order import IntervalTerms, Order
from simulators.physics.house import step
from simulators.physics.values import Battery, Commands, House, Inputs, State, soc_pct
from tests.control.homes import NOON, SETTINGS, battery, flat, inputs, snapshot

TICK_S = 5.0
COST = 0.002
REST, GIVES = Target(0, Reason.PRICE_REST), Target(3_000, Reason.PRICE_DISCHARGE)


def damping(regret: float = 0.0) -> Damping:
    return Damping(50.0, 30.0, 1e9, COST, regret, 2.0)


def waited_s(lost_per_h: float) -> float:
    """How long a change waits that is worth so much."""
    now, seconds = damping(), 0.0
    while seconds < 7_200 and (now := now.after(GIVES, REST, lost_per_h)).too_soon(GIVES, REST):
        seconds += 2.0
    return seconds


def test_a_change_waits_until_waiting_has_cost_as_much() -> None:
    assert waited_s(0.50) <= 14, "5 kW at 10 ct: at once"
    assert waited_s(0.02) == pytest.approx(360, abs=4), "2 ct an hour: after six minutes"
    assert waited_s(0.0) == 7_200, "what is worth nothing never comes"


def test_the_same_prices_do_not_turn_a_battery_round_within_minutes() -> None:
    """Both earn, and it charges: what the other would earn more is no reason until it has done so for a while."""
    takes = Target(-3_000, Reason.PRICE_CHARGE)
    early = replace(damping(), stayed_s=60.0).after(GIVES, takes, 5.0)
    assert steady(GIVES, takes, early) == takes
    assert steady(GIVES, takes, replace(early, stayed_s=TURNS_AFTER_S)) == GIVES
    new_prices = replace(damping(), stayed_s=60.0).after(GIVES, takes, 5.0, lasts_h=0.25)
    assert steady(GIVES, takes, new_prices) == GIVES, (
        "a price that has just changed waits for nobody"
    )


def test_what_is_soon_taken_back_is_never_made() -> None:
    """A cloud a minute, worth 2 ct an hour: staying is forgotten in between."""
    now = damping()
    for minute in range(120):
        for _ in range(30):
            now = now.after(GIVES if minute % 4 == 0 else REST, REST, 0.02)
            assert now.too_soon(GIVES, REST)
    assert FORGET_S > 60


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2)), max_size=300))
def test_it_never_loses_more_than_the_cost_before_it_changes(
    moments: list[tuple[bool, float]],
) -> None:
    """Between two changes no more than the cost of one and a tick's loss is lost by staying."""
    now, lost = damping(), 0.0
    for other, per_h in moments:
        now = now.after(GIVES if other else REST, REST, per_h)
        if other and not now.too_soon(GIVES, REST):
            now, lost = replace(now, regret=0.0), 0.0
        elif other:
            lost += per_h * 2.0 / 3_600
            assert now.regret <= COST


def test_a_home_that_changes_for_nothing_waits_and_one_that_loses_does_not() -> None:
    """The price falls under the value by 1 ct, then by 30 ct."""
    terms: dict[str, Any] = {"export_price": 50.0, "value": flat(100.0)}
    before = ControlMemory(regret=0.0, decided_s=1_000.0)
    before = replace(
        before,
        setpoints=decide(inputs(snapshot(2_000), _order(import_price=200.0, **terms))).setpoints,
    )

    def asked(import_price: float, after_s: float) -> Reason:
        seen = snapshot(2_000.0, 0.0, (battery(power_w=0.0),))
        ask = inputs(seen, _order(import_price=import_price, **terms))
        return decide(replace(ask, memory=before, monotonic_s=1_000.0 + after_s)).setpoints.reason

    assert asked(115.0, 2.0) is before.setpoints.reason
    assert asked(-200.0, 30.0) is Reason.PRICE_CHARGE


def _order(**terms: Any) -> Order:
    one = IntervalTerms(Interval(NOON, NOON + timedelta(minutes=15)), **terms)
    return Order(NOON, NOON + timedelta(seconds=60), SETTINGS, (one,))


@dataclass
class Delivering:
    """A sunny home that sells 500 Wh each quarter-hour, and its heat pump."""

    load_w: Callable[[float], float]
    house: House = field(default_factory=lambda: House(Battery(standby_w=0.0)))
    state: State = field(default_factory=lambda: State(7_000.0))
    powers_w: list[float] = field(default_factory=list)
    delivered: list[float] = field(default_factory=list)
    imported_wh: float = 0.0

    def run(self, quarters: int = 8) -> Delivering:
        memory, commands = ControlMemory(), Commands()
        for tick in range(int(quarters * 900 / TICK_S)):
            at, begun = tick * TICK_S, (tick * TICK_S) % 900
            self.state = step(
                self.house, self.state, commands, Inputs(3_500.0, self.load_w(at)), TICK_S
            )
            net_wh = self.state.totals.grid_export - self.state.totals.grid_import
            if begun == 0:
                self.delivered.append(net_wh)
            now, powers = self.state.powers, self.powers_w
            powers.append(now.battery)
            start = NOON + timedelta(seconds=at - begun)
            sold = IntervalTerms(Interval(start, start + timedelta(minutes=15)), 500)
            seen = snapshot(
                now.grid, now.pv,
                (battery("hybrid", now.battery, soc_pct(self.house, self.state), 13_500),),
            )  # fmt: skip
            made = decide(
                replace(
                    inputs(seen, Order(NOON, NOON + timedelta(days=1), SETTINGS, (sold,))),
                    delivered_wh=net_wh - self.delivered[-1],
                    now=NOON + timedelta(seconds=at), monotonic_s=at, memory=memory,
                )
            )  # fmt: skip
            memory, watts = made.memory, made.setpoints.battery_w
            commands = Commands(watts, None if watts is None else -watts, watts is not None)
        self.imported_wh = self.state.totals.grid_import
        return self

    @property
    def reversals(self) -> int:
        moving = [w for w in self.powers_w if abs(w) > 200]
        return sum((a > 0) != (b > 0) for a, b in pairwise(moving))


def heat_pump(at: float) -> float:
    """2.5 kW for three minutes of each ten."""
    return 3_000.0 if at % 600 < 180 else 500.0


def test_a_heat_pump_turns_no_battery_round_while_it_delivers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """26 times a day the battery turned for three minutes, in the demo's home."""
    calm = Delivering(heat_pump).run()
    quarters = [b - a for a, b in pairwise(calm.delivered)]
    assert quarters == pytest.approx([500] * len(quarters), abs=12), "and all of it is delivered"
    monkeypatch.setattr(battery_decision, "TURN_PART", 0.0)
    nervous = Delivering(heat_pump).run()
    assert nervous.reversals >= 10
    assert calm.reversals <= nervous.reversals / 2, (calm.reversals, nervous.reversals)
    assert calm.imported_wh <= nervous.imported_wh + 10, "nothing is bought for it"
