"""Steering needs a proof: without one a device is only read; `verify` gives it, and takes nothing for it that it did not see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SimClock
from gateway.config.guard import FILE, DeviceConfig, GuardSettings, Steer
from gateway.devices.build import build_devices
from gateway.devices.datasheet import Communication
from gateway.domain.control import ChargerAssumptions, Control
from gateway.domain.grid_operator import SIGNAL, OperatorCommand, RelayInput
from gateway.domain.order import StandingSettings
from gateway.domain.readings import DeviceState, Quality, Reading, Role, Snapshot
from gateway.guard.intents import GuardFile
from gateway.guard.proofs import FOLDER, ProofFolder
from gateway.modbus.address import BusTiming
from gateway.site.snapshot import join
from gateway.verify.dimmed import OperatorSigns
from gateway.verify.home import Asked, verify_home
from gateway.verify.judge import Seen, second_witness
from gateway.verify.run import Bench as HomeBench
from gateway.verify.run import Outcome, verify
from gateway.verify.walk import Limits, NotNow, Step
from simulators.devices.family_file import family_files
from simulators.devices.faults import Fault, Faults, Kind
from simulators.devices.hybrid import HybridInverter
from simulators.devices.serve import CHARGERS, Choice, Ports, Servers, serve_home
from simulators.physics.home import Home
from simulators.rehearsal import rehearse
from simulators.scenario import Scenario
from tests.devices.guard_bench import Bench, on_bench
from tests.devices.test_simulated_families import INVERTERS, PHASED, one_device, simulated

EVENING = datetime(2026, 6, 2, 2, tzinfo=UTC)  # 21:00 in Austin
NOON = datetime(2026, 6, 1, 18, tzinfo=UTC)
BATTERY = Control.BATTERY_POWER
NO_LIMITS = Limits()
FILES = family_files()
UNITS = {"goodwe": 247, "sma": 3, **{name: file.unit for name, file in FILES.items()}}
CHARGER_PROFILES = {"keba": "keba-p30", "go-e": "go-e"} | {
    name: file.profile for name, file in FILES.items() if file.kind == "charger"
}
CHARGER_UNITS = {"go-e": 1, **{name: file.unit for name, file in FILES.items()}}
PAIRS = [  # every inverter that is steered and every charger, at least once
    (inverter, charger)
    for inverter, charger, _ in zip(
        cycle(INVERTERS), cycle(CHARGERS), range(max(len(INVERTERS), len(CHARGERS)))
    )
]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those between two requests pass by the real clock."""
    timing = property(lambda c: BusTiming(c.timeout_s, tid_mode=c.tid_mode))
    monkeypatch.setattr(Communication, "timing", timing)


def of_home(
    servers_ports: Ports,
    family: str,
    folder: Path,
    steer: Steer = "proved",
    charger: str = "keba",
) -> GuardSettings:
    """The configuration of a home with an inverter of ``family``, the meter and a charger."""
    here, key = "127.0.0.1", INVERTERS[family][0]
    return GuardSettings(
        (
            DeviceConfig(
                "inverter", key, here, servers_ports.inverter, UNITS.get(family, 1), steer=steer
            ),
            DeviceConfig("meter", "sunspec-meter", here, servers_ports.meter, 200, role=Role.GRID),
            DeviceConfig(
                "charger",
                CHARGER_PROFILES[charger],
                here,
                servers_ports.charger,
                CHARGER_UNITS.get(charger, 255),
                steer=steer,
            ),
        ),
        str(folder),
    )


def held(bench: Bench) -> bool:
    """Whether the battery rests as the guard is told; left to itself it serves the house in the evening."""
    assert bench.home.powers().load > 200
    return abs(bench.home.powers().battery) < 100


def guarded(
    family: str,
    folder: Path,
    work: Callable[[Bench], Awaitable[None]],
    steer: Steer = "proved",
    settings: Callable[[GuardSettings], GuardSettings] = lambda s: s,
) -> None:
    """A guard that is told to hold the battery at rest, in the evening."""
    scenario = Scenario(EVENING, seed=1, soc_pct=60)

    async def play(bench: Bench) -> None:
        bench.guard.intake.settings = StandingSettings(20, battery="hold")
        await bench.clock.sleep(60)
        await work(bench)

    on_bench(
        scenario,
        Choice(inverter=family),
        lambda servers: settings(of_home(servers.ports, family, folder, steer)),
        play,
    )


def proved(family: str, folder: Path) -> None:
    asyncio.run(
        rehearse(of_home(Ports(1, 2, 3), family, folder), Ports(1, 2, 3), Choice(inverter=family))
    )


@pytest.mark.parametrize("family", ["fronius", "goodwe", "sungrow", "foxess"])
def test_a_device_is_read_until_it_was_verified_and_steered_after_it(
    family: str, tmp_path: Path
) -> None:
    async def is_only_read(bench: Bench) -> None:
        assert not held(bench)
        state = bench.last.snapshot.devices["inverter"]
        assert state.number("battery_soc_pct") == pytest.approx(60, abs=2)
        assert not bench.last.snapshot.batteries[0].steerable
        (note,) = state.notes  # one a device, in an owner's words
        assert "does not steer its battery" in note.text
        assert "(not verified): run `energy-gateway verify inverter`" in note.text
        assert "_w" not in note.text
        assert not any("verify" in alarm.text for alarm in bench.last.alarms)

    async def is_steered(bench: Bench) -> None:
        assert held(bench)
        assert not bench.last.snapshot.devices["inverter"].notes

    guarded(family, tmp_path / "state", is_only_read)
    proved(family, tmp_path / "state")
    guarded(family, tmp_path / "state", is_steered)


@pytest.mark.parametrize("family", ["goodwe", "growatt", "solax", "huawei"])
def test_a_device_that_is_not_proved_is_never_written_to(family: str, tmp_path: Path) -> None:
    async def nothing_moved(bench: Bench) -> None:
        for server in (bench.servers.inverter, bench.servers.charger):
            assert not server.writes

    guarded(family, tmp_path / "state", nothing_moved)


def test_the_owners_word_stands_for_a_proof_and_is_said(tmp_path: Path) -> None:
    async def look(bench: Bench) -> None:
        assert held(bench)
        notes = bench.last.snapshot.devices["inverter"].notes
        assert any('the owner\'s steer = "always"' in note.text for note in notes)

    guarded("fronius", tmp_path / "state", look, steer="always")


def test_never_is_never_even_when_proved(tmp_path: Path) -> None:
    async def look(bench: Bench) -> None:
        assert not held(bench)
        assert bench.last.snapshot.devices["inverter"].online

    proved("fronius", tmp_path / "state")
    guarded("fronius", tmp_path / "state", look, steer="never")


def test_another_firmware_asks_for_it_again_and_is_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proved("fronius", tmp_path / "state")
    before = HybridInverter.firmware
    monkeypatch.setattr(HybridInverter, "firmware", before + "9")

    async def look(bench: Bench) -> None:
        assert not held(bench)
        says = f"its firmware is {before}9, proved was {before}"
        assert sum(says in alarm.text for alarm in bench.last.alarms) >= 1
        assert bench.last.snapshot.batteries[0].soc_pct is not None

    guarded("fronius", tmp_path / "state", look)


@pytest.mark.parametrize("how", ["edited", "another home's", "damaged"])
def test_a_log_that_this_home_did_not_write_proves_nothing(how: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    proved("fronius", state)
    for path in (state / FOLDER).iterdir():
        log = json.loads(path.read_text())
        if how == "edited":
            log["log"]["who"]["firmware"] = log["log"]["who"]["firmware"] + " "
        text = json.dumps(log)
        path.write_text(text[:-20] if how == "damaged" else text)
    if how == "another home's":
        (state / "guard.key").write_bytes(b"k" * 32)

    async def look(bench: Bench) -> None:
        assert not held(bench)

    guarded("fronius", state, look)


# -- what verify itself sees --


@dataclass
class Trial:
    """A simulated home in which one control is verified."""

    clock: SimClock
    home: Home
    servers: Servers
    bench: HomeBench
    folder: Path


def tried(
    family: str,
    folder: Path,
    work: Callable[[Trial], Awaitable[None]],
    soc_pct: float = 60.0,
    limits: Limits = NO_LIMITS,
    start: datetime = EVENING,
) -> None:
    clock = SimClock(start)

    async def run() -> None:
        home = Home(clock, Scenario(start, seed=1, soc_pct=soc_pct, car=None))
        servers = await serve_home(home, choice=Choice(inverter=family))
        await clock.sleep(60)
        file = GuardFile(folder / FILE)
        configs = [d for d in of_home(servers.ports, family, folder).devices if d.name != "charger"]
        devices = build_devices(configs, file, clock)
        roles = {"meter": Role.GRID}
        bench = HomeBench(devices, clock, 2.0, limits, ChargerAssumptions(), roles)
        await work(Trial(clock, home, servers, bench, folder))
        assert not file.pending("inverter"), "whatever came of it, nothing is owed"
        for device in devices:
            await device.close()
        await servers.close()

    simulated(clock, run())


async def outcome(trial: Trial, control: Control = BATTERY) -> Outcome:
    await trial.bench.look()
    return await verify(trial.bench, trial.bench.devices[0], control, lambda _: None)


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


# -- pure --


@pytest.mark.parametrize(
    ("contacts", "limited"), [("none", False), ("1", True), ("2", False), ("2,1", True)]
)
def test_a_relay_limits_by_the_contacts_that_mean_a_limit(contacts: str, limited: bool) -> None:
    signal = Reading(SIGNAL, contacts, Quality.GOOD, EVENING)
    ripple = DeviceState("ripple", online=True, readings={SIGNAL: signal})
    inputs = (RelayInput(2, import_limit_w=4200.0), RelayInput(3))
    signs = OperatorSigns({"ripple": inputs, "lost": inputs})
    assert bool(signs.limited(join(EVENING, {"ripple": ripple}), EVENING)) == limited


@pytest.mark.parametrize(
    ("limit_w", "until", "limited"),
    [(4200.0, None, True), (None, None, False), (0.0, EVENING, False), (0.0, NOON, False)],
)
def test_a_command_limits_until_its_end(
    limit_w: float | None, until: datetime | None, limited: bool
) -> None:
    signs = OperatorSigns(commands=(OperatorCommand("1", "import", limit_w, until),))
    assert bool(signs.limited(join(EVENING, {}), EVENING)) == limited


def seen(power_w: float, elsewhere_w: float | None) -> Seen:
    return Seen(Step("", power_w, 0, 0), power_w, elsewhere_w, 6)


@given(
    st.lists(st.floats(-1000, 1000), min_size=4, max_size=8),
    st.sampled_from([-1.0, 0.0, 0.1, 10.0]),
)
def test_a_meter_with_another_sign_or_unit_is_always_seen(
    powers: list[float], wrong: float
) -> None:
    walk = [seen(p, wrong * p) for p in powers]
    if max(powers) - min(powers) > 100:
        assert second_witness(walk)[1]
        assert not second_witness([seen(p, 0.97 * p) for p in powers])[1]


def test_without_a_meter_there_is_no_second_witness() -> None:
    assert second_witness([seen(0, None), seen(1000, None)]) == (None, "")


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
