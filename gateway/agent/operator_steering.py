"""The grid operator's commands on their way to the guard, which keeps them; answered when it has them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from gateway.agent.state import StateKeeper
from gateway.clock import Clock
from gateway.domain.grid_operator import OperatorCommand, OperatorReport
from gateway.domain.intervals import iso
from gateway.domain.operator_commands import OPERATOR_COMMANDS
from gateway.domain.sentences import sentence
from gateway.errors import StorageError
from gateway.publishing.commands import Command, CommandResult, done, failed
from gateway.store.journal import Journal

TICKS = (
    3  # until a device shows it: decide and apply; poll; and one more, as a poll may be under way
)


class OperatorSteering:
    """Hands over what `gateway.publishing.commands` has checked."""

    def __init__(
        self, keeper: StateKeeper, journal: Journal, clock: Clock, order: Callable[[], None]
    ) -> None:
        self._keeper, self._journal, self._clock, self._order = keeper, journal, clock, order
        self._write = keeper.writer("operator")

    async def apply(self, command: Command) -> CommandResult:
        """Tell the guard, and wait until it reports that the limit holds."""
        rules = self._keeper.state.settings.grid_operator
        if rules is None:
            return failed(command, "not_possible", sentence("refused.no_operator"))
        word, direction = self._keeper.state.operator, OPERATOR_COMMANDS[command.name].direction
        if direction is None:
            self._write(replace(word, heartbeat=command.id))
            self._order()
            return done(command, applied=True)
        limit_w, seconds = command.changes["limit_w"], command.changes["duration_s"]
        if limit_w is not None and seconds is None and not rules.heartbeat:
            return failed(command, "not_possible", sentence("refused.needs_end"))
        until = None if seconds is None else command.ts + timedelta(seconds=seconds)
        told = OperatorCommand(command.id, direction, limit_w, until)
        others = tuple(c for c in word.commands if c.direction != direction)
        self._write(replace(word, commands=(*others, told)))
        self._order()
        with suppress(StorageError):  # the guard keeps its own record
            note = f"grid operator: {direction} limit {limit_w} W until {until}"
            self._journal.append("note", {"text": note}, self._clock.now())
        for _ in range(TICKS):
            await self._keeper.next_report()
            held = self._held(command.id)
            if held is not None:
                return done(command, _applied(held))
        return failed(command, "not_seen", sentence("refused.limit_not_taken"))

    def _held(self, command_id: str) -> OperatorReport | None:
        report = self._keeper.state.report
        held = report.operator if report else ()
        return next((h for h in held if h.command_id == command_id), None)


def _applied(held: OperatorReport) -> dict[str, object]:
    until = None if held.until is None else iso(held.until)
    return {"limit_w": held.limit_w, "until": until, "state": held.phase.value}
