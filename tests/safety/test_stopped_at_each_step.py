"""A stop that comes at any step of the start: it ends well, no device stays forced, no process stays behind, and the next start is clean.

A previous run was killed while it held the battery, so that there is something to make neutral whenever the stop comes.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.safety import agents
from tests.safety.guarded import alive, guarded

# What begins at that step, in the guard's process: the signal comes as it is called.
STEPS = {
    "its parts are built": "gateway.guard.compose:Guard.__init__",
    "its last settings are read": "gateway.guard.compose:last_settings",
    "names are looked up": "gateway.guard.compose:Guard.take_resolved",
    "its settings are kept": "gateway.guard.__main__:keep_settings",
    "signals are heard": "gateway.guard.__main__:end_now",
    "it runs": "gateway.guard.compose:Guard.run",
    "devices are polled": "gateway.site.site:Site.start",
    "devices are made neutral": "gateway.site.site:Site.looked_at",
    "a device is released": "gateway.devices.device:ModbusDevice.release",
    "control begins": "gateway.guard.loop:GuardLoop.run",
    "it is ready": "gateway.guard.__main__:notify",
    "the agent's life begins": "gateway.guard.agent_process:AgentProcess._life",
    "the agent is started": "gateway.guard.agent_process:AgentProcess._start",
    "the agent is limited": "gateway.guard.agent_process:limit",
    "the agent is heard": "gateway.guard.agent_process:AgentProcess._hear",
    "an order comes": "gateway.guard.orders:OrderIntake.take",
    "the devices are released": "gateway.site.site:Site.release_all",
}
_STOPPED = """
import functools, importlib, os, signal, sys
room, _, path = {step!r}.partition(":")
os.environ["STARTED_BY"] = {mark!r}
owner = importlib.import_module(room)
*parts, name = path.split(".")
for part in parts:
    owner = getattr(owner, part)
real = getattr(owner, name)
times = [1]

@functools.wraps(real)
def stopped(*words, **more):
    if times:
        times.pop()
        print("stopped at {step}", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
    return real(*words, **more)

setattr(owner, name, stopped)
"""


def started_by(folder: Path) -> list[int]:
    """Processes that the guard of this folder has started and that still run."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"STARTED_BY={folder}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return [pid for pid in found if alive(pid)]


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
async def test_a_stop_at_each_step_of_the_start(step: str, tmp_path: Path) -> None:
    async with guarded("goodwe", tmp_path) as place:
        await place.start(agents.HOLDS)
        await place.until(lambda: place.held, "held")
        await place.kill()
        assert place.held, "there is something to make neutral"
        begun = len(place.said)
        await place.start(agents.HOLDS, patch=_STOPPED.format(step=step, mark=str(tmp_path)))
        if step.endswith("release_all"):  # the second of two
            await place.says("guard runs", since=begun)
            assert place.process is not None
            place.process.send_signal(signal.SIGTERM)
        assert await place.ended() == 0
        said = place.said[begun:]
        assert any(f"stopped at {step}" in line for line in said), said
        assert any("all devices are neutral" in line for line in said), said
        assert not [line for line in said if "Traceback" in line], said
        assert not place.held
        assert not started_by(tmp_path)
        begun = len(place.said)
        await place.start(agents.HOLDS)
        await place.says("guard runs", since=begun)
        await place.until(lambda: place.held, "held")
        assert await place.stop() == 0
        assert not place.held
        assert not [line for line in place.said[begun:] if "not by this gateway" in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_stop_while_the_agent_loads(number: signal.Signals, tmp_path: Path) -> None:
    """The real one, which loads for a second or two. The signal goes to both, as that of a terminal or of systemd does."""
    async with guarded("goodwe", tmp_path) as place:
        await place.start()
        agent = await place.agent()
        assert place.process is not None
        for pid in (agent, place.process.pid):
            os.kill(pid, number)
        assert await place.ended() == 0
        assert any("all devices are neutral" in line for line in place.said)
        assert not [line for line in place.said if "Traceback" in line], place.said
        assert not alive(agent)
