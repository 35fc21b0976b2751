"""A programme's server over real HTTP, and what of it reaches the order: twelve cases and their ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.agent.ordering import make_order
from gateway.agent.programme import ProgrammeLoop, programme_of
from gateway.agent.programme_account import Past
from gateway.agent.state import GatewayState, HomeRules, StateKeeper
from gateway.agent.user_settings import configured
from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.domain.intervals import QUARTER, quarter
from gateway.domain.order import Order
from gateway.domain.trade import Metered
from gateway.errors import ConfigError
from gateway.languages.sentences import alarm_code
from gateway.store.codec import metered_body
from gateway.store.journal import Journal
from gateway.store.settings import SettingsStore
from tests.devices.test_simulated_families import simulated
from tests.openadr.vtn import CLIENT, SECRET, SmallVtn, event, small_vtn

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT_NOON = "2026-06-01T12:00:00Z"


@dataclass
class Home:
    """The agent's part of it: what was looked at, and the order that follows."""

    vtn: SmallVtn
    clock: SimClock
    folder: Path
    loop: ProgrammeLoop
    keeper: StateKeeper
    store: SettingsStore
    journal: Journal

    async def look(self, minutes: float = 0) -> Order:
        """The order ``minutes`` later, when it has looked again."""
        if minutes:
            await self.clock.sleep(60 * minutes)
        await self.loop.look()
        return self.order()

    def order(self) -> Order:
        book = self.journal.book
        return make_order(self.keeper.state, self.clock.now(), book.commitment, lambda _: None)

    async def close(self) -> None:
        await self.loop.close()
        self.store.close()
        self.journal.close()

    @property
    def alarms(self) -> str:
        return " ".join(a.text for a in self.keeper.state.all_alarms)

    @property
    def refused(self) -> str:
        assert self.keeper.state.programme is not None
        return " ".join(self.keeper.state.programme.refused)


def import_w(order: Order, direction: str = "import") -> float | None:
    """The programme's limit in the order; None = none."""
    assert order.operator is not None
    (command,) = (c for c in order.operator.commands if c.direction == direction)
    assert command.source == "programme"
    return command.limit_w


def settings_of(vtn: SmallVtn, folder: Path, secret: str = SECRET, **more: Any) -> Settings:
    file = folder / "secret"
    file.write_text(f"{secret}\n")
    file.chmod(0o600)
    programme = {"url": vtn.url, "client_id": CLIENT, "secret_file": file} | more
    device = {"name": "meter", "profile": "sunspec-meter", "host": "127.0.0.1"}
    return Settings.model_validate({"device": [device], "programme": programme})


def opened(vtn: SmallVtn, clock: SimClock, folder: Path, **more: Any) -> Home:
    settings = settings_of(vtn, folder, **more)
    keeper = StateKeeper(GatewayState(HomeRules.of(settings), configured(settings)))
    store = SettingsStore(folder / "settings.sqlite")
    journal = Journal(folder / "journal.sqlite")
    past = Past(store, journal, lambda _since, _until: ())
    loop = programme_of(keeper, past, clock, lambda: None)
    assert loop is not None
    return Home(vtn, clock, folder, loop, keeper, store, journal)


def at_home(
    folder: Path, play: Callable[[Home], Awaitable[None]], start: datetime = NOON, **more: Any
) -> None:
    """``play`` at noon, with a server that has no event yet."""
    clock = SimClock(start)

    async def run() -> None:
        async with small_vtn() as vtn:
            home = opened(vtn, clock, folder, **more)
            try:
                await play(home)
            finally:
                await home.close()

    simulated(clock, run())


def limit(name: str = "evening", kw: float = 3, **more: Any) -> dict[str, Any]:
    return event(name, "IMPORT_CAPACITY_LIMIT", [kw], AT_NOON, **more)


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


def test_another_programme_is_not_ours(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.programs.append({**home.vtn.programs[0], "id": "p2", "programName": "other"})
        home.vtn.events = [limit(programID="p2"), limit("nobody", programID="p3")]
        assert import_w(await home.look()) is None
        home.vtn.events.append(limit("ours"))
        assert import_w(await home.look(1)) == 3_000

    at_home(tmp_path, play, programs=["home-flex"])


# -- dispatch, credit, reports --


def dispatch(kw: list[float], **more: Any) -> dict[str, Any]:
    return event("called", "DISPATCH_SETPOINT", kw, AT_NOON, "PT30M", **more)


def meter(home: Home, start: datetime, net_wh: int) -> None:
    """A quarter-hour as the meter told it; export +."""
    row = Metered(quarter(start), max(-net_wh, 0), max(net_wh, 0), 0, 0)
    home.journal.append("metered", metered_body(row), home.clock.now())


def past_days(home: Home, net_wh: int, days: int = 12) -> None:
    """Working days and weekends before, the same each noon."""
    for day in range(days, 0, -1):
        for n in range(4):
            meter(home, NOON - timedelta(days=day) + n * QUARTER, net_wh)


def test_a_dispatch_is_a_delivery_and_is_paid_by_what_the_meter_counted(tmp_path: Path) -> None:
    """Four kilowatts are asked for; usually the home draws 200 Wh a quarter-hour."""

    async def play(home: Home) -> None:
        past_days(home, -200)
        home.vtn.events = [dispatch([-4, -2])]
        order = await home.look()
        assert [t.position_wh for t in order.terms] == [1_000, 1_000]
        for n, net_wh in enumerate((1_000, 400, 900, -200)):
            await home.look(14)
            meter(home, NOON + n * QUARTER, net_wh)
            await home.look(1)
        rows = [home.journal.book.credits[NOON + n * QUARTER] for n in range(4)]
        assert [(r["asked_wh"], r["baseline_wh"], r["paid_wh"]) for r in rows] == [
            (1_000, -200, 1_200), (1_000, -200, 600), (500, -200, 700), (500, -200, 0),
        ]  # fmt: skip
        euros = [r["money"] / 10**8 for r in rows]
        assert euros == [1.20 * 0.5 + 3, 0.60 * 0.5, 0.70 * 0.5, 0]
        await home.look(30)
        assert len(home.journal.book.credits) == 4, "each is paid once"
        again = Journal(tmp_path / "journal.sqlite", read_only=True)
        assert again.book.credits.keys() == home.journal.book.credits.keys()
        assert again.verify()
        again.close()

    at_home(tmp_path, play, credit_per_kwh="0.5", credit_per_event="3")


def test_what_was_followed_before_a_restart_is_paid_after_it(tmp_path: Path) -> None:
    """The event is over and deleted, and the gateway was away when the meter told."""

    async def play(home: Home) -> None:
        past_days(home, -200)
        home.vtn.events = [dispatch([-4])]
        await home.look()
        await home.clock.sleep(15 * 60)
        meter(home, NOON, 900)
        home.journal.close()
        home.vtn.events = []
        again = opened(home.vtn, home.clock, tmp_path, credit_per_kwh="0.5")
        await again.look(1)
        row = again.journal.book.credits[NOON]
        assert (row["asked_wh"], row["paid_wh"]) == (1_000, 1_100)
        await again.close()

    at_home(tmp_path, play, credit_per_kwh="0.5")


@pytest.mark.parametrize(
    "kept", ['{"2026-06-01T12:00:00Z": [1e999, "a"]}', '{"noon": [1, "a"]}', '{"a": 1}', "[1]", "{"]
)
def test_a_damaged_note_of_what_was_followed_ends_nothing(tmp_path: Path, kept: str) -> None:
    async def play(home: Home) -> None:
        home.store.setting("programme.called", kept)
        home.journal.close()
        again = opened(home.vtn, home.clock, tmp_path)
        await again.look(1)
        assert again.journal.book.credits == {}
        await again.close()

    at_home(tmp_path, play)


def test_what_is_sold_at_an_exchange_goes_first(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [dispatch([-4])]
        await home.look()
        state, now = home.keeper.state, home.clock.now()
        order = make_order(state, now, lambda i: 700 if i.start == NOON else 0, lambda _: None)
        assert [t.position_wh for t in order.terms] == [700, 1_000]

    at_home(tmp_path, play)


def test_who_opts_out_follows_limits_and_no_dispatch(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        past_days(home, 0)
        home.vtn.events = [dispatch([-4]), limit()]
        user = home.keeper.state.user
        write = home.keeper.writer("user")
        write(user.changed({"programme": False}))
        order = await home.look(1)
        assert [t.position_wh for t in order.terms] == [0, 0]
        assert import_w(order) == 3_000
        meter(home, NOON, 900)
        await home.look(15)
        assert home.journal.book.credits == {}, "and is paid for none"
        write(user)
        assert [t.position_wh for t in (await home.look()).terms] == [1_000, 0]

    at_home(tmp_path, play)


def test_without_a_past_no_baseline_is_made_up(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        home.vtn.events = [dispatch([-4])]
        await home.look()
        meter(home, NOON, 900)
        await home.look(15)
        (row,) = home.journal.book.credits.values()
        assert (row["paid_wh"], row["money"]) == (None, None)

    at_home(tmp_path, play, credit_per_kwh="0.5")


def test_the_reports_that_an_event_asks_for(tmp_path: Path) -> None:
    """Usage, demand and baseline of each interval, net at the meter; once, and again after no restart."""
    wanted = [{"payloadType": k} for k in ("USAGE", "DEMAND", "BASELINE", "OPERATING_STATE")]

    async def play(home: Home) -> None:
        past_days(home, -200)
        home.vtn.events = [dispatch([-4, 0], reportDescriptors=wanted)]
        await home.look()
        for n, net_wh in enumerate((1_000, 800, 0, -100)):
            meter(home, NOON + n * QUARTER, net_wh)
        await home.look(59)
        assert home.vtn.reports == [], "the last interval is not over"
        home.vtn.fault = (503, b"")
        await home.look(2)
        home.vtn.fault = None
        await home.look(1)
        (report,) = home.vtn.reports
        assert (report["eventID"], report["clientName"]) == ("called", "home")
        (resource,) = report["resources"]
        told = [{p["type"]: p["values"] for p in i["payloads"]} for i in resource["intervals"]]
        assert told == [
            {"USAGE": [-1.8], "DEMAND": [-3.6], "BASELINE": [0.4]},
            {"USAGE": [0.1], "DEMAND": [0.2], "BASELINE": [0.4]},
        ]
        assert {d["payloadType"]: d["units"] for d in report["payloadDescriptors"]}[
            "DEMAND"
        ] == "KW"
        home.journal.close()
        again = opened(home.vtn, home.clock, tmp_path)
        await again.look(1)
        await again.close()
        assert len(home.vtn.reports) == 1

    at_home(tmp_path, play)


USAGE = [{"payloadType": "USAGE", "numIntervals": 1}]


def usage_wanted(home: Home, quarters: int) -> None:
    """An event that wants a report of each of its quarter-hours, and what the meter counted in them."""
    home.vtn.events = [
        event("told", "GHG", [0] * quarters, AT_NOON, "PT15M", reportDescriptors=USAGE)
    ]
    for n in range(quarters):
        meter(home, NOON + n * QUARTER, -100 - n)


def told_wh(home: Home) -> list[int]:
    """What each report said, in the order in which they came."""
    resources = [report["resources"][0] for report in home.vtn.reports]
    return [round(1000 * r["intervals"][0]["payloads"][0]["values"][0]) for r in resources]


@pytest.mark.parametrize("fault", [(503, b""), (429, b""), (0, b"")])
def test_a_report_that_the_server_cannot_take_now_is_sent_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: tuple[int, bytes]
) -> None:
    """It answers all else meanwhile. The newest comes first, each once, and people read of it once."""

    async def play(home: Home) -> None:
        usage_wanted(home, 3)
        home.vtn.report_fault = fault
        for _ in range(3):
            await home.look(15)
        assert home.vtn.reports == []
        home.vtn.report_fault = None
        await home.look(1)
        await home.look(1)
        assert sorted(told_wh(home)) == [100, 101, 102]
        assert told_wh(home)[0] == 102, "what was tried least, and of those the newest"

    at_home(tmp_path, play)
    assert caplog.text.count("what takes the programme's reports is lost") == 1


def test_one_report_that_the_server_chokes_on_holds_no_other_back(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        usage_wanted(home, 3)
        home.vtn.report_fault = (500, b"")
        await home.look(46)
        home.vtn.report_fault = None
        home.vtn.chokes_on = "2026-06-01T12:30:00Z"
        for _ in range(3):
            await home.look(1)
        assert sorted(told_wh(home)) == [100, 101]

    at_home(tmp_path, play)


def test_a_report_waits_two_days_at_most(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        usage_wanted(home, 1)
        home.vtn.report_fault = (503, b"")
        await home.look(16)
        await home.look(60 * 47)
        assert home.vtn.asked.count("POST /reports") == 2
        home.vtn.report_fault = None
        await home.look(60 * 2)
        assert home.vtn.reports == [], "nobody wants it any more"

    at_home(tmp_path, play)


def test_a_report_that_is_refused_is_not_sent_again(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        usage_wanted(home, 1)
        home.vtn.report_fault = (400, b'{"title": "no such kind"}')
        await home.look(16)
        home.vtn.report_fault = None
        await home.look(1)
        assert (home.vtn.asked.count("POST /reports"), home.vtn.reports) == (1, [])

    at_home(tmp_path, play)
