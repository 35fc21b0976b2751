"""What a programme's dispatches earned, and the reports that its events ask for: from the account's own quarter-hours."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from gateway.agent.ordering import dispatch_wh
from gateway.agent.state import StateKeeper
from gateway.config.agent_settings import Programme
from gateway.domain.flows import Flow
from gateway.domain.intervals import iso, parse_utc, quarter_of
from gateway.errors import MarketError, StorageError
from gateway.openadr.acting import BACK, LIMITS, ProgrammeEvents, dispatch_of
from gateway.openadr.credits import Terms, credit
from gateway.openadr.documents import Event
from gateway.openadr.holding import Holding
from gateway.openadr.reports import LATE, Measured, baseline_wh, due, report_of
from gateway.openadr.vtn import Vtn, VtnAway
from gateway.store.journal import Journal
from gateway.supervise import Availability

log = logging.getLogger(__name__)

REPORTED = "programme.reported"
CALLED = "programme.called"
MOST_REPORTS = 20  # at one look


class SettingStore(Protocol):
    """Small durable values by name."""

    def setting(self, name: str, value: str | None = None) -> str | None:
        """The stored value; given ``value`` it is stored first. Raises StorageError."""


@dataclass(frozen=True, slots=True)
class Past:
    """Small values that outlive a restart, the account, and what flowed (``flows(since, until)``)."""

    store: SettingStore
    journal: Journal
    flows: Callable[[datetime, datetime], Sequence[Flow]]


class ProgrammeAccount:
    """Writes ``credit`` rows into the journal, and sends reports."""

    def __init__(self, stated: Programme, keeper: StateKeeper, past: Past) -> None:
        self._stated, self._keeper, self._past = stated, keeper, past
        self._called = _called(past.store)  # quarter -> Wh asked, event
        self._reported: dict[str, str] = _reported(past.store)
        self._looks: dict[str, int] = {}  # report that waits -> how often it was looked at
        self._taken = Availability("what takes the programme's reports")

    def follow(self, known: ProgrammeEvents, now: datetime) -> None:
        """Called with every look: what is followed now is remembered, what was metered is paid."""
        self._call(known.found, now)
        self._credit(now)

    def _call(self, found: Sequence[Holding], now: datetime) -> None:
        """Remember what the home follows, for the event may be gone when the meter has told."""
        state = self._keeper.state
        interval = quarter_of(now)
        top = dispatch_of(found, interval)
        asked_wh = dispatch_wh(state, interval)
        sold = bool(self._past.journal.book.commitment(interval))
        before = self._called
        self._called = {t: c for t, c in before.items() if t > now - BACK}
        if top is not None and asked_wh is not None and not sold:
            self._called[interval.start] = asked_wh, top.event.id
        else:
            self._called.pop(interval.start, None)
        if self._called != before:
            kept = {iso(t): c for t, c in self._called.items()}
            with suppress(StorageError):  # only a restart before the meter has told would miss it
                self._past.store.setting(CALLED, json.dumps(kept))

    def _credit(self, now: datetime) -> None:
        """What a dispatched quarter-hour earned goes into the account, once."""
        book, stated = self._past.journal.book, self._stated
        terms = Terms(stated.credit_per_kwh, stated.credit_per_event, stated.credit_for)
        paid = {str(body["event"]) for body in book.credits.values() if body["paid_wh"]}
        for start, (asked_wh, event_id) in sorted(self._called.items()):
            metered = book.metered.get(start)
            if metered is None or start in book.credits:
                continue
            base_wh = baseline_wh(self._measured(now), start)
            earned = credit(
                terms, asked_wh, metered.net_wh, None if base_wh is None else -base_wh,
                first=event_id not in paid,
            )  # fmt: skip
            span = {"start": iso(start), "end": iso(metered.interval.end), "event": event_id}
            try:
                self._past.journal.append("credit", {**span, **asdict(earned)}, now)
            except StorageError:
                return  # those who meter say it; the next look tries again
            if earned.paid_wh:
                paid.add(event_id)

    def _measured(self, now: datetime) -> Measured:
        """The home's past, as reports and baselines need it."""
        state, book = self._keeper.state, self._past.journal.book
        battery = state.battery()
        capacity_wh = None if battery is None else battery.capacity_wh
        flows = self._past.flows(now - LATE, now) if capacity_wh else ()
        soc = {
            f.interval.start: 100 * f.stored_wh / capacity_wh
            for f in flows
            if f.stored_wh is not None and capacity_wh
        }
        dispatched, zone = {*book.credits, *self._called}, ZoneInfo(state.settings.site.time_zone)
        return Measured(book.metered, soc, capacity_wh, dispatched, zone, self._not_followed(now))

    def _not_followed(self, now: datetime) -> frozenset[str]:
        """The events of the last day of which nothing is done; a limit always is, the rest unless the user has opted out."""
        state = self._keeper.state
        programme = state.programme or ProgrammeEvents()
        follows = state.user.programme
        done = {h.event.id for h in programme.found if h.kind in LIMITS or follows}
        recent = (e.id for e in programme.events if any(e.spans(now - BACK, now)))
        return frozenset(id_ for id_ in recent if id_ not in done)

    async def report(self, events: Iterable[Event], vtn: Vtn, now: datetime) -> None:
        """Send what is due and was not sent, the newest first, each until it is `LATE`. Where the server cannot take
        one just now all wait for the next look, that one behind the others; one that it refuses is told it no more."""
        waiting = [d for d in due(events, now) if d.name not in self._reported]
        self._looks = {d.name: self._looks.get(d.name, 0) for d in waiting}
        waiting.sort(key=lambda d: d.intervals[-1].end, reverse=True)
        waiting.sort(key=lambda d: self._looks[d.name])
        for each in waiting[:MOST_REPORTS]:
            self._looks[each.name] += 1
            document = report_of(each, self._measured(now), self._stated.ven_name)
            if document is None:
                continue
            try:
                await vtn.send("reports", document)
                self._taken.back()
            except VtnAway as error:
                self._taken.lost(f"{error}; they are sent later")
                return
            except MarketError as error:
                log.warning("programme: a report of event %s: %s", each.event.id, error)
            self._note(each.name, now)

    def _note(self, name: str, now: datetime) -> None:
        """The server has had its say on that report."""
        self._reported[name] = iso(now)
        oldest = iso(now - 2 * LATE)
        self._reported = {n: t for n, t in self._reported.items() if t > oldest}
        with suppress(StorageError):  # after a restart it would be sent once more
            self._past.store.setting(REPORTED, json.dumps(self._reported))


def _called(store: SettingStore) -> dict[datetime, tuple[int, str]]:
    """What was followed before a restart, and may not be paid yet."""
    try:
        found = json.loads(store.setting(CALLED) or "{}")
        return {parse_utc(t): (int(wh), str(event)) for t, (wh, event) in found.items()}
    except (StorageError, ValueError, TypeError, AttributeError, OverflowError):
        return {}


def _reported(store: SettingStore) -> dict[str, str]:
    """The reports that were sent, and when."""
    try:
        found = json.loads(store.setting(REPORTED) or "{}")
        return {str(name): str(time) for name, time in found.items()}
    except (StorageError, ValueError, AttributeError):
        return {}
