"""The home's programme (OpenADR 3.1): its events are looked at, kept over a restart, and become part of the order.

What it says in time: prices go by a price feed (`gateway.feeds.openadr`); limits, dispatches and charges by `make_order`.
A server that is lost changes nothing of what was heard. What a dispatch earned goes into the account, once the meter has told it, and the
reports that events ask for go back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from gateway.agent.programme_account import Past, ProgrammeAccount
from gateway.agent.state import StateKeeper
from gateway.bounded_json import mapping, parsed
from gateway.clock import Clock
from gateway.config.agent_settings import Programme
from gateway.config.secrets import credential
from gateway.config.tls import client_tls
from gateway.domain.intervals import iso, parse_utc
from gateway.domain.sentences import Sentence, sentence
from gateway.errors import ConfigError, MarketError, StorageError
from gateway.escape import printable
from gateway.log_budget import LogBudget
from gateway.openadr.acting import PRICES, ProgrammeEvents, kinds_of, usable
from gateway.openadr.documents import Event, Program, event_of, program_of
from gateway.openadr.holding import Holding
from gateway.openadr.vtn import Login, Vtn
from gateway.supervise import Availability

log = logging.getLogger(__name__)

KEPT = "programme.events"
_MOST_KEPT = 2_000_000  # bytes of what is kept over a restart
_QUIET = timedelta(minutes=15)  # a server that is lost so long is told to people
_NONSENSE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def vtn_of(stated: Programme) -> Vtn:
    """Its server; raises ConfigError for a secret that is missing or cannot be read."""
    secret = credential("programme", stated.secret_file, "programme.secret_file")
    if secret is None:
        raise ConfigError("programme.secret_file is missing (or systemd credential programme)")
    tls = client_tls("programme", stated.ca_file, stated.cert_file, stated.key_file)
    token_url = None if stated.token_url is None else str(stated.token_url)
    return Vtn(Login(stated.url, stated.client_id, secret, token_url, stated.scope), tls)


class ProgrammeLoop:
    """Looks at the events now and then. ``order`` tells the guard what a look has changed."""

    def __init__(
        self,
        stated: Programme,
        keeper: StateKeeper,
        past: Past,
        clock: Clock,
        order: Callable[[], None],
    ) -> None:
        """Restores what was heard last; raises ConfigError."""
        self._stated, self._clock, self._order = stated, clock, order
        self._store, self._levels_w = past.store, stated.simple_import_w or ()
        self._keeper, self._write = keeper, keeper.writer("programme")
        self._vtn = vtn_of(stated)
        self._availability = Availability("the programme's server")
        self._lines = LogBudget(log, clock, most=10, period_s=3600.0)  # a stranger's words
        self._unknown: set[str] = set()
        self._raw = ""
        self._lost_at: datetime | None = None
        self._account = ProgrammeAccount(stated, keeper, past)
        self._known = ProgrammeEvents()
        self._known = self._restored()
        self._write(self._known)

    async def run(self) -> None:
        """For ever; a server that is lost is asked again at the same pace."""
        while True:
            await self.look()
            self._order()
            await self._clock.sleep(self._stated.poll_s)

    async def look(self) -> None:
        """Ask once, and put what is known into the state."""
        now = self._clock.now()
        try:
            programs = await self._vtn.everything("programs")
            events = await self._vtn.everything("events")
            self._known = self._understood(programs, events, now)
            self._keep(programs, events, now)
            self._lost_at = None
            self._availability.back()
        except MarketError as error:
            self._lost_at = self._lost_at or now
            self._availability.lost(f"{error}; what it said last holds")
            found, _ = self._usable(self._known.events, now)
            self._known = replace(self._known, found=tuple(found), alarm=self._alarm(now, error))
        self._write(self._known)
        self._account.follow(self._known, now)
        if self._stated.reports and self._lost_at is None:
            await self._account.report(self._known.events, self._vtn, now)

    def _alarm(self, now: datetime, error: MarketError) -> Sentence | None:
        since = self._lost_at or now
        if now - since < _QUIET:
            return None
        return sentence("programme_silent", time=iso(since), why=str(error))

    def _understood(
        self, programs: Iterable[Any], events: Iterable[Any], now: datetime
    ) -> ProgrammeEvents:
        """What of it can be followed; what cannot is said once."""
        refused: list[str] = []
        named: dict[str, Program] = {}
        for raw in programs:
            try:
                program = program_of(raw)
                named[program.id] = program
            except _NONSENSE as error:
                refused.append(f"a programme is not understood: {printable(str(error))}")
        wanted = {p.id for p in named.values() if p.name in self._stated.programs}
        followed = wanted if self._stated.programs else named.keys()
        found: list[Event] = []
        for raw in events:
            try:
                event = event_of(raw, named)
            except _NONSENSE as error:
                name = printable(str(mapping(raw).get("id")), 40)
                refused.append(f"event {name} is not understood: {printable(str(error))}")
                continue
            if event.program_id in followed:
                found.append(event)
        self._say_unknown(found)
        held, why = self._usable(found, now)
        sentences = (*refused, *why)
        for said in sentences:
            if said not in self._known.refused:
                self._lines.say(logging.WARNING, "programme: %s; it is not followed", said)
        return ProgrammeEvents(tuple(found), tuple(held), now, sentences)

    def _usable(self, events: Iterable[Event], now: datetime) -> tuple[list[Holding], list[str]]:
        return usable(events, now, self._stated.ven_name, self._levels_w)

    def _say_unknown(self, events: Iterable[Event]) -> None:
        """What we do not act on is said when it comes, by its kind."""
        kinds = {p.kind for event in events for i in event.intervals for p in i.payloads}
        unknown = kinds - {*kinds_of(self._levels_w), *PRICES}
        for kind in sorted(unknown - self._unknown):
            said = "programme: events of kind %s change nothing here"
            self._lines.say(logging.INFO, said, printable(kind, 40))
        self._unknown = unknown

    def _keep(self, programs: list[Any], events: list[Any], now: datetime) -> None:
        raw = json.dumps([programs, events], default=_number, separators=(",", ":"))
        if raw == self._raw or len(raw) > _MOST_KEPT:
            return
        try:
            self._store.setting(KEPT, json.dumps({"heard": iso(now), "said": raw}))
            self._raw = raw
        except StorageError:
            return  # only a restart would miss it

    def _restored(self) -> ProgrammeEvents:
        """What was heard before a restart, judged anew."""
        try:
            kept = json.loads(self._store.setting(KEPT) or "{}")
            if not kept:
                return ProgrammeEvents()
            programs, events = parsed(kept["said"].encode())
            known = self._understood(programs, events, self._clock.now())
            return replace(known, heard=parse_utc(kept["heard"]))
        except (StorageError, *_NONSENSE):
            return ProgrammeEvents()

    async def close(self) -> None:
        await self._vtn.close()


def programme_of(
    keeper: StateKeeper, past: Past, clock: Clock, order: Callable[[], None]
) -> ProgrammeLoop | None:
    """The one of the configuration, None where the home is in none; raises ConfigError."""
    stated = keeper.state.settings.programme
    return None if stated is None else ProgrammeLoop(stated, keeper, past, clock, order)


def _number(value: object) -> float | int:
    """Exact decimals as JSON has them."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is no number")
    return int(value) if value == value.to_integral_value() else float(value)
