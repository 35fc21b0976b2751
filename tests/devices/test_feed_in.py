"""No feed-in, through the wire: the guard's own loop, an inverter whose register limits AC output, its meter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.clock import SimClock
from gateway.domain.control import BatteryAssumptions, ControlSettings, Reason
from gateway.domain.intervals import quarter_of
from gateway.domain.order import IntervalTerms, Order
from gateway.domain.plan import ValueCurve
from gateway.guard.intents import GuardFile
from gateway.guard.loop import GuardLoop
from gateway.guard.orders import OrderIntake
from gateway.ipc.messages import GuardReport
from gateway.site.site import Site
from simulators.devices.serve import Choice, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.control.homes import SETTINGS
from tests.devices.test_simulated_families import NOON, one_device, simulated


class Over(Exception):
    """Ends the guard's loops."""


def test_nothing_is_exported_while_the_battery_charges_from_the_sun(tmp_path: Path) -> None:
    clock = SimClock(NOON)

    async def run() -> None:
        home = Home(clock, Scenario(NOON, seed=1, soc_pct=98.0, car=None))
        servers = await serve_home(home, choice=Choice(inverter="fronius"))
        journal = GuardFile(tmp_path / "guard.json")
        port = servers.ports.inverter
        devices = [
            one_device(port, key, journal, clock) for key in ("fronius-gen24", "sunspec-meter")
        ]
        devices[1].name = "meter"
        site = Site(devices, clock, period_s=2)
        intake = OrderIntake(GuardFile(tmp_path / "guard.json"), SETTINGS, clock)
        slow = BatteryAssumptions(max_charge_w=3_000)  # more than one so full still takes
        control = ControlSettings(ZoneInfo("UTC"), export_limit_w=0.0, battery=slow)
        reports: list[GuardReport] = []
        loop = GuardLoop(site, intake, control, clock, 2.0, reports.append)

        async def watch() -> None:
            worth = IntervalTerms(quarter_of(NOON), import_price=10.0, export_price=5.0)
            value = ValueCurve(worth.interval, (0.0, 13_500.0), (300.0, 300.0))
            until = NOON + timedelta(minutes=5)
            assert intake.take(Order(NOON, until, SETTINGS, (replace(worth, value=value),)))
            await clock.sleep(40)
            seen = []
            for _ in range(60):
                await clock.sleep(2)
                seen.append(home.powers())
            assert reports[-1].setpoints.reason is Reason.PRICE_CHARGE
            assert min(-p.battery for p in seen) > 1_800, "the battery is filled"
            assert max(-p.grid for p in seen) < 60, "and nothing goes out"
            assert seen[-1].pv_possible > seen[-1].pv + 500, (
                "for the sun that is too much is held back"
            )
            assert not reports[-1].alarms
            raise Over

        try:
            async with asyncio.TaskGroup() as group:
                site.start(group)
                clock.spawn(group, loop.run(), "guard")
                await watch()
        except* Over:
            pass
        for device in devices:
            await device.close()
        await servers.close()

    simulated(clock, run())
