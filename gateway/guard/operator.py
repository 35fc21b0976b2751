"""The grid operator's limits in the guard: heard over MQTT or by a relay, kept, recorded, and never lost.

What must not fail depends on nothing that can: commands outlive the agent and a restart (`GuardFile`), a
relay is read by the guard itself, and whoever falls silent leaves the fail-safe limit behind.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import get_args

from gateway.domain.control import GridLimits
from gateway.domain.grid_operator import (
    NO_SIGNAL,
    SIGNAL,
    Direction,
    OperatorCommand,
    OperatorPhase,
    OperatorReport,
    OperatorRules,
    OperatorWord,
    RelayInput,
    Source,
)
from gateway.domain.intervals import iso
from gateway.domain.readings import Snapshot
from gateway.domain.sentences import Sentence, other, sentence
from gateway.errors import StorageError
from gateway.guard import operator_state as states
from gateway.guard.intents import GuardFile
from gateway.guard.limit_log import LimitLog, LimitRow
from gateway.guard.operator_state import OperatorState

log = logging.getLogger(__name__)

OPERATOR: Source = "mqtt"
PROGRAMME: Source = "programme"
_LIMITING = (OperatorPhase.LIMITED, OperatorPhase.FAILSAFE, OperatorPhase.INIT)


@dataclass
class _Source:
    """One source of limits in one direction, and how its limit was kept since the last row of the record."""

    name: str
    direction: Direction
    state: OperatorState
    command_id: str = ""
    until: datetime | None = None
    note: Sentence | None = None
    most_w: float | None = None
    over_s: float = 0.0
    recorded: tuple[OperatorPhase, float | None] | None = None
    inputs: tuple[RelayInput, ...] = field(default=())


class GridOperator:
    """Call `look` once a tick; `grid_limits` is then what holds at the connection."""

    def __init__(
        self,
        rules: OperatorRules,
        relays: Mapping[str, tuple[RelayInput, ...]],
        file: GuardFile,
        record: LimitLog,
        heard: tuple[Source, ...] = (OPERATOR,),
    ) -> None:
        """``relays`` are the inputs of devices of profile ``relay``, by name; ``heard`` whose commands count."""
        self._rules, self._relays, self._file, self._record = rules, relays, file, record
        self._commanders = heard
        self._sources: list[_Source] = []
        self._heartbeat = ""
        self._looked_s = math.inf
        self._limits = GridLimits()
        self._unstored = False

    @property
    def reports(self) -> tuple[OperatorReport, ...]:
        """What holds of each source."""
        return tuple(
            OperatorReport(
                s.name, s.direction, s.state.phase, self._limit_w(s), s.command_id, s.until
            )
            for s in self._sources
        )

    @property
    def alarms(self) -> tuple[Sentence, ...]:
        """What a person should know: what is limited and why."""
        return tuple(said for s in self._sources if (said := self._said(s)) is not None)

    def look(
        self, snapshot: Snapshot, word: OperatorWord | None, now: datetime, at: float
    ) -> GridLimits:
        """Hear what is new, let time pass, and say what holds at the connection; ``at`` is monotonic, s."""
        if not self._sources:
            self._begin(now, at)
        if word is not None:
            self._hear(word, now, at)
        for source in self._sources:
            if source.inputs:
                self._read(source, snapshot, at)
            source.state = states.passed(source.state, self._rules.failsafe_s, at)
            self._measure(source, snapshot, max(0.0, at - self._looked_s))
            self._write(source, snapshot, now)
        self._looked_s = at
        self._limits = self._joined(snapshot)
        return self._limits

    # -- hearing --

    def _begin(self, now: datetime, at: float) -> None:
        kept = {(c.source, c.direction): c for c in self._file.operator}
        for heard in self._commanders:
            for direction in get_args(Direction):
                self._begin_heard(heard, direction, kept.get((heard, direction)), now, at)
        for name, inputs in self._relays.items():
            for direction in get_args(Direction):
                if any(i.limit_w(direction) is not None for i in inputs):
                    begun = states.started(True, at)
                    self._sources.append(_Source(name, direction, begun, inputs=inputs))

    def _begin_heard(
        self,
        name: Source,
        direction: Direction,
        command: OperatorCommand | None,
        now: datetime,
        at: float,
    ) -> None:
        """What was in force when we stopped holds on."""
        watched = name == OPERATOR and self._rules.heartbeat
        source = _Source(name, direction, states.started(watched, at))
        if command is not None:
            source.command_id, source.until = command.id, command.until
            until_s = _at(command.until, now, at)
            if command.limit_w is not None and until_s > at:
                limit_w = self._floored(command)[0]
                source.state = states.resumed(watched, limit_w, until_s, at)
                source.note = other("held on over a restart")
        self._sources.append(source)

    def _hear(self, word: OperatorWord, now: datetime, at: float) -> None:
        for source in self._sources:
            if source.name == OPERATOR and word.heartbeat not in ("", self._heartbeat):
                source.state = states.heard(source.state, at)
            for command in word.commands:
                ours = (command.source, command.direction) == (source.name, source.direction)
                if ours and not source.inputs and command.id != source.command_id:
                    self._take(source, command, now, at)
        self._heartbeat = word.heartbeat or self._heartbeat
        self._keep(word)

    def _take(self, source: _Source, command: OperatorCommand, now: datetime, at: float) -> None:
        limit_w: float | None = None
        source.note = None
        if command.limit_w is not None:
            limit_w, source.note = self._floored(command)
        source.state = states.told(source.state, limit_w, _at(command.until, now, at), at)
        source.command_id, source.until = command.id, command.until
        source.recorded = None  # every command gets its row

    def _keep(self, word: OperatorWord) -> None:
        """Durable before the tick is over; where it can't be, the limit holds all the same."""
        if not word.commands or word.commands == self._file.operator:
            return
        newest = {(c.source, c.direction): c for c in (*self._file.operator, *word.commands)}
        try:
            self._file.keep_operator(tuple(newest[d] for d in sorted(newest)))
            self._unstored = False
        except StorageError as error:
            if not self._unstored:
                log.error(
                    "the grid operator's limit holds, but a restart would not know it: %s", error
                )
            self._unstored = True

    def _read(self, source: _Source, snapshot: Snapshot, at: float) -> None:
        """A relay says what holds with each reading; one that can't be read says nothing."""
        device = snapshot.devices.get(source.name)
        said = device.text(SIGNAL) if device is not None else None
        if said is None:
            return
        active = [source.inputs[int(n) - 1] for n in said.split(",")] if said != NO_SIGNAL else []
        limits = [w for i in active if (w := i.limit_w(source.direction)) is not None]
        limit_w = min(limits, default=None)
        source.state = states.told(source.state, limit_w, math.inf, at)

    def _floored(self, command: OperatorCommand) -> tuple[float, Sentence | None]:
        """The limit, not below what is guaranteed, and what is to be said of it."""
        asked_w = command.limit_w or 0.0
        guaranteed = command.source == OPERATOR and command.direction == "import"
        if not guaranteed or asked_w >= self._rules.guaranteed_w:
            return asked_w, None
        least_w = self._rules.guaranteed_w
        asked, least = f"{asked_w:.0f}", f"{least_w:.0f}"
        return least_w, sentence("operator_limit.floored", asked=asked, least=least)

    # -- what holds --

    def _limit_w(self, source: _Source) -> float | None:
        return states.limit_w(source.state, self._rules.failsafe_w(source.direction))

    def _joined(self, snapshot: Snapshot) -> GridLimits:
        """The tightest of each direction. An import limit that is for what can be steered alone leaves the house out."""
        beside_w = house_w(snapshot) if self._rules.controllable else 0.0
        by: dict[str, list[float]] = {direction: [] for direction in get_args(Direction)}
        for source in self._sources:
            limit_w = self._limit_w(source)
            if limit_w is None:
                continue
            at_meter = source.name == PROGRAMME and not source.inputs
            alone = source.direction == "import" and not at_meter
            by[source.direction].append(limit_w + (beside_w if alone else 0.0))
        import_w, export_w = (min(by[d], default=None) for d in ("import", "export"))
        return GridLimits(import_w, export_w)

    # -- the record --

    def _measure(self, source: _Source, snapshot: Snapshot, passed_s: float) -> None:
        if snapshot.grid_w is None:
            return
        power_w = snapshot.grid_w if source.direction == "import" else -snapshot.grid_w
        source.most_w = power_w if source.most_w is None else max(source.most_w, power_w)
        held_w = self._limits.import_w if source.direction == "import" else self._limits.export_w
        if self._limit_w(source) is not None and held_w is not None and power_w > held_w:
            source.over_s += passed_s

    def _write(self, source: _Source, snapshot: Snapshot, now: datetime) -> None:
        holds = (source.state.phase, self._limit_w(source))
        if holds == source.recorded:
            return
        # What never limited is no news.
        if source.recorded is not None or source.state.phase in _LIMITING or source.command_id:
            level = logging.WARNING if holds[1] is not None else logging.INFO
            whose = "programme" if source.name == PROGRAMME else "grid operator"
            free = f"the {whose}'s {source.direction} limit ({source.name}): none ({source.state.phase.value})"
            log.log(level, "%s", self._said(source) or free)
            until = "" if source.until is None else iso(source.until)
            self._record.add(
                LimitRow(
                    iso(now), source.name, source.direction, source.state.phase.value, holds[1],
                    until, snapshot.grid_w, source.most_w, source.over_s, str(source.note or ""),
                ),
                now,
            )  # fmt: skip
        source.recorded, source.most_w, source.over_s = holds, None, 0.0

    def _said(self, source: _Source) -> Sentence | None:
        """What is limited and why; None where nothing is."""
        limit_w = self._limit_w(source)
        if limit_w is None:
            return None
        limit: str | Sentence = f"{limit_w:.0f} W"
        about, name = source.direction, source.name
        if source.state.phase is not OperatorPhase.LIMITED:
            why = (
                "nothing was heard of the operator yet"
                if source.state.phase is OperatorPhase.INIT
                else "the operator is not heard any more"
            )
            return sentence("operator_silent", direction=about, name=name, limit=limit, why=why)
        if source.until:
            limit = sentence("operator_limit.until", limit=limit, time=iso(source.until))
        if source.note:
            limit = sentence("operator_limit.noted", limit=limit, note=source.note)
        code = "programme_limit" if source.name == PROGRAMME else "operator_limit"
        return sentence(code, direction=about, name=name, limit=limit)


def house_w(snapshot: Snapshot) -> float:
    """What the house draws from the grid beside all that can be steered, own sun and battery netted; W, 0 if
    not known.

    §14a limits controllable devices alone: the rest of the home is not dimmed, and what own panels give
    beyond it is no power from the grid. What the battery gives the house the house does not draw.
    """
    cars_w = snapshot.charger_w if snapshot.chargers else 0.0
    given_w = snapshot.battery_w if snapshot.batteries else 0.0
    heaters_w = [h.power_w for h in snapshot.heaters if h.steerable]
    heat_w = sum(w for w in heaters_w if w is not None)
    if snapshot.load_w is None or cars_w is None or given_w is None or None in heaters_w:
        return 0.0
    return max(0.0, snapshot.load_w - cars_w - heat_w - (snapshot.pv_w or 0.0) - max(0.0, given_w))


def _at(until: datetime | None, now: datetime, at: float) -> float:
    return math.inf if until is None else at + (until - now) / timedelta(seconds=1)
