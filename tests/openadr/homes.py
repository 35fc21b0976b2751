"""A home in a programme: its loop beside a server over real HTTP, on the simulated clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.agent.ordering import make_order
from gateway.agent.programme import ProgrammeLoop, programme_of
from gateway.agent.programme_account import Past
from gateway.agent.state import GatewayState, HomeRules, StateKeeper
from gateway.agent.user_settings import configured
from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.domain.intervals import QUARTER, quarter
from gateway.domain.order import Order
from gateway.domain.trade import Metered
from gateway.store.codec import metered_body
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore
from tests.devices.test_simulated_families import simulated
from tests.openadr.vtn import CLIENT, SECRET, SmallVtn, event, small_vtn

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT_NOON = "2026-06-01T12:00:00Z"


@dataclass
class Home:
    """The agent's part of it: what was looked at, and the order that follows."""

    vtn: SmallVtn
    clock: SimClock
    folder: Path
    loop: ProgrammeLoop
    keeper: StateKeeper
    store: SettingsStore
    journal: Journal

    async def look(self, minutes: float = 0) -> Order:
        """The order ``minutes`` later, when it has looked again."""
        if minutes:
            await self.clock.sleep(60 * minutes)
        await self.loop.look()
        return self.order()

    def order(self) -> Order:
        book = self.journal.book
        return make_order(self.keeper.state, self.clock.now(), book.commitment, lambda _: None)

    async def close(self) -> None:
        await self.loop.close()
        self.store.close()
        self.journal.close()

    @property
    def alarms(self) -> str:
        return " ".join(a.text for a in self.keeper.state.all_alarms)

    @property
    def refused(self) -> str:
        assert self.keeper.state.programme is not None
        return " ".join(self.keeper.state.programme.refused)


def import_w(order: Order, direction: str = "import") -> float | None:
    """The programme's limit in the order; None = none."""
    assert order.operator is not None
    (command,) = (c for c in order.operator.commands if c.direction == direction)
    assert command.source == "programme"
    return command.limit_w


def settings_of(vtn: SmallVtn, folder: Path, secret: str = SECRET, **more: Any) -> Settings:
    file = folder / "secret"
    file.write_text(f"{secret}\n")
    file.chmod(0o600)
    programme = {"url": vtn.url, "client_id": CLIENT, "secret_file": file} | more
    device = {"name": "meter", "profile": "sunspec-meter", "host": "127.0.0.1"}
    return Settings.model_validate({"device": [device], "programme": programme})


def opened(vtn: SmallVtn, clock: SimClock, folder: Path, **more: Any) -> Home:
    settings = settings_of(vtn, folder, **more)
    keeper = StateKeeper(GatewayState(HomeRules.of(settings), configured(settings)))
    store = SettingsStore(folder / "settings.sqlite")
    journal = Journal(folder / "journal.sqlite")
    past = Past(store, journal, lambda _since, _until: ())
    loop = programme_of(keeper, past, clock, lambda: None)
    assert loop is not None
    return Home(vtn, clock, folder, loop, keeper, store, journal)


def at_home(
    folder: Path, play: Callable[[Home], Awaitable[None]], start: datetime = NOON, **more: Any
) -> None:
    """``play`` at noon, with a server that has no event yet."""
    clock = SimClock(start)

    async def run() -> None:
        async with small_vtn() as vtn:
            home = opened(vtn, clock, folder, **more)
            try:
                await play(home)
            finally:
                await home.close()

    simulated(clock, run())


def limit(name: str = "evening", kw: float = 3, **more: Any) -> dict[str, Any]:
    return event(name, "IMPORT_CAPACITY_LIMIT", [kw], AT_NOON, **more)


def dispatch(kw: list[float], **more: Any) -> dict[str, Any]:
    return event("called", "DISPATCH_SETPOINT", kw, AT_NOON, "PT30M", **more)


def meter(home: Home, start: datetime, net_wh: int) -> None:
    """A quarter-hour as the meter told it; export +."""
    row = Metered(quarter(start), max(-net_wh, 0), max(net_wh, 0), 0, 0)
    home.journal.append("metered", metered_body(row), home.clock.now())


def past_days(home: Home, net_wh: int, days: int = 12) -> None:
    """Working days and weekends before, the same each noon."""
    for day in range(days, 0, -1):
        for n in range(4):
            meter(home, NOON - timedelta(days=day) + n * QUARTER, net_wh)
