"""`verify` gives a proof, and takes nothing for it that it did not see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from gateway.clock import SimClock
from gateway.config.guard import FILE
from gateway.domain.control import ChargerAssumptions
from gateway.domain.grid_operator import OperatorCommand
from gateway.domain.readings import DeviceState, Quality, Reading, Snapshot
from gateway.guard.intents import GuardFile
from gateway.guard.proofs import FOLDER, ProofFolder
from gateway.verify.dimmed import OperatorSigns
from gateway.verify.home import Asked, verify_home
from gateway.verify.run import Bench as HomeBench
from gateway.verify.run import verify
from gateway.verify.walk import Limits, NotNow
from simulators.devices.faults import Fault, Faults, Kind
from simulators.devices.serve import Choice, Ports, serve_home
from simulators.physics.home import Home
from simulators.rehearsal import rehearse
from simulators.scenario import Scenario
from tests.devices.test_simulated_families import PHASED, one_device, simulated
from tests.devices.verify_homes import (
    BATTERY,
    EVENING,
    NOON,
    PAIRS,
    Trial,
    no_pauses,
    of_home,
    outcome,
    proved,
    tried,
)


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those between two requests pass by the real clock."""
    no_pauses(monkeypatch)


def expects(problem: str, spoil: Callable[[Trial], None]) -> Callable[[Trial], Awaitable[None]]:
    async def work(trial: Trial) -> None:
        spoil(trial)
        assert problem in (await outcome(trial)).problem

    return work


def nothing(_: Trial) -> None:
    pass


def ignores(trial: Trial) -> None:
    trial.home.command = lambda **_: None  # type: ignore[method-assign]


def turned(trial: Trial) -> None:
    """Charging when told to discharge."""
    real = trial.home.command

    def command(**asked: float | None) -> None:
        swapped = dict(asked)
        if "charge_limit_w" in asked:
            swapped["charge_limit_w"] = asked["discharge_limit_w"]
            swapped["discharge_limit_w"] = asked["charge_limit_w"]
        real(**swapped)

    trial.home.command = command  # type: ignore[method-assign]


def ten_times(trial: Trial) -> None:
    real = trial.home.command

    def command(**asked: float | None) -> None:
        real(**{k: v * 3 if k.endswith("charge_limit_w") and v else v for k, v in asked.items()})

    trial.home.command = command  # type: ignore[method-assign]


SPOILED: dict[str, tuple[str, Callable[[Trial], None]]] = {
    "it obeys": ("", nothing),
    "it ignores": ("told to", ignores),
    "its sign is turned": ("told to charge", turned),
    "another unit": ("told to charge", ten_times),
}


@pytest.mark.parametrize("what", SPOILED)
@pytest.mark.parametrize("family", ["goodwe", "growatt", "huawei"])
def test_what_does_not_do_as_told_is_not_proved_and_is_let_go(
    family: str, what: str, tmp_path: Path
) -> None:
    tried(family, tmp_path, expects(*SPOILED[what]))


def test_a_meter_that_sees_nothing_of_it_is_a_second_witness(tmp_path: Path) -> None:
    """The battery's own power is made up by an inverter that shows what it was told."""

    async def work(trial: Trial) -> None:
        first = await trial.bench.look()
        real = trial.bench.look

        async def look() -> Snapshot:
            return replace(await real(), grid_w=first.grid_w)

        trial.bench.look = look  # type: ignore[method-assign]
        assert "grid meter moved by" in (await outcome(trial)).problem

    tried("goodwe", tmp_path, work)


def test_a_limit_that_is_not_kept_ends_it(tmp_path: Path) -> None:
    """Somebody switches on an oven: the fuse comes first."""

    async def work(trial: Trial) -> None:
        real = trial.bench.look
        looks = 0

        async def look() -> Snapshot:
            nonlocal looks
            looks += 1
            snapshot = await real()
            return snapshot if looks < 6 else replace(snapshot, grid_w=9500.0)

        trial.bench.look = look  # type: ignore[method-assign]
        assert "8000 W are allowed" in (await outcome(trial)).problem

    tried("goodwe", tmp_path, work, limits=Limits(import_w=8000))


@pytest.mark.parametrize(
    ("soc_pct", "limits", "start", "says"),
    [
        (18.0, Limits(), EVENING, "verify it between"),
        (97.0, Limits(), EVENING, "verify it between"),
        (60.0, Limits(import_w=500), EVENING, "there is room for"),
        (60.0, Limits(export_w=0), NOON, "with less sun"),
    ],
)
def test_a_home_in_which_nothing_could_be_seen_is_not_tried(
    soc_pct: float, limits: Limits, start: datetime, says: str, tmp_path: Path
) -> None:
    async def work(trial: Trial) -> None:
        with pytest.raises(NotNow, match=says):
            await outcome(trial)
        assert not trial.servers.inverter.writes

    tried("goodwe", tmp_path, work, soc_pct, limits, start)


def test_a_write_that_does_not_read_back_ends_it(tmp_path: Path) -> None:
    async def work(trial: Trial) -> None:
        trial.servers.inverter.faults = Faults([Fault(Kind.IGNORED_WRITE)])
        assert "but it reads" in (await outcome(trial)).problem
        trial.servers.inverter.faults = None

    tried("goodwe", tmp_path, work)


def test_a_device_that_says_another_sign_than_the_meter_is_not_proved(tmp_path: Path) -> None:
    async def work(trial: Trial) -> None:
        trial.servers.inverter.faults = Faults([Fault(Kind.SIGN)])
        assert "told to charge" in (await outcome(trial)).problem
        trial.servers.inverter.faults = None

    tried("goodwe", tmp_path, work)


@pytest.mark.parametrize(("family", "charger"), PAIRS)
def test_every_steered_family_is_proved(family: str, charger: str, tmp_path: Path) -> None:
    """What was seen stands in the signed log, the second witness too."""
    settings = of_home(Ports(1, 2, 3), family, tmp_path, charger=charger)
    asyncio.run(rehearse(settings, Ports(1, 2, 3), Choice(inverter=family, charger=charger)))
    logs = [json.loads(p.read_text())["log"] for p in (tmp_path / FOLDER).iterdir()]
    phases = {"charge_phases"} if charger in PHASED else set()
    assert {log["control"] for log in logs} >= {"battery_power_w", "charge_current_a"} | phases
    assert not [log["problem"] for log in logs if log["problem"]]
    ratios = [s["ratio"] for log in logs for s in log["steps"] if s["step"] == "grid meter"]
    assert any(r == pytest.approx(1, abs=0.1) for r in ratios if r is not None)


def test_what_is_proved_is_not_asked_again_but_by_its_name(tmp_path: Path) -> None:
    proved("goodwe", tmp_path)
    clock = SimClock(EVENING)
    said: list[str] = []

    async def run() -> None:
        home = Home(clock, Scenario(EVENING, seed=1, soc_pct=60))
        servers = await serve_home(home, choice=Choice(inverter="goodwe"))
        settings = of_home(servers.ports, "goodwe", tmp_path)
        proofs, file = ProofFolder(tmp_path), GuardFile(tmp_path / FILE)
        await clock.sleep(60)
        await verify_home(settings, Asked(), clock, file, proofs, said.append)
        assert "inverter: battery_power_w is proved already" in said
        said.clear()
        await verify_home(settings, Asked(("inverter",)), clock, file, proofs, said.append)
        assert any("it obeys" in line for line in said)
        await servers.close()

    simulated(clock, run())


def test_a_devices_own_word_is_enough_only_for_an_owner_who_says_so(tmp_path: Path) -> None:
    """Without a grid meter nothing is tried; with the owner's flag the result says whose word it is."""
    clock = SimClock(EVENING)
    said: list[str] = []

    async def run() -> None:
        home = Home(clock, Scenario(EVENING, seed=1, soc_pct=60))
        servers = await serve_home(home, choice=Choice(inverter="marstek"))
        whole = of_home(servers.ports, "marstek", tmp_path)
        settings = replace(whole, devices=whole.devices[:1])
        proofs, file = ProofFolder(tmp_path), GuardFile(tmp_path / FILE)
        await clock.sleep(60)
        assert not await verify_home(settings, Asked(), clock, file, proofs, said.append)
        assert not servers.inverter.writes
        assert any("--without-meter" in line for line in said)
        asked = Asked(without_meter=True)
        assert await verify_home(settings, asked, clock, file, proofs, said.append)
        assert any("its own word" in line for line in said)
        await servers.close()

    simulated(clock, run())
    (log,) = [json.loads(p.read_text())["log"] for p in (tmp_path / FOLDER).iterdir()]
    assert log["own_word"] is True
    assert log["problem"] == ""


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_nothing_is_tried_while_the_grid_operator_limits_the_home(
    when: str, tmp_path: Path
) -> None:
    async def work(trial: Trial) -> None:
        limit = OperatorSigns(commands=(OperatorCommand("1", "import", 4200.0),))
        said: list[object] = []

        def told(words: object) -> None:
            said.append(words)
            trial.bench.operator = limit

        await trial.bench.look()
        if when == "before":
            trial.bench.operator = limit
        with pytest.raises(NotNow, match="4200 W of import"):
            await verify(trial.bench, trial.bench.devices[0], BATTERY, told)
        assert bool(said) == (when == "meanwhile")
        assert bool(trial.servers.inverter.writes) == (when == "meanwhile")

    tried("goodwe", tmp_path, work)


def test_one_device_is_still_read_with_a_charger_that_says_fault(tmp_path: Path) -> None:
    """An alarm of the device itself ends it before anything is written."""
    clock = SimClock(EVENING)

    async def run() -> None:
        home = Home(clock, Scenario(EVENING, seed=1, soc_pct=60))
        servers = await serve_home(home, choice=Choice(inverter="goodwe"))
        one = one_device(servers.ports.inverter, "goodwe-et", GuardFile(tmp_path / FILE), clock)
        bench = HomeBench((one,), clock, 2.0, Limits(), ChargerAssumptions())
        real = bench.look

        async def look() -> Snapshot:
            snapshot = await real()
            state = snapshot.devices["device"]
            alarmed = Reading("inverter_state", "fault", Quality.GOOD, clock.now())
            changed = DeviceState(state.name, True, {**state.readings, "inverter_state": alarmed})
            return replace(snapshot, devices={"device": changed})

        bench.look = look  # type: ignore[method-assign]
        with pytest.raises(NotNow, match="fault"):
            await verify(bench, one, BATTERY, lambda _: None)
        assert not servers.inverter.writes
        await one.close()
        await servers.close()

    simulated(clock, run())


@pytest.mark.parametrize("family", ["goodwe", "growatt", "sungrow", "sma"])
@pytest.mark.parametrize("at", [2, 5, 9, 14])
def test_cut_short_at_any_step_it_leaves_nothing_set(family: str, at: int, tmp_path: Path) -> None:
    """As Ctrl-C does: what was set before verify stands there again."""

    async def work(trial: Trial) -> None:
        inverter = trial.bench.devices[0]
        real, looks = trial.bench.look, 0

        async def look() -> Snapshot:
            nonlocal looks
            looks += 1
            if looks == at:
                raise asyncio.CancelledError
            return await real()

        trial.bench.look = look  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await outcome(trial)
        trial.bench.look = real  # type: ignore[method-assign]
        await trial.clock.sleep(30)
        snapshot = await trial.bench.look()
        assert (await inverter.release()).neutral
        assert snapshot.devices["inverter"].text("battery_mode") != "held"

    tried(family, tmp_path, work)
