"""The present, the plan and the account as the page shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway import __version__
from gateway.agent.car_soc import known_pct
from gateway.agent.command_handler import CommandHandler
from gateway.agent.errands import Errands
from gateway.agent.health import HomeHealth
from gateway.agent.state import StateKeeper
from gateway.agent.status import local_midnight, market_state
from gateway.agent.why import DecisionRecord
from gateway.clock import Clock
from gateway.dashboard.spoken import spoken
from gateway.dashboard.view import HomeView
from gateway.domain.decisions import Ahead, Decision, PhaseDecision, PlannedQuarter
from gateway.domain.plan import OfferCurve, Plan
from gateway.store.car_quarters import CarPast, read_car_past
from gateway.store.energies import Energies, read_energies
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.store.minutes import Minute

_RECENT = timedelta(hours=24)
_Today = tuple[list[Minute], list[Decision], list[PhaseDecision]]


class PageSource:
    """What the page asks for (`gateway.dashboard.view.HomeSource`). A view is made once a tick."""

    def __init__(
        self,
        keeper: StateKeeper,
        journal: Journal,
        past: tuple[History, DecisionRecord],
        health: HomeHealth,
        doing: tuple[CommandHandler, Errands],
        clock: Clock,
    ) -> None:
        self._keeper, self._journal = keeper, journal
        self._history, self._decisions = past
        self._handler, self._errands = doing
        self._health, self._clock = health, clock
        self._made: tuple[tuple[int, datetime | None], HomeView] | None = None
        self._asked: tuple[datetime, _Today] | None = None

    def latest(self) -> HomeView | None:
        """The home at the last control tick, with the newest plan."""
        state = self._keeper.state
        if state.snapshot is None:
            return None
        of = state.tick, state.plan.made_at if state.plan else None
        if self._made is None or self._made[0] != of:
            self._made = (of, self._view(state.snapshot.time))
        return self._made[1]

    @property
    def can_report(self) -> bool:
        """See `gateway.dashboard.view.HomeSource`."""
        return self._errands.config is not None

    async def report(self) -> bytes:
        """The dump, made by the command of that name."""
        return await self._errands.run("dump")

    async def what_if(self, words: Sequence[str]) -> bytes:
        """The replay, made by `backtest --history`."""
        self._history.flush()
        return await self._errands.run("backtest", "--history", "--json", "-", *words)

    async def command(self, name: str, payload: bytes) -> Mapping[str, Any]:
        """A command of the page goes the way of every command."""
        result = await self._handler.handle(name, payload, source="page")
        return result.body() | {"said": spoken(result.message) if result.message else None}

    async def energies(self, bounds: Sequence[datetime]) -> list[Energies]:
        """Read in a thread of its own: a year takes a while on a slow card."""
        self._history.flush()
        return await asyncio.to_thread(read_energies, self._history.path, bounds)

    async def planned(self, ahead: Ahead, since: datetime, until: datetime) -> list[PlannedQuarter]:
        """A day's rows of a small file."""
        return self._decisions.planned(ahead, since, until)

    async def car_past(self, since: datetime, until: datetime) -> CarPast:
        """The same of the car."""
        self._history.flush()
        return await asyncio.to_thread(read_car_past, self._history.path, since, until)

    def _view(self, now: datetime) -> HomeView:
        state, book, settings = self._keeper.state, self._journal.book, self._keeper.state.settings
        market = market_state(state, self._journal, self._clock.now())
        battery = state.battery()
        since, midnight = now - _RECENT, local_midnight(now, settings.site.time_zone)
        today = self._today(midnight, now)
        trades = settings.market is not None
        return HomeView(
            site=settings.site.name,
            time=now,
            time_zone=settings.site.time_zone,
            currency=settings.tariff.currency,
            version=__version__,
            snapshot=state.snapshot,
            setpoints=state.setpoints,
            minutes=today[0],
            decisions=today[1],
            phases=today[2],
            plan=state.plan,
            capacity_wh=battery.capacity_wh if battery else None,
            offer=self._offer(now),
            position_wh=market.position_wh if trades else None,
            next_position_wh=market.next_position_wh if trades else None,
            import_price_per_kwh=market.import_price_per_kwh,
            export_price_per_kwh=market.export_price_per_kwh,
            import_estimate_per_kwh=market.import_estimate_per_kwh,
            export_estimate_per_kwh=market.export_estimate_per_kwh,
            market_price_per_kwh=market.market_price_per_kwh,
            stored_value_per_kwh=market.stored_value_per_kwh,
            trading=market.trading if trades else None,
            programme=settings.programme is not None,
            bills=state.bills,
            tenders=[s for s in book.tenders.values() if s.tender.interval.start >= since],
            transactions=list(book.since(book.transactions, since)),
            metered=list(book.since(book.metered, since)),
            settlements=list(book.since(book.settlements, since)),
            account_money=book.settled_money if trades else None,
            today_money=book.settled_since(midnight) if trades else None,
            links=self._health.links(),
            settings=state.user,
            notes=state.all_alarms,
            car_soc_pct=known_pct(state, now),
            answered=self._health.answered(),
            events=self._health.events,
        )

    def _offer(self, now: datetime) -> OfferCurve | None:
        """What is really tendered of the next curve: sells, and buys where the home may buy."""
        market, offer = (
            self._keeper.state.settings.market,
            _next_offer(self._keeper.state.plan, now),
        )
        if market is None or offer is None or not self._keeper.state.user.trading:
            return None
        steps = tuple(s for s in offer.steps if s.net_wh > 0 or market.buy)
        return OfferCurve(offer.interval, steps)

    def _today(self, midnight: datetime, now: datetime) -> _Today:
        """Asked of the files once a minute."""
        minute = now.replace(second=0, microsecond=0)
        if self._asked is None or self._asked[0] != minute:
            decided = self._decisions
            found = (
                self._history.minutes(midnight, now),
                decided.between(midnight, now),
                decided.phases.between(midnight, now),
            )
            self._asked = minute, found
        return self._asked[1]


def _next_offer(plan: Plan | None, now: datetime) -> OfferCurve | None:
    """The curve of the next interval that can still be offered."""
    coming = [o for o in plan.offers if o.interval.start > now] if plan else []
    return min(coming, key=lambda o: o.interval.start, default=None)
