"""Why the battery does what it does: one sentence with the numbers that decided, and a record of them. Pure
but for the record.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.agent.state import GatewayState
from gateway.agent.why_phases import PhaseRecord
from gateway.domain.control import Reason, Setpoints
from gateway.domain.decisions import Ahead, Decision, PlannedQuarter
from gateway.domain.intervals import floor_quarter, quarter_of
from gateway.domain.plan import PlannedInterval
from gateway.domain.price import Quote, kwh_price
from gateway.domain.sentences import Sentence, other, places, sentence
from gateway.store.decisions import DecisionStore

_SEEN_WH = 20.0  # of a planned quarter-hour: less is no use of the battery worth naming
_SEEN_W = 50.0
_APART = timedelta(minutes=2)  # after a longer silence nobody knows what was done meanwhile
# By the rule, and whether the house needs more than the sun gives. Prices are those at which the battery
# gives (losses and wear are in them), or takes (losses are in them), so that the two can be compared.
_CODES = {
    (Reason.PRICE_REST, True): "decided.keeps",
    (Reason.PRICE_REST, False): "decided.leaves",
    (Reason.PRICE_CHARGE, True): "decided.buys",
    (Reason.PRICE_CHARGE, False): "decided.charges",
    (Reason.PRICE_DISCHARGE, True): "decided.saves",
    (Reason.PRICE_DISCHARGE, False): "decided.gives",
    (Reason.SELF_CONSUMPTION, True): "decided.serves",
    (Reason.SELF_CONSUMPTION, False): "decided.stores",
}
_LEAST_WH = 50.0  # above the reserve, or below full: with less there is nothing to keep or to store
_MOST_WAITING = 16  # finished spans in memory; usually they wait until the quarter-hour is over


def why(state: GatewayState, now: datetime, sold_wh: int) -> Sentence:
    """What decided at ``now``, with its numbers; the bare rule where no price had a part in it.

    ``sold_wh`` is what is sold (+) of the running delivery interval.
    """
    reason = state.setpoints.reason
    if reason is Reason.DELIVERY:
        start = _time(state, quarter_of(now).start)
        code = "decided.sold" if sold_wh > 0 else "decided.bought"
        return sentence(code, energy=str(abs(sold_wh)), time=start)
    if reason is Reason.RESERVE:
        return sentence("decided.reserve", pct=_reserve(state))
    if not reason.priced or reason is Reason.NOT_FOR_CAR:
        return other(reason.words)
    return _priced(state, now, reason) or other(reason.words)


def _priced(state: GatewayState, now: datetime, reason: Reason) -> Sentence | None:
    """The two prices that were weighed: what a kWh brings now, and what it is worth when kept."""
    seen, curve, stored_wh = state.snapshot, state.value(now), state.stored_wh()
    bought, sold = state.quotes(quarter_of(now))
    if seen is None or seen.load_w is None or curve is None or stored_wh is None:
        return None
    short = seen.load_w > (seen.pv_w or 0.0)
    quote = bought if short else sold
    battery, value = state.battery(), curve.at(stored_wh)
    if quote is None or battery is None:
        return None
    free_wh = stored_wh - battery.reserve_wh
    if short and free_wh < _LEAST_WH and reason is not Reason.PRICE_CHARGE:
        return sentence("decided.reserve_house", pct=_reserve(state))
    if not short and battery.capacity_wh - stored_wh < _LEAST_WH:
        return sentence("decided.full")
    values: dict[str, str | Sentence] = {
        "energy": f"{free_wh / 1000:.1f} kWh",
        "now": _money(state, quote),
        "given": _kept(state, now, value / battery.discharge_efficiency + battery.wear_per_mwh),
        "taken": _kept(state, now, value * battery.charge_efficiency),
    }
    code = _CODES[reason, short]
    return sentence(code, **{name: values[name] for name in places(code)})


def _reserve(state: GatewayState) -> str:
    return f"{state.user.backup_reserve_pct:g}"


def _kept(state: GatewayState, now: datetime, per_mwh: float) -> str | Sentence:
    """What a kWh is worth that is kept, and when the plan gives it for the most money, if it ever does."""
    schedule = state.plan.schedule if state.plan else ()
    uses = [c for c in schedule if c.interval.start > now and c.battery_wh > _SEEN_WH]
    worth = _amount(state, per_mwh)
    if not uses:
        return worth
    start = max(uses, key=lambda c: _use_price(state, c)).interval.start
    return sentence("decided.most", price=worth, time=_time(state, start))


def _use_price(state: GatewayState, step: PlannedInterval) -> float:
    """What a MWh out of the battery earns in a planned interval: saved in the house, or sold."""
    if step.grid_wh >= 0:
        return step.import_price
    trades = state.settings.market is not None and state.user.trading
    return max(step.export_price, step.market_price) if trades else step.export_price


def _money(state: GatewayState, quote: Quote) -> str | Sentence:
    amount = _amount(state, quote.per_mwh)
    if quote.source.known:
        return amount
    return sentence("decided.estimate", price=amount, source=quote.source.value)


def _amount(state: GatewayState, per_mwh: float) -> str:
    return f"{kwh_price(per_mwh):.3f} {state.settings.tariff.currency}"


def _time(state: GatewayState, time: datetime) -> str:
    return time.astimezone(ZoneInfo(state.settings.site.time_zone)).strftime("%H:%M")


class DecisionRecord:
    """Joins what is decided tick by tick to spans. A new one begins when another rule decides, when the
    battery turns, and with each quarter-hour, for then the prices are others.
    """

    def __init__(self, store: DecisionStore) -> None:
        self.store, self.phases = store, PhaseRecord(store)
        self._finished: list[Decision] = []
        self._running: Decision | None = None

    @property
    def running(self) -> Decision | None:
        """The span that has not ended."""
        return self._running

    def hear(self, state: GatewayState, now: datetime, sold_wh: int) -> None:
        """One tick; times that run backwards begin anew."""
        self.phases.hear(state, now)
        old, setpoints = self._running, state.setpoints
        if old and timedelta(0) <= now - old.until < _APART and _same(old, setpoints, now):
            self._running = Decision(old.since, now, old.reason, old.sentence, old.battery_w)
            return
        self._end(now)
        said = why(state, now, sold_wh)
        self._running = Decision(now, now, setpoints.reason, said, setpoints.battery_w)

    def _end(self, now: datetime) -> None:
        old = self._running
        if old is None:
            return
        until = now if timedelta(0) < now - old.until < _APART else old.until
        if until > old.since:
            self._finished.append(
                Decision(old.since, until, old.reason, old.sentence, old.battery_w)
            )
        if floor_quarter(now) != floor_quarter(old.since) or len(self._finished) > _MOST_WAITING:
            self._flush()

    def between(self, since: datetime, until: datetime) -> list[Decision]:
        """All known spans that touch the half-open span, those not yet stored among them."""
        running = [self._running] if self._running is not None else []
        waiting = [d for d in (*self._finished, *running) if d.until >= since and d.since < until]
        return self.store.between(since, until) + waiting

    def planned(self, ahead: Ahead, since: datetime, until: datetime) -> list[PlannedQuarter]:
        """What was planned for the half-open span (`gateway.agent.planned`)."""
        return self.store.planned(ahead, since, until)

    def close(self) -> None:
        """Store what waits, the running span too."""
        self.phases.close()
        if self._running is not None and self._running.until > self._running.since:
            self._finished.append(self._running)
        self._running = None
        self._flush()

    def _flush(self) -> None:
        if self._finished:
            self.store.add(self._finished)
        self._finished = []


def _same(old: Decision, setpoints: Setpoints, now: datetime) -> bool:
    return (
        old.reason is setpoints.reason
        and floor_quarter(old.since) == floor_quarter(now)
        and _way(old.battery_w) == _way(setpoints.battery_w)
    )


def _way(power_w: int | None) -> int | None:
    """Charging -1, resting 0, discharging 1; None = released."""
    if power_w is None:
        return None
    return 0 if abs(power_w) < _SEEN_W else (1 if power_w > 0 else -1)
