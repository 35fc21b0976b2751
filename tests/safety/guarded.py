"""A simulated home behind its ports, and the guard's real process beside it, with an agent of our choice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from gateway.clock import WallClock
from simulators.devices.serve import Choice, Servers, serve_home
from simulators.physics.home import Home
from simulators.physics.script import Script
from simulators.scenario import Scenario
from tests.waiting import HANG_S

PERIOD_S = 0.25
# family -> profile, unit of the inverter, whether its own meter stands for the home's
FAMILIES = {
    "fronius": "fronius-gen24",
    "fronius-float": "fronius-gen24",
    "sunspec-der": "sunspec-hybrid",
    "solaredge": "solaredge-storedge",
    "goodwe": "goodwe-et",
    "sungrow": "sungrow-sh",
    "huawei": "huawei-sun2000",
    "growatt": "growatt-sph",
    "solax": "solax-x",
    "sma": "sma-hybrid",
    "foxess": "foxess-h3",
}
WITH_METER = frozenset(
    {"solaredge", "goodwe", "sungrow", "huawei", "growatt", "solax", "sma", "foxess"}
)
GUARD = """
import sys
from gateway.guard import __main__ as program
from gateway.guard.agent_process import AgentLimits
program.LIMITS = AgentLimits(**{limits!r})
agent = {agent!r}
if agent:
    program.agent_command = lambda *words: (sys.executable, "-c", agent)
{patch}
sys.exit(program.main())
"""
RUN = """
import os, sys
os.execv = lambda path, words: real(path, [path, "-c", {guard!r}, *words[words.index("gateway.guard") + 1:]])
"""
PROGRAM = """
import os, sys
real = os.execv
{patch}
from gateway.cli import main
sys.argv[0] = "energy-gateway"
main()
"""


@dataclass
class Guarded:
    """The home, the guard's configuration, and the running process."""

    family: str
    home: Home
    servers: Servers
    config: Path
    state: Path
    process: asyncio.subprocess.Process | None = None
    said: list[str] = field(default_factory=list)
    unsteered: tuple[object, ...] = ()
    folder: Path | None = None  # where the program is started
    _listening: asyncio.Task[None] | None = None

    async def start(
        self,
        agent: str = "",
        limits: dict[str, float] | None = None,
        before: Callable[[], None] | None = None,
        patch: str = "",
    ) -> None:
        """`energy-gateway run`, with the program text ``agent`` in the agent's place if it is given.

        ``before`` is called in the new process, before the program (to take rights from it); ``patch`` is done in the guard's, before it begins.
        """
        guard = GUARD.format(limits=limits or {}, agent=agent, patch=patch)
        program = PROGRAM.format(patch=RUN.format(guard=guard))
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, "run", "--config", str(self.config),
            stderr=subprocess.PIPE, preexec_fn=before, cwd=self.folder,
        )  # fmt: skip
        self._listening = asyncio.create_task(self._listen(self.process))

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            self.said.append(line.decode(errors="replace").rstrip())

    async def reads_no_more(self) -> None:
        """From now on nobody takes what the program says."""
        assert self._listening is not None
        self._listening.cancel()
        await asyncio.wait((self._listening,))

    def reads_again(self) -> None:
        assert self.process is not None
        self._listening = asyncio.create_task(self._listen(self.process))

    async def says(self, words: str, since: int = 0) -> str:
        """Wait until a line of the log has ``words``."""
        async with asyncio.timeout(HANG_S):
            while True:
                looked = len(self.said)
                for line in self.said[since:looked]:
                    if words in line:
                        return line
                since = looked  # a program that fills its log is not read from the start each time
                assert self.process is not None
                if self.process.returncode is not None and not self._more():
                    raise AssertionError(f"it ended without {words!r}:\n" + "\n".join(self.said))
                await asyncio.sleep(0.02)

    def _more(self) -> bool:
        return self._listening is not None and not self._listening.done()

    async def until(self, true: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(HANG_S):
                while not true():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not {what}:\n" + "\n".join(self.said[-30:])) from None

    async def steers_on(self, ticks: int = 4) -> None:
        """The guard goes on asking the devices, whatever its agent does."""
        before = self.servers.requests
        await self.until(lambda: self.servers.requests >= before + 3 * ticks, "polled")

    @property
    def held(self) -> bool:
        """Whether the device has taken a setpoint for its battery (some state limits of their own)."""
        return _setpoints(self.home) != self.unsteered

    def agent_pid(self) -> int | None:
        """The running agent's process, None between two."""
        assert self.process is not None
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        with suppress(OSError):
            pids = found.read_text().split()
            return int(pids[0]) if pids else None
        return None

    async def agent(self, other_than: int | None = None) -> int:
        """The agent's process, once there is one (another than before)."""
        await self.until(lambda: self.agent_pid() not in (None, other_than), "started an agent")
        pid = self.agent_pid()
        assert pid is not None
        return pid

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.ended()

    async def ended(self) -> int:
        assert self.process is not None
        assert self._listening is not None
        async with asyncio.timeout(HANG_S):
            code = await self.process.wait()
            await self._listening
        return code


def toml(family: str, servers: Servers, state: Path, more: str = "") -> str:
    """The configuration of the home; ``more`` goes to its end.

    Without a broker of its own it has none: one that runs on this machine is somebody's home.
    """
    no_broker = "" if "[mqtt]" in more else "[mqtt]\nport = 1\n"
    own_meter = family in WITH_METER
    meter = f"""
[[device]]
name = "meter"
profile = "sunspec-meter"
host = "127.0.0.1"
port = {servers.ports.meter}
unit = 200
"""
    return f"""
state_dir = "{state}"

[site]
export_limit_w = 8000

[[device]]
name = "inverter"
profile = "{FAMILIES[family]}"
host = "127.0.0.1"
port = {servers.ports.inverter}
steer = "always"
{"" if own_meter else meter}
[battery]
capacity_wh = 13500
max_charge_w = 5000

[control]
period_s = {PERIOD_S}

[dashboard]
enabled = false
{more}
{no_broker}"""


@asynccontextmanager
async def guarded(
    family: str, folder: Path, more: str = "", page: int | None = None, script: Script | None = None
) -> AsyncIterator[Guarded]:
    """A home of ``family`` with a charged battery, by night or as ``script`` says; its process is ended at the end."""
    clock = WallClock()
    home = Home(clock, replace(_by_night(clock.now()), script=script))
    servers = await serve_home(home, choice=Choice(inverter=family))
    config, state = folder / "gateway.toml", folder / "state"
    text = toml(family, servers, state, more)
    config.write_text(text if page is None else text.replace("enabled = false", f"port = {page}"))
    place = Guarded(family, home, servers, config, state, unsteered=_setpoints(home))
    try:
        yield place
    finally:
        process = place.process
        if process is not None and process.returncode is None:
            process.kill()
            await place.ended()
        await servers.close()


def _by_night(now: datetime) -> Scenario:
    """On the equator, where it is midnight by the sun now: no test depends on the hour at which it runs."""
    longitude = 180.0 - (15.0 * (now.hour + now.minute / 60) + 180.0) % 360.0
    return Scenario(start=now, soc_pct=60, car=None, latitude=0.0, longitude=longitude)


def _setpoints(home: Home) -> tuple[object, ...]:
    commands = home.commands
    return commands.discharge_limit_w, commands.charge_limit_w, commands.ac_power_w


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def signal_to(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
