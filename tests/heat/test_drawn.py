"""A heater whose water nobody measures gets what is wanted once, whatever is started anew meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.control import ControlSettings
from gateway.domain.heat import Heater
from gateway.domain.readings import HeaterState
from gateway.guard.intents import GuardFile
from gateway.site.heat_watch import KEPT_SHARE, HeatWatch
from simulators.physics.heat import Boiler
from tests.control.homes import CONTROL, snapshot
from tests.heat.homes import MIDNIGHT, Playing, play, scenario

NOON = datetime(2026, 4, 14, 12, tzinfo=UTC)
UNMEASURED = {
    "power_w": 3500,
    "step_w": 3500,
    "energy_wh": 4000,
    "ready_by": ["18:00"],
}


def watched(file: GuardFile) -> HeatWatch:
    spec = Heater(most_w=2_000, step_w=2_000, energy_wh=4_000, ready_by=(time(18),))
    control: ControlSettings = replace(CONTROL, zone=ZoneInfo("UTC"), heaters={"boiler": spec})
    return HeatWatch(control, file)


def hours(watch: HeatWatch, start: datetime, count: float, power_w: float = 2_000.0) -> float:
    """What it has got at the end; looked at every minute."""
    got = 0.0
    for minute in range(round(count * 60) + 1):
        now = start + timedelta(minutes=minute)
        home = replace(snapshot(), time=now, heaters=(HeaterState("boiler", power_w, None),))
        (heater,) = watch.look(home, now.timestamp()).heaters
        got = heater.got_wh
    return got


@pytest.mark.parametrize(("how", "lost_wh"), [("killed", KEPT_SHARE * 4_000), ("ended", 0.1)])
def test_a_restart_forgets_an_eighth_at_most(tmp_path: Path, how: str, lost_wh: float) -> None:
    file = tmp_path / "guard.json"
    watch = watched(GuardFile(file))
    assert hours(watch, NOON, 0.95) == pytest.approx(1_900)
    if how == "ended":
        watch.close()
    again = hours(watched(GuardFile(file)), NOON + timedelta(hours=1), 0.5)
    assert 2_900 - lost_wh <= again <= 2_900.1


def test_a_memory_card_is_written_to_a_few_times_a_day(tmp_path: Path) -> None:
    """Four kilowatt-hours in eight writes, and one more where it stops in between; nothing while it stands."""
    writes = []

    class Counted(GuardFile):
        def setting(self, name: str, value: str | None = None) -> str | None:
            if value is not None:
                writes.append(value)
            return super().setting(name, value)

    watch = watched(Counted(tmp_path / "guard.json"))
    hours(watch, NOON, 2)
    assert 4 <= len(writes) <= 8
    hours(watch, NOON + timedelta(hours=2, minutes=1), 1, power_w=3.0)
    stopped = len(writes)
    hours(watch, NOON + timedelta(hours=3, minutes=2), 1, power_w=3.0)
    assert len(writes) == stopped <= 9
    again = hours(watched(GuardFile(tmp_path / "guard.json")), NOON + timedelta(hours=5), 0.1)
    assert again == pytest.approx(4_000 + 200, abs=100)


def test_the_next_wish_begins_with_nothing(tmp_path: Path) -> None:
    file = tmp_path / "guard.json"
    hours(watched(GuardFile(file)), NOON, 1)
    after = NOON.replace(hour=18, minute=5)
    assert hours(watched(GuardFile(file)), after, 0.5) == pytest.approx(1_000)


def test_a_heat_pump_that_tells_no_power_is_counted_while_it_is_encouraged(tmp_path: Path) -> None:
    """Else it would be heated for the same wish again and again."""
    watch, pump = watched(GuardFile(tmp_path / "guard.json")), HeaterState("boiler", None, None, pump=True)  # fmt: skip
    got = 0.0
    for minute in range(181):
        now = NOON + timedelta(minutes=minute)
        told = {"boiler": 3} if 60 <= minute < 120 else {}
        home = replace(snapshot(), time=now, heaters=(pump,))
        got = watch.look(home, now.timestamp(), told).heaters[0].got_wh
    assert got == pytest.approx(2_000)


@pytest.mark.parametrize("word", ["", "[]", '{"since": 3}', '{"wh": 1e999, "since": "x"}', "[" * 9_000])  # fmt: skip
def test_a_damaged_note_is_nothing(tmp_path: Path, word: str) -> None:
    file = GuardFile(tmp_path / "guard.json")
    file.setting("heat_drawn:boiler", word)
    assert hours(watched(file), NOON, 0.5) == pytest.approx(1_000)


async def test_the_guard_is_started_anew_while_it_heats(tmp_path: Path) -> None:
    """Half of it has been heated; the next guard heats the other half and no more."""

    async def until(playing: Playing, hour: float) -> None:
        await playing.clock.sleep_until(MIDNIGHT + timedelta(hours=hour))

    world = scenario(replace(Boiler(), start_c=25.0))
    first = await play(tmp_path, world, lambda p: until(p, 17.0), UNMEASURED, alone=True)
    got_wh = sum(first.rod_w) / 60
    assert 1_000 < got_wh < 3_000
    second = await play(tmp_path, world, lambda p: until(p, 18.0), UNMEASURED, alone=True)
    assert got_wh + sum(second.rod_w) / 60 == pytest.approx(4_000, abs=250)
