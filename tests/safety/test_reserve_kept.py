"""A device that has a reserve of its own keeps the home's when the guard is dead and nobody starts it again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import WallClock
from simulators.devices.serve import Choice, serve_home
from simulators.physics.home import Home
from simulators.physics.values import soc_pct
from simulators.physics.weather import Panels
from simulators.scenario import Scenario
from tests.safety.guarded import Guarded, toml

pytestmark = pytest.mark.real_time  # another process takes part
NOON = datetime(2026, 6, 1, 17, tzinfo=UTC)
RESERVE_PCT, LONG = 40, timedelta(hours=18)
STANDBY_PCT = 2  # what the electronics take of it in those hours
IDLE = "import time; time.sleep(100_000)"  # an agent that orders nothing: the home covers itself
PROFILES = {
    "fronius": "fronius-gen24",
    "solaredge": "solaredge-storedge",
    "goodwe": "goodwe-et",
    "victron": "victron-gx",
}


@dataclass
class ShiftedClock:
    """The home's time: it goes as the machine's does, and the test lets hours go by at once."""

    passed: timedelta = timedelta(0)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=WallClock().monotonic()) + self.passed


@asynccontextmanager
async def a_home(family: str, folder: Path) -> AsyncIterator[tuple[Guarded, ShiftedClock]]:
    """Charged to 60 %, and next to no sun; its own reserve is lower than ours."""
    clock = ShiftedClock()
    home = Home(clock, Scenario(clock.now(), soc_pct=60, car=None, panels=Panels(peak_w=1)))
    servers = await serve_home(home, choice=Choice(inverter=family))
    text = toml("fronius" if family == "victron" else family, servers, folder / "state")
    text = text.replace('"fronius-gen24"', f'"{PROFILES[family]}"')
    config = folder / "gateway.toml"
    config.write_text(text.replace("[site]\n", f"[site]\nreserve_pct = {RESERVE_PCT}\n"))
    place = Guarded(family, home, servers, config, folder / "state")
    try:
        yield place, clock
    finally:
        if place.process is not None and place.process.returncode is None:
            await place.kill()
        await servers.close()


def lowest_pct(home: Home, clock: ShiftedClock) -> float:
    """Of the battery while some hours go by, minute after minute."""
    least, end = 100.0, clock.passed + LONG
    while clock.passed < end:
        clock.passed += timedelta(minutes=1)
        least = min(least, soc_pct(home.house, home.state()))
    return least


@pytest.mark.parametrize("family", PROFILES)
async def test_the_battery_stops_at_the_homes_reserve(family: str, tmp_path: Path) -> None:
    async with a_home(family, tmp_path) as (place, clock):
        owners_pct = place.home.commands.reserve_pct
        assert owners_pct < RESERVE_PCT
        await place.start(IDLE)
        await place.until(lambda: place.home.commands.reserve_pct == RESERVE_PCT, "kept there")
        await place.kill()
        assert RESERVE_PCT - STANDBY_PCT <= lowest_pct(place.home, clock) <= RESERVE_PCT
        await place.start(IDLE)
        await place.until(lambda: place.home.commands.reserve_pct == owners_pct, "put back")
        await place.until(lambda: place.home.commands.reserve_pct == RESERVE_PCT, "kept again")
        await place.stop()
        assert place.home.commands.reserve_pct == owners_pct
        assert lowest_pct(place.home, clock) < RESERVE_PCT - 5
