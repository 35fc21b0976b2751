"""Guard and agent as the two processes that they are, against a simulated town, all on one simulated clock.

The town (devices, exchange, buyers; a broker where it is asked for) runs in this process and leads the
clock (`simulators.shared_clock`), so that a day takes as long as its work and not 24 hours. The two
processes are the programs that `energy-gateway run` starts, with the clock in place of the wall clock
and without the pause before a killed agent is started again.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from gateway.config.load import load_settings
from gateway.store.history import History
from simulators.broker import start_broker
from simulators.demo.options import Options
from simulators.demo.past import past_of
from simulators.devices.serve import Servers, serve_home
from simulators.exchange import ExchangeHandle, start_exchange
from simulators.participants import start_participants
from simulators.physics.home import Home
from simulators.scenario import ODD, Scenario
from simulators.shared_clock import LeadClock
from tests.hostile.set_clock import set_machine
from tests.safety.guarded import alive, toml
from tests.waiting import HANG_S

NOON = datetime(
    2026, 6, 1, 16, tzinfo=UTC
)  # 11 in the morning in Austin: there is something to sell soon
PAST_DAYS = 60  # as far back as the forecasts look: a home of some months
GUARD = """
import sys
from pathlib import Path
from gateway.guard import __main__ as program, agent_process
from gateway.supervise import Backoff
from tests.hostile.set_clock import member
wall = program.WallClock
program.WallClock = lambda *when: member(Path({folder!r})) if when else wall()
agent_process.MOST_FRAMES_A_S = agent_process.MOST_BYTES_A_S = 10**9  # of a second of the machine's
program.LIMITS = agent_process.AgentLimits(silence_s=3600.0)  # the clock waits for who works
agent_process.Backoff = lambda **_: Backoff(0.05, 0.05)
program.agent_command = lambda config, *_: (sys.executable, "-c", {agent!r}, "--config", str(config))
sys.exit(program.main())
"""
AGENT = """
import sys
from pathlib import Path
from gateway.agent import __main__ as program
from tests.hostile.set_clock import member
program.wall_clock_of = lambda _: member(Path({folder!r}))
sys.exit(program.main())
"""
_MORE = """
[market]
exchange = "cts"
url = "{url}"
party_id = "home"
credential_file = "{credential}"

[tariff]
import_price = {{ kind = "flat", per_kwh = "0.14" }}

[mqtt]
port = {broker}
publish_s = 60
"""


@dataclass
class Town:
    """What is outside, and the two processes."""

    clock: LeadClock
    home: Home
    servers: Servers
    exchange: ExchangeHandle
    config: Path
    state: Path
    log: Path
    guard: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start both; returns when both have something to do."""
        settings = msgspec.json.encode(load_settings(self.config).for_guard())
        reading, writing = os.pipe()
        os.write(writing, settings)
        os.close(writing)
        agent = AGENT.format(folder=str(self._folder))
        program = GUARD.format(folder=str(self._folder), agent=agent)
        with self.log.open("ab") as log:
            self.guard = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, "--settings-fd", str(reading),
                "--config", str(self.config), "--log-level", "warning",
                pass_fds=(reading,), stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        os.close(reading)
        await self.joined(2)

    async def joined(self, count: int) -> None:
        """Until so many processes take part; what keeps them from it is told, not waited for."""
        taking_part = asyncio.create_task(self.clock.joined(count))
        ended = asyncio.create_task(self._ended())
        try:
            watched = (taking_part, ended) if count else (taking_part,)
            await asyncio.wait(watched, timeout=HANG_S, return_when=asyncio.FIRST_COMPLETED)
            if not taking_part.done():
                code = self.guard.returncode if self.guard else None
                raise AssertionError(
                    f"{count} processes should take part, {self.clock.taking_part} do; the guard's"
                    f" exit code is {code}\n{self.log.read_text()[-4000:]}"
                )
        finally:
            taking_part.cancel()
            ended.cancel()

    async def _ended(self) -> None:
        assert self.guard is not None
        await self.guard.wait()

    @property
    def _folder(self) -> Path:
        return self.config.parent / "clock"

    async def play(self, span: timedelta) -> None:
        await self.clock.sleep(span.total_seconds())

    def set_clock(self, shows: datetime | None) -> None:
        """Of the home's machine, from now on; None: it is right. Before the first `start`, if it is set at all."""
        set_machine(self._folder, timedelta(0) if shows is None else shows - self.clock.now())

    def agent_pid(self) -> int | None:
        assert self.guard is not None
        found = Path(f"/proc/{self.guard.pid}/task/{self.guard.pid}/children")
        with suppress(OSError):
            pids = found.read_text().split()
            return int(pids[0]) if pids else None
        return None

    def pids(self) -> dict[str, int]:
        """Of both, by name; they must be running."""
        agent = self.agent_pid()
        assert self.guard is not None
        assert agent is not None, self.log.read_text()[-2000:]
        return {"guard": self.guard.pid, "agent": agent}

    def kill_agent(self) -> bool:
        """kill -9; False where there is none at this moment."""
        pid = self.agent_pid()
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    async def kill_guard(self) -> None:
        """kill -9; the kernel ends its agent with it."""
        assert self.guard is not None
        agent = self.agent_pid()
        self.guard.kill()
        await self.guard.wait()
        while agent is not None and alive(agent):
            await asyncio.sleep(0.002)
        await self.joined(0)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.guard is not None
        with suppress(ProcessLookupError):
            self.guard.terminate()
        return await self.guard.wait()


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def written_bytes(pid: int) -> int:
    """What the process has handed to the disk so far."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


@asynccontextmanager
async def _town(
    clock: LeadClock, group: asyncio.TaskGroup, folder: Path, period_s: float, with_broker: bool
) -> AsyncIterator[Town]:
    options = Options(seed=1, start=clock.now())
    scenario: Scenario = options.scenario()
    async with AsyncExitStack() as stack:
        server = await clock.serve()
        stack.callback(server.close)
        home = Home(clock, scenario)
        servers = await serve_home(home)
        stack.push_async_callback(servers.close)
        exchange = await start_exchange(
            clock, group, folder / "exchange", scenario.prices(), power_safe=False
        )
        stack.push_async_callback(exchange.close)
        others = await start_participants(clock, group, exchange.url, options.seed)
        stack.push_async_callback(others.close)
        broker = 1
        if with_broker:
            handle = await start_broker()
            stack.push_async_callback(handle.close)
            broker = handle.port
        state, config = folder / "state", folder / "gateway.toml"
        more = _MORE.format(
            url=exchange.url, credential=exchange.credential_file("home"), broker=broker
        )
        text = toml("fronius", servers, state, more).replace(
            "period_s = 0.25", f"period_s = {period_s}"
        )
        config.write_text(text.replace("[site]\n", '[site]\ntime_zone = "America/Chicago"\n'))
        state.mkdir()
        history = History(state / "history.sqlite")
        for observed in past_of(scenario, PAST_DAYS):
            history.add_quarter(observed)
        history.close()
        town = Town(clock, home, servers, exchange, config, state, folder / "gateway.log")
        try:
            yield town
        finally:
            if town.guard is not None and town.guard.returncode is None:
                town.guard.kill()
                await town.guard.wait()


async def in_town(
    folder: Path,
    story: Callable[[Town], Awaitable[None]],
    *,
    start: datetime = NOON,
    period_s: float = 10.0,
    with_broker: bool = False,
) -> None:
    """Play ``story`` in a town of its own; what fails in it is raised."""
    clock = LeadClock(folder / "clock", start + ODD)

    async def told() -> None:
        async with _town(clock, group, folder, period_s, with_broker) as town:
            await story(town)

    async with asyncio.TaskGroup() as group:
        clock.spawn(group, told(), "story")
