"""The agent dies, stops, spins, eats memory, floods or lies: the guard goes on, and has it back by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from gateway.clock import WallClock
from gateway.domain.order import StandingSettings
from gateway.guard.agent_process import AgentLimits, AgentProcess
from gateway.guard.intents import GuardFile
from gateway.guard.orders import OrderIntake
from tests.safety import agents
from tests.safety.guarded import FAMILIES, alive, guarded, signal_to
from tests.waiting import eventually

QUICK = {"silence_s": 3.0, "start_s": 30.0, "memory": 120 * 1024 * 1024}
WRONG = {
    "it spins": (agents.SPINS, "no order came for"),
    "it sleeps": (agents.SLEEPS, "no order came for"),
    "it eats memory": (agents.EATS_MEMORY, "it used"),
    "it floods": (agents.FLOODS, "orders in a second"),
    "it talks nonsense": (agents.TALKS_NONSENSE, "it sent what is no order"),
    "it claims a huge frame": (agents.CLAIMS_TOO_MUCH, "a frame of 4294967295 bytes"),
    "it hangs up": (agents.HANGS_UP, "it was ended by SIGKILL"),
    "it floods with large orders": (agents.LARGE, "bytes of orders in a second"),
    "it dies of a nameless signal": (agents.DIES_OF_A_NAMELESS_SIGNAL, "it was ended by signal 40"),
    "it dies": (agents.DIES, "it was ended by SIGSEGV"),
    "it ends at once": (agents.ENDS_AT_ONCE, "it ended with exit code 1"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_an_agent_that_goes_wrong_is_ended_said_once_and_started_again(
    what: str, tmp_path: Path
) -> None:
    agent, why = WRONG[what]
    async with guarded("fronius", tmp_path) as place:
        await place.start(agent, QUICK)
        first = await place.agent()
        await place.says(f"the agent is lost: {why}" if why.startswith("it ") else why)
        assert not alive(first)
        await place.steers_on()
        await place.agent(other_than=first)
        await place.steers_on()
        assert await place.stop() == 0
        assert not place.held
        lost = [line for line in place.said if "the agent is lost" in line]
        assert len(lost) <= 2, "said once a loss"


async def test_an_agent_that_dies_again_and_again_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It sends one good order each time: lost, back, lost, back; for hours, if nobody looks."""
    caplog.set_level("INFO")
    clock = WallClock(rate=100)  # the pauses between the starts pass sooner
    intake = OrderIntake(GuardFile(tmp_path / "guard.json"), StandingSettings(20.0), clock)
    process = AgentProcess((sys.executable, "-c", agents.DIES), intake, clock, AgentLimits())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(process.run())
        await eventually(lambda: process.starts >= 6, "started six times")
        await process.stop()
        running.cancel()
    assert len(caplog.records) <= 5, [r.getMessage() for r in caplog.records]
    assert "is lost: it was ended by SIGSEGV" in caplog.text


@pytest.mark.parametrize("family", FAMILIES)
async def test_an_agent_that_is_killed_or_stopped_leaves_the_battery_with_the_guard(
    family: str, tmp_path: Path
) -> None:
    """The order holds for its lease; the user's hold outlives the agent, for the guard keeps it."""
    async with guarded(family, tmp_path) as place:
        await place.start(agents.HOLDS, QUICK)
        await place.until(lambda: place.held, "held")
        pid = await place.agent()
        for number in (signal.SIGKILL, signal.SIGSTOP):
            since = len(place.said)
            signal_to(pid, number)
            await place.until(lambda pid=pid: not alive(pid), "ended")  # type: ignore[misc]
            await place.steers_on()
            assert place.held, "the user's hold is the guard's to keep"
            pid = await place.agent(other_than=pid)
            await place.says("the agent is back", since)
        assert await place.stop() == 0
        assert not place.held
        assert not alive(pid)


async def test_an_order_runs_out_with_its_lease(tmp_path: Path) -> None:
    """What is held by a standing setting stays held; with no word of the user nothing is."""
    async with guarded("fronius", tmp_path) as place:
        await place.start(agents.HOLDS_BRIEFLY, QUICK)
        await place.until(lambda: place.held, "held")
        await place.says("no order came for")
        await place.steers_on()
        assert place.held
        await place.kill()
        assert place.held, "killed, it could not release"
        since = len(place.said)
        await place.start(agents.ENDS_AT_ONCE, QUICK)
        await place.says("guard runs", since)
        await place.steers_on()
        assert place.held, "the setting is in the guard's own file"
        assert await place.stop() == 0
        assert not place.held


async def test_an_order_out_of_range_is_refused_and_said_once(tmp_path: Path) -> None:
    async with guarded("fronius", tmp_path) as place:
        await place.start(agents.OUT_OF_RANGE, QUICK)
        await place.says("an order of the agent is refused")
        await place.steers_on(12)
        assert sum("is refused" in line for line in place.said) == 1
        assert not place.held
        assert await place.stop() == 0


async def test_an_order_that_cannot_be_compared_with_a_clock_is_refused(tmp_path: Path) -> None:
    async with guarded("fronius", tmp_path) as place:
        await place.start(agents.TIME_WITHOUT_ZONE, QUICK)
        await place.says("an order of the agent is refused: it has a time without a zone")
        await place.steers_on(12)
        assert await place.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
async def test_a_closed_terminal_leaves_no_device_forced(
    number: signal.Signals, tmp_path: Path
) -> None:
    async with guarded("goodwe", tmp_path) as place:
        await place.start(agents.HOLDS, QUICK)
        await place.until(lambda: place.held, "held")
        assert place.process is not None
        place.process.send_signal(number)
        place.process.send_signal(number)
        assert await place.ended() == 0
        assert not place.held


def _stop_comes_at_once() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)


def blocked_signals(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("SigBlk:")[1].split()[0], 16)


async def test_a_stop_during_the_start_still_releases_what_a_dead_run_left(tmp_path: Path) -> None:
    """The service restarts after a crash, and its owner stops it in that second."""
    async with guarded("goodwe", tmp_path) as place:
        await place.start(agents.HOLDS, QUICK)
        await place.until(lambda: place.held, "held")
        await place.kill()
        assert place.held
        await place.start(agents.HOLDS, QUICK, before=_stop_comes_at_once)
        assert await place.ended() == 0
        assert not place.held


async def test_the_agent_gives_way_to_the_guard_and_can_be_ended(tmp_path: Path) -> None:
    async with guarded("fronius", tmp_path) as place:
        await place.start(agents.HOLDS, QUICK)
        await place.until(lambda: place.held, "held")
        assert place.process is not None
        pid = await place.agent()
        ours = os.getpriority(os.PRIO_PROCESS, place.process.pid)
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, ours + 5)
        assert blocked_signals(pid) == 0
        assert await place.stop() == 0


async def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    """A pipe that is full, a journal that hangs, Ctrl-S: the agent waits, the guard leaves lines out."""
    async with guarded("goodwe", tmp_path) as place:
        await place.start(agents.FILLS_THE_LOG, QUICK)
        await place.until(lambda: place.held, "held")
        await place.says("enough")  # of the first life, which somebody still reads
        await place.reads_no_more()
        for _ in range(
            2
        ):  # the second life fills the pipe, so what is said of its end finds no room
            await place.agent(other_than=await place.agent())
        await place.steers_on(12)
        place.reads_again()
        await place.until(lambda: place.said.count("enough") >= 2, "read to the end")
        assert await place.stop() == 0
        await place.says("lines were left out: nobody read them")
        assert not place.held


async def test_the_agent_never_outlives_the_guard(tmp_path: Path) -> None:
    async with guarded("fronius", tmp_path) as place:
        await place.start()
        await place.says("gateway 'home' runs")
        pid = await place.agent()
        await place.kill()
        await place.until(lambda: not alive(pid), "ended with its guard")
