"""Build the guard from its settings, run it, and leave the home neutral when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gateway.clock import Clock, WallClock
from gateway.config.guard import FILE, DeviceConfig, GuardSettings
from gateway.devices.build import build_devices, bus_of
from gateway.domain.grid_operator import OperatorRules
from gateway.errors import ConfigError, StorageError
from gateway.guard.bus_lock import BusLocks
from gateway.guard.intents import GuardFile
from gateway.guard.left_behind import left_behind, let_go
from gateway.guard.limit_log import LimitLog
from gateway.guard.lock import lock_state
from gateway.guard.loop import GuardLoop
from gateway.guard.operator import GridOperator
from gateway.guard.orders import OrderIntake
from gateway.guard.proofs import ProofFolder
from gateway.guard.settings_file import last_settings
from gateway.ipc.messages import GuardReport
from gateway.site.night import LearntNight, NightAt
from gateway.site.site import Site

log = logging.getLogger(__name__)

FIRST_LOOK_S = 6.0  # real seconds: devices that do not answer hold the start up no longer


class Guard:
    """The running guard: its parts, and how they live and end together."""

    def __init__(
        self,
        settings: GuardSettings,
        clock: Clock,
        on_report: Callable[[GuardReport], None],
    ) -> None:
        """Opens the guard's file and builds the devices; nothing is connected yet. Raises ConfigError.

        ``kept`` are the settings that the next start has to know, with devices that are left behind.
        """
        folder = Path(settings.state_dir)
        self._lock = lock_state(folder)
        try:
            self._buses = BusLocks(bus_of(d) for d in settings.devices if d.control)
        except ConfigError:
            self._unlock()
            raise
        known = (folder / FILE).exists() or last_settings(folder) is None
        file = GuardFile(folder / FILE)
        place, timing = settings.place, settings.timing
        left = _left_behind(folder, settings, file)
        self.clock, self.settings = clock, settings
        self.kept = replace(settings, devices=(*settings.devices, *left))
        proofs = ProofFolder(folder)
        devices = build_devices(self.kept.devices, file, clock, memory=file, proofs=proofs)
        steered, self._left = devices[: len(settings.devices)], devices[len(settings.devices) :]
        operator = operator_of(settings, file, folder)
        self.intake = OrderIntake(file, settings.standing(), clock, operator)
        self.site = Site(
            steered,
            clock,
            timing.period_s,
            LearntNight(file) if place is None else NightAt(place),
            settings.roles(),
            remembers=known and file.whole and self._lock is not None,
        )
        self.loop = GuardLoop(
            self.site, self.intake, settings.control(), clock, timing.period_s, on_report
        )

    async def take_resolved(self) -> None:
        """Before `run`: whether another guard has one of the devices under another name. Raises ConfigError."""
        try:
            await self._buses.take_resolved()
        except ConfigError:
            self._unlock()
            raise

    async def run(self, listening: Callable[[], object] = lambda: None) -> None:
        """Until cancelled. ``listening`` is called when every device that answers is neutral.

        However it ends, the devices are released.
        """
        try:
            async with asyncio.TaskGroup() as loops:
                self.site.start(loops)
                for device in self._left:
                    self.clock.spawn(loops, let_go(device, self.clock), f"let go {device.name}")
                await self.site.looked_at(FIRST_LOOK_S)
                self.clock.spawn(loops, self.loop.run(), "control")
                listening()
        finally:
            await self.release()

    async def release(self) -> None:
        """Every device neutral, then the connections closed."""
        try:
            reports = await self.site.release_all()
            if not reports:
                log.info("it ends; no device was steered")
            elif all(report.neutral for report in reports):
                log.info("all devices are neutral")
        finally:
            await self.site.close()
            self._buses.close()
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def operator_of(settings: GuardSettings, file: GuardFile, folder: Path) -> GridOperator | None:
    """Who keeps the grid operator's limits; None where nobody's are taken."""
    heard = settings.limits_from()
    if not heard:
        return None
    relays = {d.name: d.inputs for d in settings.devices if d.inputs}
    rules = settings.operator or OperatorRules(controllable=False, failsafe_import_w=None)
    return GridOperator(rules, relays, file, LimitLog(folder), heard)


def _left_behind(
    folder: Path, settings: GuardSettings, file: GuardFile
) -> tuple[DeviceConfig, ...]:
    """What the last configuration steered and this one does not; never a reason not to start."""
    last = last_settings(folder)
    if last is None:
        return ()
    left = left_behind(last.devices, settings.devices, file.owing)
    try:
        build_devices((*settings.devices, *left.devices), None, WallClock())
        file.rename(left.renamed)
    except (ConfigError, StorageError) as error:
        log.error("what the last configuration left forced is not known: %s", error)
        return ()
    return left.devices
