"""After the days: go on at a rate that a person can watch, until Ctrl-C."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.live import Live
from rich.table import Table

from gateway.clock import pause
from gateway.domain.intervals import quarter_of
from simulators.demo.world import World

RATE = 60  # simulated seconds a second
FRAME_S = 0.5


async def go_on(world: World, console: Console) -> None:
    """Pace the simulated clock; a participant that waits for real time holds it back."""
    console.print(
        f"Going on live, a minute a second. MQTT: 127.0.0.1:{world.broker_port}, topics energy/home/#"
    )
    page = world.gateway.agent.page
    if page is not None:
        console.print(f"The home's page: http://127.0.0.1:{page.port}")
    if world.traded is not None:
        console.print(f"Exchange: {world.traded.url}")
    console.print("Ctrl-C ends it.")
    with Live(_view(world), console=console, refresh_per_second=4) as shown:
        while True:
            await pause(FRAME_S)
            await world.clock.sleep_until(world.clock.now() + timedelta(seconds=RATE * FRAME_S))
            shown.update(_view(world))


def _view(world: World) -> Table:
    now, power = world.clock.now(), world.home.powers()
    here = now.astimezone(ZoneInfo(world.scenario.time_zone))
    book, state = world.gateway.agent.journal.book, world.gateway.agent.keeper.state
    table = Table(title=f"{here:%A %H:%M}", box=None, show_header=False)
    table.add_row("sun", f"{power.pv:7.0f} W")
    table.add_row("house", f"{power.load:7.0f} W")
    table.add_row("car", f"{power.ev:7.0f} W")
    table.add_row(
        "battery (+ gives)", f"{power.battery:7.0f} W", f"{world.home.truth().soc_pct:.0f} %"
    )
    table.add_row("grid (+ takes)", f"{power.grid:7.0f} W")
    table.add_row("sold for this quarter-hour", f"{book.position_wh(quarter_of(now)):7d} Wh")
    table.add_row("decided by", state.setpoints.reason.words)
    return table
