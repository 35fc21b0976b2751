"""What lies on the disk or in the configuration is broken: the devices are neutral or steered all the same."""

from __future__ import annotations

import json
import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.agent.stores import COMMANDS, JOURNAL
from gateway.config.guard import FILE
from gateway.store.journal import Journal
from tests.safety import agents
from tests.safety.guarded import FAMILIES, Guarded, guarded


def journal_in_one_letter(place: Guarded) -> None:
    with closing(sqlite3.connect(place.state / JOURNAL)) as db, db:
        row = db.execute("SELECT seq, body FROM entry ORDER BY seq LIMIT 1").fetchone()
        changed = row[1].replace("e", "f", 1)
        db.execute("UPDATE entry SET body = ? WHERE seq = ?", (changed, row[0]))


def journal_is_noise(place: Guarded) -> None:
    (place.state / JOURNAL).write_bytes(b"SQLite format 3\0" + b"\xa5" * 9000)


def commands_are_noise(place: Guarded) -> None:
    (place.state / COMMANDS).write_bytes(b"\xa5" * 9000)


def guard_file_is_noise(place: Guarded) -> None:
    (place.state / FILE).write_bytes(b"\xa5" * 900)


def guard_file_is_nested(place: Guarded) -> None:
    (place.state / FILE).write_bytes(b'{"intents":' + b"[" * 100_000)


def unknown_market_key(place: Guarded) -> None:
    place.config.write_text(place.config.read_text() + "\n[market]\nurll = 'http://x'\n")


def unknown_table(place: Guarded) -> None:
    place.config.write_text(place.config.read_text() + "\n[weather]\nsunny = true\n")


def broken_tariff(place: Guarded) -> None:
    more = '\n[tariff]\nimport_price = { kind = "moon", per_kwh = "x" }\n'
    place.config.write_text(place.config.read_text() + more)


DAMAGES: dict[str, tuple[Callable[[Guarded], None], str]] = {
    "journal in one letter": (journal_in_one_letter, "nothing is traded"),
    "journal is noise": (journal_is_noise, "nothing is traded"),
    "commands are noise": (commands_are_noise, "kept as commands.sqlite.damaged"),
    "guard's file is noise": (guard_file_is_noise, "put aside as guard.json.damaged"),
    "guard's file is nested": (guard_file_is_nested, "put aside as guard.json.damaged"),
    "unknown key in [market]": (unknown_market_key, "market.urll: unknown key"),
    "unknown table": (unknown_table, "weather: unknown key"),
    "broken tariff": (broken_tariff, "tariff.import_price"),
}
AGENT_RUNS = frozenset({"journal in one letter", "journal is noise", "commands are noise",
                        "guard's file is noise", "guard's file is nested"})  # fmt: skip


async def killed_while_held(place: Guarded) -> None:
    """A first run that has written all its files, then dies with the battery held."""
    await place.start()
    await place.says("gateway 'home' runs")
    await place.until((place.state / JOURNAL).exists, "opened its journal")
    await place.stop()
    _with_an_entry(place)
    await place.start(agents.HOLDS)
    await place.until(lambda: place.held, "held")
    await place.kill()
    assert place.held, "killed, it could not release"


def _with_an_entry(place: Guarded) -> None:
    journal = Journal(place.state / JOURNAL)
    journal.append("note", {"text": "here"}, datetime(2026, 6, 1, tzinfo=UTC))
    journal.close()


def _owner_lets_go(place: Guarded) -> None:
    """The user's hold is in the guard's file; without it the next start has only to release."""
    path = place.state / FILE
    kept = json.loads(path.read_text())
    kept["settings"]["battery"] = "auto"
    path.write_text(json.dumps(kept))


@pytest.mark.parametrize("what", DAMAGES)
async def test_what_a_dead_run_left_forced_is_released_whatever_is_damaged(
    what: str, tmp_path: Path
) -> None:
    damage, line = DAMAGES[what]
    async with guarded("goodwe", tmp_path) as place:  # it has no timer of its own
        await killed_while_held(place)
        _owner_lets_go(place)
        damage(place)
        since = len(place.said)
        await place.start()
        await place.until(lambda: not place.held, "released")
        await place.says(line, since)
        if what in AGENT_RUNS:
            await place.says("gateway 'home' runs", since)
        await place.steers_on()
        assert await place.stop() == 0
        assert not place.held


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_damaged_journal_keeps_no_family_forced(family: str, tmp_path: Path) -> None:
    async with guarded(family, tmp_path) as place:
        await killed_while_held(place)
        _owner_lets_go(place)
        journal_in_one_letter(place)
        await place.start()
        await place.until(lambda: not place.held, "released")
        await place.says("nothing is traded")
        await place.steers_on()
        assert await place.stop() == 0


def _owed(place: Guarded) -> object:
    """What must be given back to the devices, by the guard's file. It is forgotten when the device is seen to have it, a poll or more
    after the write."""
    return json.loads((place.state / FILE).read_text())["intents"]


def _renamed(place: Guarded, text: str) -> str:
    return text.replace('name = "inverter"', 'name = "hybrid"')


def _read_only(place: Guarded, text: str) -> str:
    assert 'steer = "always"' in text
    return text.replace('steer = "always"', "control = false")  # as files before 0.2 said it


def _removed(place: Guarded, text: str) -> str:
    """A meter has even taken its name."""
    inverter = f'profile = "goodwe-et"\nhost = "127.0.0.1"\nport = {place.servers.ports.inverter}'
    meter = f'profile = "sunspec-meter"\nhost = "127.0.0.1"\nport = {place.servers.ports.meter}'
    assert inverter in text
    return text.replace(inverter, f"{meter}\nunit = 200")


@pytest.mark.parametrize("edited", [_renamed, _read_only, _removed])
async def test_a_device_that_is_configured_otherwise_after_a_crash_stays_not_forced(
    edited: Callable[[Guarded, str], str], tmp_path: Path
) -> None:
    """What restores a device is stored by its name, and the name is the owner's to change."""
    async with guarded("goodwe", tmp_path) as place:
        await place.start(agents.HOLDS)
        await place.until(lambda: place.held, "held")
        await place.kill()
        _owner_lets_go(place)
        place.config.write_text(edited(place, place.config.read_text()))
        await place.start(agents.ENDS_AT_ONCE)
        await place.until(lambda: not place.held, "released")
        await place.until(lambda: not _owed(place), "seen to be neutral, and so forgotten")
        await place.steers_on()
        assert await place.stop() == 0
        assert not _owed(place)


@pytest.mark.parametrize("broken", ["[site]\nreserve_pct = 900\n", "no toml at all ]["])
async def test_a_configuration_that_cannot_be_read_releases_by_the_last_good_one(
    broken: str, tmp_path: Path
) -> None:
    async with guarded("goodwe", tmp_path) as place:
        await killed_while_held(place)
        place.config.write_text(f'state_dir = "{place.state}"\n{broken}')
        since = len(place.said)
        if "toml" in broken:  # then the state folder is the usual one, below where we are
            place.folder = place.state.parent
        await place.start()
        assert await place.ended() == 2
        said = place.said[since:]
        assert any("gateway.toml" in line for line in said), "which key, or that it is no TOML"
        assert any("all devices are neutral" in line for line in said)
        assert not place.held


async def test_a_first_start_with_a_broken_configuration_touches_nothing(tmp_path: Path) -> None:
    async with guarded("goodwe", tmp_path) as place:
        place.config.write_text("[site]\nreserve_pct = 900\n")
        place.folder = tmp_path
        await place.start()
        assert await place.ended() == 2
        assert place.servers.requests == 0


async def test_a_state_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Whoever we are, nothing can be made below /proc."""
    async with guarded("fronius", tmp_path) as place:
        text = place.config.read_text().replace(str(place.state), "/proc/energy-gateway")
        place.config.write_text(text)
        await place.start()
        await place.says("gateway 'home' runs")
        await place.says("nothing is traded until it can be written")
        await place.steers_on()
        assert await place.stop() == 0
        assert not place.held


def no_more_bytes() -> None:
    """From here on every file is as large as it may become: what a full disk is to a program."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


@pytest.mark.parametrize("family", ["fronius", "goodwe"])
async def test_a_full_disk(family: str, tmp_path: Path) -> None:
    """Where nothing can be remembered, nothing is taken whose registers would stay; the rest goes on."""
    async with guarded(family, tmp_path) as place:
        place.state.mkdir()
        await place.start(agents.HOLDS, before=no_more_bytes)
        await place.says("a restart would not know them")
        await place.steers_on(12)
        assert not place.held, "nothing is written that could not be put back"
        assert await place.stop() == 0
        assert not place.held
