"""What a programme's limits bring into the order, from their first word to their end."""

from __future__ import annotations

from pathlib import Path

from tests.openadr.homes import (
    AT_NOON,
    Home,
    at_home,
    import_w,
    limit,
)
from tests.openadr.vtn import event


def test_a_level_is_the_limit_that_was_set_for_it(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [event("peak", "SIMPLE", [2, 0], AT_NOON, "PT30M")]
        assert import_w(await home.look(1)) == 2_500
        assert import_w(await home.look(35)) is None
        assert home.alarms == ""

    at_home(tmp_path, play, simple_import_w=[5_000, 2_500, 0])


def test_a_limit_comes_holds_and_ends(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        assert import_w(await home.look()) is None
        home.vtn.events = [limit(), event("sun", "EXPORT_CAPACITY_LIMIT", [0], AT_NOON, "PT2H")]
        order = await home.look(1)
        assert (import_w(order), import_w(order, "export")) == (3_000, 0)
        order = await home.look(60)
        assert (import_w(order), import_w(order, "export")) == (None, 0)

    at_home(tmp_path, play)


def test_what_is_deleted_is_cancelled(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [limit()]
        assert import_w(await home.look()) == 3_000
        home.vtn.events = []
        assert import_w(await home.look(1)) is None

    at_home(tmp_path, play)


def test_what_has_no_time_any_more_is_cancelled_too(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [limit()]
        assert import_w(await home.look()) == 3_000
        home.vtn.events = [event("evening", "IMPORT_CAPACITY_LIMIT", [3], "0001-01-01", "PT0S")]
        assert import_w(await home.look(1)) is None

    at_home(tmp_path, play)


def test_a_change_is_a_new_command(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [limit()]
        first = await home.look()
        home.vtn.events = [limit(kw=2)]
        second = await home.look(1)
        assert import_w(second) == 2_000
        assert first.operator
        assert second.operator
        names = {c.id for o in (first, second) for c in o.operator.commands}  # type: ignore[union-attr]
        assert len(names - {""}) == 2

    at_home(tmp_path, play)
