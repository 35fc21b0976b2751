"""Why chargers use the phases that they use: one sentence a switch with the powers that decided, and a record of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.agent.state import GatewayState
from gateway.config.home_settings import Car
from gateway.domain.control import UNBALANCE_A, PhaseReason
from gateway.domain.decisions import PhaseDecision
from gateway.domain.intervals import floor_quarter
from gateway.domain.sentences import Sentence, places, sentence
from gateway.store.decisions import DecisionStore

_APART = timedelta(minutes=2)  # after a longer silence nobody knows what was used meanwhile
_CODES = {
    PhaseReason.LITTLE: "phases.little",
    PhaseReason.MUCH: "phases.much",
    PhaseReason.URGENT: "phases.urgent",
}


def why(reason: PhaseReason, phases: int, car: Car) -> Sentence:
    """Why a charger was switched; ``phases`` are all that it has."""
    per_a = car.volts / 1000
    most = min(car.max_current_a, max(car.min_current_a, UNBALANCE_A)) * per_a
    one = sentence("range", least=f"{car.min_current_a * per_a:.1f}", most=f"{most:.1f} kW")
    values: dict[str, str | Sentence] = {
        "all": str(phases),
        "one": one,
        "least": f"{phases * car.min_current_a * per_a:.1f} kW",
        "most": f"{most:.1f} kW",
    }
    code = _CODES[reason]
    return sentence(code, **{name: values[name] for name in places(code)})


class PhaseRecord:
    """Joins what is decided tick by tick to spans, one for each charger that was switched while its car stands there."""

    def __init__(self, store: DecisionStore) -> None:
        self._store = store
        self._running: dict[str, PhaseDecision] = {}

    @property
    def running(self) -> tuple[PhaseDecision, ...]:
        """The spans that have not ended."""
        return tuple(self._running.values())

    def hear(self, state: GatewayState, now: datetime) -> None:
        """One tick; times that run backwards begin anew."""
        asked, before = state.setpoints, self._running
        self._running = {}
        for name, reason in asked.phase_reasons.items():
            one, whole = name in asked.charger_phases, state.settings.car.phases
            phases, old = 1 if one else whole, before.get(name)
            same = old is not None and (old.phases, old.reason) == (phases, reason)
            if old is not None and same and timedelta(0) <= now - old.until < _APART:
                self._running[name] = replace(old, until=now)
            else:
                said = why(reason, whole, state.settings.car)
                self._running[name] = PhaseDecision(name, now, now, phases, reason, said)
        self._keep(before)

    def _keep(self, before: dict[str, PhaseDecision]) -> None:
        """What has ended, and all at the end of a quarter-hour."""
        done = []
        for name, old in before.items():
            new = self._running.get(name)
            goes_on = new is not None and new.since == old.since
            if not goes_on:
                near = new is not None and timedelta(0) <= new.since - old.until < _APART
                done.append(replace(old, until=new.since) if new is not None and near else old)
            elif new is not None and floor_quarter(new.until) != floor_quarter(old.until):
                done.append(new)
        if done:
            self._store.add_phases(done)

    def between(self, since: datetime, until: datetime) -> list[PhaseDecision]:
        """All known spans that touch the half-open span, those not yet stored among them."""
        running = [s for s in self._running.values() if s.until >= since and s.since < until]
        begun = {(s.charger, s.since.replace(microsecond=0)) for s in running}
        stored = self._store.phases_between(since, until)
        return [s for s in stored if (s.charger, s.since) not in begun] + running

    def close(self) -> None:
        """Store what runs."""
        if self._running:
            self._store.add_phases(self.running)
        self._running = {}
