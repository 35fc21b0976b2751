"""A machine without a clock's battery starts in 1970, or far ahead, and learns the time later: guard and agent as they run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.store.book import Entry
from gateway.store.codec import metered_of
from gateway.store.history import History
from gateway.store.journal import Journal
from tests.safety.two_processes import NOON, Town, in_town

pytestmark = pytest.mark.real_time  # other processes take part

HOUR = timedelta(hours=1)
OF_TIME = {"tender", "metered", "gap", "delivered", "settlement", "transaction", "price"}
WRONG = {
    "1970": datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC),
    "2036": datetime(2036, 3, 1, 5, tzinfo=UTC),
    "2106": datetime(2106, 2, 7, 6, 20, tzinfo=UTC),  # where 32 bits end, some minutes later
}


@pytest.mark.parametrize("shows", WRONG.values(), ids=WRONG.keys())
async def test_a_new_home_waits_for_the_time(tmp_path: Path, shows: datetime) -> None:
    """It is steered at once; what needs the time begins by itself when the clock is right."""

    async def story(town: Town) -> None:
        town.set_clock(shows)
        asked = town.servers.requests
        await town.start()
        await town.play(HOUR)
        assert town.servers.requests > asked + 100, "the devices are steered"
        assert not [row for row in rows(town) if row.kind in OF_TIME]
        town.set_clock(None)
        await town.play(1.6 * HOUR)
        found = rows(town)
        kinds = {row.kind for row in found}
        assert {"tender", "metered", "delivered"} <= kinds, kinds
        of_today(found)
        assert town.log.read_text().count("WARNING the clock") == 2, town.log.read_text()
        assert await town.stop() == 0
        minutes(town)

    await in_town(tmp_path, story)


async def test_a_home_with_an_account_keeps_it(tmp_path: Path) -> None:
    """Started again in 2036, and the clock set right an hour later: it goes on where it was."""

    async def story(town: Town) -> None:
        town.set_clock(None)
        await town.start()
        await town.play(1.6 * HOUR)
        assert await town.stop() == 0
        before = rows(town)
        town.set_clock(datetime(2036, 3, 1, 5, tzinfo=UTC))
        await town.start()
        await town.play(HOUR)
        assert not [row for row in rows(town)[len(before) :] if row.kind in OF_TIME]
        town.set_clock(None)
        await town.play(1.6 * HOUR)
        assert await town.stop() == 0
        after = rows(town)
        assert after[: len(before)] == before
        new = {row.kind for row in after[len(before) :]}
        assert {"tender", "metered", "delivered"} <= new, new
        of_today(after)
        minutes(town)

    await in_town(tmp_path, story)


def rows(town: Town) -> list[Entry]:
    """The account so far; it must be whole."""
    journal = Journal(town.state / "journal.sqlite", read_only=True)
    journal.verify()
    found = list(journal.entries())
    journal.close()
    return found


def of_today(found: list[Entry]) -> None:
    """What stands there is of this day, each quarter-hour once."""
    starts = [metered_of(row.body).interval.start for row in found if row.kind == "metered"]
    assert len(starts) == len(set(starts))
    assert all(NOON - HOUR < start < NOON + 6 * HOUR for start in starts), starts
    moved = [row for row in found if row.kind in OF_TIME]
    assert all(NOON - HOUR < row.time < NOON + 6 * HOUR for row in moved)


def minutes(town: Town) -> None:
    """The past that people and forecasts see has nothing of another time."""
    history = History(town.state / "history.sqlite", read_only=True)
    year = timedelta(days=365)
    assert not history.minutes(NOON - 60 * year, NOON - HOUR)
    assert not history.minutes(NOON + 12 * HOUR, NOON + 90 * year)
    assert len(history.minutes(NOON, NOON + 6 * HOUR)) > 60
    history.close()
