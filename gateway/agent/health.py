"""What the page's health section needs beside the present: polls of the last hour, and what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.agent.answered import Answered
from gateway.agent.events import HomeEvents
from gateway.agent.state import StateKeeper
from gateway.clock import Clock
from gateway.domain.intervals import iso
from gateway.ipc.messages import GuardReport
from gateway.publishing.mqtt import Publisher
from gateway.store.events import Event, EventLog


class HomeHealth:
    """Fed with each report of the guard."""

    def __init__(
        self, keeper: StateKeeper, publisher: Publisher, log: EventLog, clock: Clock
    ) -> None:
        self._keeper, self._publisher, self._log, self._clock = keeper, publisher, log, clock
        self._polls, self._changes = Answered(), HomeEvents()
        self._begun = False

    def hear(self, report: GuardReport) -> None:
        """Called when the state holds the report already."""
        self._polls.hear(report.polls, self._clock.monotonic())
        time = iso(report.snapshot.time)
        if not self._begun:
            self._begun = True
            self._log.add(Event(time, "started"))
        devices = report.snapshot.devices.values()
        alarms = self._keeper.state.all_alarms
        for event in self._changes.look(time, devices, self.links(), alarms):
            self._log.add(event)

    def links(self) -> Mapping[str, bool]:
        """Whether broker and exchange are reached, and the broker hands on what we say."""
        state = self._keeper.state
        links = {"Broker": self._publisher.heard}
        if state.settings.market is not None:
            links["Exchange"] = state.exchange_reached
        return links

    def answered(self) -> Mapping[str, tuple[int, int]]:
        """See `Answered.of_the_hour`."""
        return self._polls.of_the_hour(self._clock.monotonic())

    @property
    def events(self) -> Sequence[Event]:
        """From the newest on."""
        return self._log.recent
