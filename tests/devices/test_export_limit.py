"""The export limit on the device: held there, never wider than the owner's, sparing the flash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.clock import SimClock
from gateway.control.decide import decide
from gateway.control.inputs import DecisionInputs
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control, ControlSettings, Setpoints
from gateway.domain.intervals import quarter_of
from gateway.domain.order import IntervalTerms, Order, StandingSettings
from gateway.domain.readings import Snapshot
from gateway.guard.intents import GuardFile
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.site.site import Site
from simulators.devices.registers import VendorUnit
from simulators.devices.serve import Choice, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.devices.test_simulated_families import NOON, one_device, simulated

EXPORT = Control.EXPORT_LIMIT
LIMITED = StandingSettings(reserve_pct=20, export_limit_w=1_000)
FREE = StandingSettings(reserve_pct=20)
FAMILIES = {"huawei": "huawei-sun2000", "goodwe": "goodwe-et", "solaredge": "solaredge-storedge"}
HUAWEI_MODE, HUAWEI_W, HUAWEI_PCT = 47415, 47416, 47418


def asked(
    snapshot: Snapshot, kept: bool, settings: StandingSettings = LIMITED, *, costs: bool = False
) -> Setpoints:
    """What control asks for. ``costs``: surplus costs money."""
    now = snapshot.time
    terms = IntervalTerms(quarter_of(now), export_price=-10.0) if costs else None
    order = Order(now, now, settings, (terms,)) if terms else None
    control = ControlSettings(ZoneInfo("UTC"))
    return decide(
        DecisionInputs(snapshot, settings, order, None, control, now, 0.0, kept)
    ).setpoints


class Over(Exception):
    """Ends the site's loops."""


class Bench:
    """A sunny home with a full battery, its inverter, and the site that steers it."""

    def __init__(self, clock: SimClock, home: Home, site: Site, unit: VendorUnit) -> None:
        self.clock, self.home, self.site, self.unit = clock, home, site, unit
        self.setpoints = Setpoints()

    async def ticks(
        self, count: int, settings: StandingSettings = LIMITED, *, costs: bool = False
    ) -> None:
        """The part of the control loop that limits."""
        for _ in range(count):
            snapshot, kept = self.site.observe(), self.site.keeps_export()
            self.setpoints = asked(snapshot, kept, settings, costs=costs)
            await self.site.apply(self.setpoints)
            await self.clock.sleep(2)


def on_bench(
    family: str, tmp_path: Path, work: Callable[[Bench, ModbusDevice, GuardFile], Awaitable[None]]
) -> None:
    clock = SimClock(NOON)

    async def run() -> None:
        home = Home(clock, Scenario(NOON, seed=1, soc_pct=100.0, car=None))
        servers = await serve_home(home, choice=Choice(inverter=family))
        journal = GuardFile(tmp_path / "guard.json")
        sheet = profile(FAMILIES[family])
        bus = BusAddress(host="127.0.0.1", port=servers.ports.inverter)
        connection = Connection(bus, BusTiming(10.0))  # without the pauses that the real one needs
        one = ModbusDevice(
            "device", sheet, connection.unit(sheet.communication.unit), journal, clock
        )
        site = Site([one], clock, period_s=2)
        unit = next(iter(servers.inverter.units.values()))
        try:
            async with asyncio.TaskGroup() as group:
                site.start(group)
                await clock.sleep(20)
                await work(Bench(clock, home, site, unit), one, journal)  # type: ignore[arg-type]
                raise Over
        except* Over:
            pass
        await one.close()
        await servers.close()

    simulated(clock, run())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_device_keeps_the_export_limit_itself(family: str, tmp_path: Path) -> None:
    async def work(bench: Bench, one: ModbusDevice, journal: GuardFile) -> None:
        home = bench.home
        assert home.powers().grid < -3_000
        await bench.ticks(10)
        assert home.powers().grid == pytest.approx(-1_000, abs=20)
        assert bench.setpoints.pv_limit_w is None  # the device does it
        await bench.ticks(10, costs=True)
        assert home.powers().grid == pytest.approx(0, abs=20)
        await bench.ticks(160)  # over a renewal
        assert home.powers().grid == pytest.approx(-1_000, abs=20)
        day = NOON.date().isoformat()
        sheet = one._leases[EXPORT].sheet
        spent = [journal.write_count("device", a, day) for a in sheet.flash]
        assert max(spent) == 3  # limit, none at all, limit; nothing is written again
        await bench.ticks(5, FREE)
        assert home.commands.export_limit_w is None
        assert home.powers().grid < -3_000
        assert EXPORT not in journal.pending("device")

    on_bench(family, tmp_path, work)


@pytest.mark.parametrize(
    ("mode", "watts", "percent", "held_w"),
    [(6, 500, 0, 500), (6, 8_000, 0, 1_000), (7, 0, 30, 300), (7, 0, 900, 1_000), (5, 0, 0, 0)],
)
def test_an_owners_limit_is_never_widened_and_comes_back(
    mode: int, watts: int, percent: int, held_w: int, tmp_path: Path
) -> None:
    async def work(bench: Bench, one: ModbusDevice, journal: GuardFile) -> None:
        owners = {HUAWEI_MODE: mode, HUAWEI_W + 1: watts, HUAWEI_PCT: percent}
        for address, value in owners.items():
            bench.unit.settings[address].value = value
        bench.unit.written(frozenset((HUAWEI_MODE,)))
        await bench.ticks(10)
        assert bench.home.powers().grid == pytest.approx(-held_w, abs=20)
        assert bench.setpoints.pv_limit_w is None
        await bench.ticks(5, FREE)
        assert {a: bench.unit.settings[a].value for a in owners} == owners

    on_bench("huawei", tmp_path, work)


def test_a_limit_that_is_the_grid_operators_is_left_alone(tmp_path: Path) -> None:
    async def work(bench: Bench, one: ModbusDevice, journal: GuardFile) -> None:
        bench.unit.settings[HUAWEI_MODE].value = 1  # dry contacts: the grid operator's
        await bench.ticks(5)
        assert not bench.site.keeps_export()
        assert bench.setpoints.pv_limits_w == {}, "it has no other limit that could be asked for"
        assert bench.unit.settings[HUAWEI_MODE].value == 1

    on_bench("huawei", tmp_path, work)


def test_another_controller_that_changes_the_limit_is_left_alone(tmp_path: Path) -> None:
    async def work(bench: Bench, one: ModbusDevice, journal: GuardFile) -> None:
        await bench.ticks(5)
        bench.unit.settings[HUAWEI_W + 1].value = 300
        bench.unit.written(frozenset((HUAWEI_W + 1,)))
        await bench.ticks(200)
        assert bench.home.powers().grid == pytest.approx(-300, abs=20)
        assert not bench.site.keeps_export()
        assert EXPORT not in journal.pending("device")

    on_bench("huawei", tmp_path, work)


def test_beside_an_inverter_that_cannot_keep_it_the_generation_is_limited(tmp_path: Path) -> None:
    clock = SimClock(NOON)

    async def run() -> None:
        homes = [Home(clock, Scenario(NOON, seed=i, soc_pct=100.0, car=None)) for i in (1, 2)]
        served = [
            await serve_home(home, choice=Choice(inverter=family))
            for home, family in zip(homes, ("huawei", "fronius"), strict=True)
        ]
        journal = GuardFile(tmp_path / "guard.json")
        ports = [servers.ports.inverter for servers in served]
        keeper = one_device(ports[0], "huawei-sun2000", journal, clock)
        other = one_device(ports[1], "fronius-gen24", journal, clock)
        other.name = "roof"
        site = Site([keeper, other], clock, period_s=2)
        try:
            async with asyncio.TaskGroup() as group:
                site.start(group)
                await clock.sleep(20)
                for _ in range(5):
                    kept, snapshot = site.keeps_export(), site.observe()
                    setpoints = asked(snapshot, kept)
                    await site.apply(setpoints)
                    await clock.sleep(2)
                assert homes[0].commands.export_limit_w == 1_000  # it keeps it all the same
                assert not kept
                assert setpoints.pv_limit_w is not None
                assert homes[1].commands.pv_limit_w is not None
                raise Over
        except* Over:
            pass
        for device, servers in zip((keeper, other), served, strict=True):
            await device.close()
            await servers.close()

    simulated(clock, run())


@pytest.mark.parametrize("family", FAMILIES)
def test_lost_polls_neither_lift_the_limit_nor_wear_the_flash(family: str, tmp_path: Path) -> None:
    """A flaky bus loses a poll now and then while the device still takes writes."""

    async def work(bench: Bench, one: ModbusDevice, journal: GuardFile) -> None:
        for _ in range(30):
            await bench.ticks(5)
            await bench.site._let_go(one)
            assert bench.home.powers().grid == pytest.approx(-1_000, abs=20)
        day = NOON.date().isoformat()
        sheet = one._leases[EXPORT].sheet
        assert max(journal.write_count("device", a, day) for a in sheet.flash) == 1
        await bench.ticks(5, FREE)
        assert bench.home.commands.export_limit_w is None

    on_bench(family, tmp_path, work)


def test_an_owners_forced_import_is_never_widened(tmp_path: Path) -> None:
    """Some owners of a Huawei set the limit below 0 to be safe of any export."""

    async def work(bench: Bench, one: ModbusDevice, journal: GuardFile) -> None:
        owners = {HUAWEI_MODE: 6, HUAWEI_W: 0xFFFF, HUAWEI_W + 1: 0x10000 - 100}
        for address, value in owners.items():
            bench.unit.settings[address].value = value
        await bench.ticks(10)
        assert {a: bench.unit.settings[a].value for a in owners} == owners

    on_bench("huawei", tmp_path, work)


def test_the_limit_counts_as_kept_only_when_the_device_has_taken_it(tmp_path: Path) -> None:
    async def work(bench: Bench, one: ModbusDevice, journal: GuardFile) -> None:
        bench.site._held.add(("device", EXPORT))  # as while the first hold is still on its way
        assert not bench.site.keeps_export()
        await bench.ticks(2)
        assert bench.site.keeps_export()

    on_bench("huawei", tmp_path, work)
