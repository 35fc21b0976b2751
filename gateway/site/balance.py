"""Whether what the devices measure can be true together: energy does not come from nowhere.

A firmware can turn a sign round (Sungrow did in 2024-11), and a current transformer can be put on
the wrong way. Nobody sees it in one value, but a house that gives energy for minutes cannot be, nor
an inverter whose panels and battery do not make up its output. It is reported once, with the
device whose turned sign would explain all of it, and is an alarm while it lasts; no value is changed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.domain.readings import DeviceState, Role, Snapshot
from gateway.domain.sentences import Sentence, sentence

log = logging.getLogger(__name__)

LASTING_S = 300.0  # measurements of different moments contradict each other for some seconds
_LEAST_W = 300.0  # below this, losses and what small devices take explain all
HOUSE = "the house seems to give energy"
_LOSSES = 0.15  # of the power that an inverter converts


@dataclass(frozen=True, slots=True)
class Fault:
    """What cannot be, and the devices of which one with a turned sign would explain it."""

    what: str
    suspects: frozenset[str]


class Balance:
    """Feed it every snapshot; it says a contradiction once when it has lasted, and once when it ends."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._suspects: dict[str, frozenset[str]] = {}
        self._said: set[str] = set()

    @property
    def alarms(self) -> tuple[Sentence, ...]:
        """What to tell people while it lasts; empty when all is well."""
        return tuple(self._alarm(what) for what in sorted(self._said))

    def _alarm(self, what: str) -> Sentence:
        names = ", ".join(sorted(self._suspects[what]))
        if what != HOUSE:
            return sentence("powers_contradict.output", names=names)
        return (
            sentence("powers_contradict", names=names)
            if names
            else sentence("powers_contradict.unclear")
        )

    def look(self, snapshot: Snapshot) -> None:
        """Compare the powers of one moment."""
        now = snapshot.time.timestamp()
        faults = {fault.what: fault for fault in contradictions(snapshot)}
        for what in [w for w in self._since if w not in faults]:
            del self._since[what], self._suspects[what]
            if what in self._said:
                self._said.discard(what)
                log.info("the measured powers fit together again: no more %s", what)
        for what, fault in faults.items():
            since = self._since.setdefault(what, now)
            before = self._suspects.get(what, fault.suspects)
            self._suspects[what] = before & fault.suspects
            if now - since >= LASTING_S and what not in self._said:
                self._said.add(what)
                log.warning("%s for %.0f min: %s", what, LASTING_S / 60, self._advice(what))

    def _advice(self, what: str) -> str:
        names = sorted(self._suspects[what])
        if not names:
            return "a measurement is wrong; no single turned sign explains it"
        return f"look at the sign of {' or '.join(names)}; nothing is corrected"


def contradictions(snapshot: Snapshot) -> Iterator[Fault]:
    """What cannot be at this moment; nothing where a part of the comparison is not known."""
    for state in snapshot.devices.values():
        fault = _inverter(state)
        if fault:
            yield fault
    meter = next((m.name for m in snapshot.meters if m.role is Role.GRID), None)
    sources = list(_sources(snapshot))
    if meter is None or snapshot.grid_w is None or not sources:
        return
    house = snapshot.grid_w + sum(watts for _, watts in sources)
    if house >= -_LEAST_W - _LOSSES * sum(abs(watts) for _, watts in sources):
        return
    turned = [(meter, snapshot.grid_w), *sources]
    suspects = frozenset(name for name, watts in turned if house - 2 * watts >= 0)
    yield Fault(HOUSE, suspects)


def _sources(snapshot: Snapshot) -> Iterator[tuple[str, float]]:
    """What feeds the house beside the grid: AC output where inverters tell it, else panels and battery."""
    telling = {i.name: i.ac_w for i in snapshot.inverters if i.tells_ac}
    others = [(i.name, i.pv_w) for i in snapshot.inverters if i.name not in telling]
    others += [(b.name, b.power_w) for b in snapshot.batteries if b.name not in telling]
    if telling:
        # Where one feeds by an output that it does not tell, its losses are not known.
        if any(watts is not None for _, watts in others) or None in telling.values():
            return
        yield from ((name, watts) for name, watts in telling.items() if watts is not None)
    elif snapshot.pv_w is not None and snapshot.battery_w is not None:
        yield from ((name, watts) for name, watts in others if watts is not None)


def _inverter(state: DeviceState) -> Fault | None:
    """Panels and battery make up the AC output, less the losses.

    An inverter may feed a backup circuit beside that output, so only what a turned sign explains counts.
    """
    numbers = [state.number(m) for m in ("pv_power_w", "battery_power_w", "ac_power_w")]
    if any(n is None for n in numbers):
        return None
    panels, battery, output = (n for n in numbers if n is not None)
    room = _LEAST_W + _LOSSES * (abs(panels) + abs(battery) + abs(output))
    if abs(panels + battery - output) <= room:
        return None
    if abs(panels - battery - output) > room and abs(panels + battery + output) > room:
        return None
    what = f"panels and battery of {state.name} do not make up its output"
    return Fault(what, frozenset({state.name}))
