"""A programme's server that is lost, started anew, wrong, slow, or full of nonsense, over real HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.agent.programme import programme_of
from gateway.agent.programme_account import Past
from gateway.agent.state import GatewayState, HomeRules, StateKeeper
from gateway.agent.user_settings import configured
from gateway.clock import SimClock
from gateway.errors import ConfigError
from gateway.languages.sentences import alarm_code
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore
from tests.openadr.homes import (
    AT_NOON,
    NOON,
    Home,
    at_home,
    import_w,
    limit,
    opened,
    settings_of,
)
from tests.openadr.vtn import SmallVtn, event


def test_a_server_that_is_gone_for_a_day_takes_nothing_back_and_gives_nothing_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was heard holds to its end, a later event begins at its time, and people are told."""

    async def play(home: Home) -> None:
        home.vtn.events = [
            limit(),
            event("night", "IMPORT_CAPACITY_LIMIT", [5], "2026-06-02T00:00:00Z", "PT4H"),
            event("always", "EXPORT_CAPACITY_LIMIT", [6], "0001-01-01T00:00:00Z", "P9999Y"),
        ]
        await home.look()
        home.vtn.fault = (503, b"gone")
        assert import_w(await home.look(10)) == 3_000
        assert home.alarms == ""
        assert import_w(await home.look(20)) == 3_000
        assert "server is not heard since 2026-06-01T12:10:00Z" in home.alarms
        assert import_w(await home.look(60)) is None
        assert import_w(await home.look(60 * 11)) == 5_000
        assert import_w(await home.look(60 * 11), "export") == 6_000
        assert import_w(await home.look(60 * 18), "export") is None, "heard of for the last time"
        home.vtn.fault = None
        assert import_w(await home.look(1), "export") == 6_000
        assert home.alarms == ""

    at_home(tmp_path, play)
    said = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert len([line for line in said if "is lost" in line]) == 1, "said once"


def test_a_restart_while_it_is_gone_forgets_nothing(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [limit()]
        await home.look()
        home.vtn.fault = (503, b"gone")
        home.journal.close()
        again = opened(home.vtn, home.clock, tmp_path)
        assert import_w(again.order()) == 3_000, "before anything is asked"
        assert import_w(await again.look(1)) == 3_000
        await again.close()

    at_home(tmp_path, play)


def test_a_token_that_ran_out_is_replaced(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [limit()]
        await home.look()
        await home.look(1)
        assert home.vtn.tokens == 1, "one token for many questions"
        home.vtn.revoke()
        assert import_w(await home.look(1)) == 3_000
        assert home.vtn.tokens == 2

    at_home(tmp_path, play)


def test_a_wrong_secret_is_said_without_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    async def play(home: Home) -> None:
        home.journal.close()
        again = opened(home.vtn, home.clock, tmp_path, secret="other-secret")
        await again.look(20)
        await again.look(20)
        assert "no token: 401 invalid_client" in again.alarms
        assert "other-secret" not in again.alarms + caplog.text
        await again.close()

    at_home(tmp_path, play)
    with pytest.raises(ConfigError, match=r"programme\.secret_file is missing"):
        no_secret(tmp_path)


def no_secret(folder: Path) -> None:
    vtn = SmallVtn("http://127.0.0.1:1")
    settings = settings_of(vtn, folder)
    bare = settings.model_copy(
        update={"programme": settings.programme.model_copy(update={"secret_file": None})}  # type: ignore[union-attr]
    )
    keeper = StateKeeper(GatewayState(HomeRules.of(bare), configured(bare)))
    store = SettingsStore(folder / "s.sqlite")
    try:
        journal = Journal(folder / "j.sqlite")
        past = Past(store, journal, lambda _since, _until: ())
        programme_of(keeper, past, SimClock(NOON), lambda: None)
    finally:
        store.close()
        journal.close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b'{"events": []}'),
        (200, b"[" * 2_000 + b"]" * 2_000),
        (200, b"[NaN]"),
        (200, b"[1, 2]"),
        (200, b"[" + b"9" * 400 + b"]"),
        (200, b" " * (3 * 1024 * 1024)),
        (200, b"\xff\xfe"),
        (302, b""),
        (404, b"{}"),
        (429, b'{"title": "slow down"}'),
        (500, b'{"detail": "\\u001b[31m"}'),
    ],
)
def test_a_nonsense_answer_changes_nothing(tmp_path: Path, status: int, body: bytes) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [limit()]
        await home.look()
        home.vtn.fault = (status, body)
        assert import_w(await home.look(16)) == 3_000
        await home.look(16)
        assert "server is not heard" in home.alarms
        assert home.alarms.isprintable()

    at_home(tmp_path, play)


def test_one_bad_event_is_refused_alone_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(home: Home) -> None:
        bad = limit("bad", intervalPeriod={"start": AT_NOON, "duration": "P1M"})
        home.vtn.events = [bad, limit("odd", -3), limit("good"), {"id": "half"}]
        assert import_w(await home.look()) == 3_000
        for name in ("bad", "odd", "half"):
            assert f"event {name}" in home.refused
        assert "P1M" in home.refused
        told = [a for a in home.keeper.state.all_alarms if alarm_code(a) == "programme_refused"]
        assert len(told) == 3
        assert any("event odd: IMPORT_CAPACITY_LIMIT of -3 KW" in alarm for alarm in told)
        await home.look(1)
        home.vtn.events = [limit("good")]
        await home.look(1)
        assert home.alarms == "", "it is an alarm for as long as the event is there"

    at_home(tmp_path, play)
    assert caplog.text.count("event bad is not understood") == 1


def test_a_server_that_fills_the_log_with_nonsense_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(home: Home) -> None:
        for look in range(3):
            home.vtn.events = [{"id": f"odd{look}-{n}"} for n in range(100)]
            await home.look(1)
        assert len(home.keeper.state.all_alarms) == 3, "and not the page either"

    at_home(tmp_path, play)
    assert 0 < caplog.text.count("is not understood") <= 10


def test_events_come_in_pages_and_no_endless_row_of_them(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [limit(f"e{n}", 9, priority=9) for n in range(120)]
        home.vtn.events[110] = limit("urgent", 3, priority=1)
        assert import_w(await home.look()) == 3_000
        home.vtn.events = [limit(f"e{n}", 2) for n in range(600)]
        assert import_w(await home.look(16)) == 3_000, "what it said before holds"
        await home.look(16)
        assert "more than 500 of them" in home.alarms

    at_home(tmp_path, play)


@pytest.mark.parametrize("most", [1, 7, 49])
def test_a_server_that_gives_smaller_pages_than_were_asked_for(tmp_path: Path, most: int) -> None:
    async def play(home: Home) -> None:
        home.vtn.most = most
        home.vtn.events = [limit(f"e{n}", 9, priority=9) for n in range(49)]
        home.vtn.events.append(limit("urgent", 3, priority=1))
        assert import_w(await home.look()) == 3_000

    at_home(tmp_path, play)


def test_a_server_that_gives_the_same_page_again_and_again(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.skips = False
        home.vtn.events = [limit(f"e{n}", 3) for n in range(50)]
        assert import_w(await home.look()) == 3_000
        assert not home.alarms

    at_home(tmp_path, play)


def test_a_limit_whose_number_is_a_text_is_said_and_the_others_hold(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [limit("a", 6), limit("b", "3.5")]  # type: ignore[arg-type]
        assert import_w(await home.look()) == 6_000
        assert "IMPORT_CAPACITY_LIMIT without a number" in home.refused

    at_home(tmp_path, play)


def test_another_programme_is_not_ours(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.programs.append({**home.vtn.programs[0], "id": "p2", "programName": "other"})
        home.vtn.events = [limit(programID="p2"), limit("nobody", programID="p3")]
        assert import_w(await home.look()) is None
        home.vtn.events.append(limit("ours"))
        assert import_w(await home.look(1)) == 3_000

    at_home(tmp_path, play, programs=["home-flex"])
