"""`python -m gateway.guard`: the guard's process. `energy-gateway run` checks the configuration and becomes it.

The checked settings come as JSON over an inherited pipe, so that this process loads no library to
check them. It makes the devices neutral first, then starts the agent and listens to it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway import ending
from gateway.clock import WallClock
from gateway.config.guard import GuardSettings
from gateway.errors import AlreadyRuns, ConfigError
from gateway.guard.agent_process import AgentLimits, AgentProcess, agent_command
from gateway.guard.bridge_process import BridgeProcess, bridge_command
from gateway.guard.compose import Guard
from gateway.guard.settings_file import keep_settings
from gateway.ipc.messages import GuardReport
from gateway.systemd import NeverWaiting, end_now, notify, set_up_logs

log = logging.getLogger(__name__)

LIMITS = AgentLimits()


def main() -> int:
    """Run until SIGTERM, SIGINT, SIGHUP or SIGQUIT; 0 then, 2 if the configuration cannot be used, 3 if another gateway runs."""
    words = _parser().parse_args()
    set_up_logs(
        getattr(logging, words.log_level.upper()), as_json=words.log_json, stream=NeverWaiting(2)
    )
    with os.fdopen(words.settings_fd, "rb") as pipe:
        settings = msgspec.json.decode(pipe.read(), type=GuardSettings)
    try:
        if words.release_only:
            ending.run(release(settings))
            return 2
        ending.run(serve(settings, words.config, words.log_level, words.log_json))
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - one line for the person, as every command does
        return 3 if isinstance(error, AlreadyRuns) else 2
    return 0


async def release(settings: GuardSettings) -> None:
    """The configuration cannot be read: what its last good form left forced is made neutral, no more.

    It takes some seconds at most, so that nothing has to end it sooner.
    """
    end_now(lambda: None)
    log.error("the devices of the last good configuration are made neutral; nothing else runs")
    await Guard(settings, WallClock(), lambda _: None).release()


async def serve(settings: GuardSettings, config: Path, log_level: str, log_json: bool) -> None:
    """The guard and its agent, until a signal ends both."""
    clock = WallClock(settings.clock_start, settings.clock_rate)
    command = (*agent_command(config, log_level, log_json), *clock.as_words())
    process: AgentProcess | None = None

    def on_report(report: GuardReport) -> None:
        notify("WATCHDOG=1")  # fed by the control loop alone: if that hangs, systemd restarts us
        if process is not None:
            process.report(report)

    guard = Guard(settings, clock, on_report)
    await guard.take_resolved()
    keep_settings(guard.kept)
    process = AgentProcess(command, guard.intake, WallClock(), LIMITS)
    ended = asyncio.Event()
    end_now(ended.set)
    listening = asyncio.Event()

    def ready() -> None:
        log.info("guard runs: %s", ", ".join(f"{d.name} ({d.profile})" for d in settings.devices))
        listening.set()
        notify("READY=1")

    bridge = BridgeProcess(bridge_command(config, log_level, log_json), WallClock())
    async with asyncio.TaskGroup() as group:
        bridging = None
        if settings.bridged:
            bridging = group.create_task(bridge.run(), name="bridge")
        guarding = group.create_task(guard.run(ready), name="guard")
        keeping = group.create_task(_keep(process, listening), name="agent")
        waiting = group.create_task(ended.wait(), name="signal")
        await asyncio.wait((guarding, waiting), return_when=asyncio.FIRST_COMPLETED)
        notify("STOPPING=1")
        waiting.cancel()
        stopping = group.create_task(process.stop(), name="agent stop")
        guarding.cancel()  # the devices are released while the agent ends
        with suppress(asyncio.CancelledError):
            await guarding
        await stopping
        keeping.cancel()
        if bridging is not None:
            bridging.cancel()


async def _keep(process: AgentProcess, listening: asyncio.Event) -> None:
    """The agent is started when the devices are neutral, not before."""
    await listening.wait()
    await process.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway.guard", description=__doc__)
    parser.add_argument("--settings-fd", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--log-json", action="store_true")
    parser.add_argument("--release-only", action="store_true")
    return parser


if __name__ == "__main__":
    ending.leave(main())
