"""Dispatches: a delivery in the order, paid by what the meter counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.agent.ordering import make_order
from gateway.domain.intervals import QUARTER
from gateway.openadr.acting import RELATIVE
from gateway.store.journal import Journal
from tests.openadr.homes import (
    AT_NOON,
    NOON,
    Home,
    at_home,
    dispatch,
    import_w,
    limit,
    meter,
    opened,
    past_days,
)
from tests.openadr.vtn import event


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


def test_a_relative_dispatch_is_refused_in_words_and_the_server_is_told(tmp_path: Path) -> None:
    """Nobody says from which power it counts. What else the event asks for holds, and a report of one that is not followed says so."""
    wanted = [{"payloadType": kind} for kind in ("USAGE", "OPERATING_STATE")]

    async def play(home: Home) -> None:
        less = event("less", RELATIVE, [-2], AT_NOON, "PT15M", reportDescriptors=wanted)
        both = event("both", RELATIVE, [-2], AT_NOON, "PT15M", reportDescriptors=wanted)
        both["intervals"][0]["payloads"].append({"type": "IMPORT_CAPACITY_LIMIT", "values": [3]})
        both["payloadDescriptors"] = [
            {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": kind, "units": "KW"}
            for kind in (RELATIVE, "IMPORT_CAPACITY_LIMIT")
        ]
        home.vtn.events = [less, both]
        order = await home.look()
        assert [t.position_wh for t in order.terms if t.position_wh] == []
        assert import_w(order) == 3_000
        assert home.alarms.count("does not say from which power it counts") == 2
        meter(home, NOON, -100)
        await home.look(16)
        told = {}
        for report in home.vtn.reports:
            (interval,) = report["resources"][0]["intervals"]
            told[report["eventID"]] = {p["type"]: p["values"] for p in interval["payloads"]}
        assert told == {
            "less": {"USAGE": [0.1], "OPERATING_STATE": ["NORMAL"]},
            "both": {"USAGE": [0.1]},
        }

    at_home(tmp_path, play)


def test_who_opts_out_says_so_where_the_server_asks(tmp_path: Path) -> None:
    async def play(home: Home) -> None:
        user = home.keeper.state.user
        home.keeper.writer("user")(user.changed({"programme": False}))
        home.vtn.events = [
            dispatch([-4], reportDescriptors=[{"payloadType": "OPERATING_STATE"}]),
        ]
        await home.look()
        for n in range(2):
            meter(home, NOON + n * QUARTER, -100)
        await home.look(31)
        (report,) = home.vtn.reports
        (interval,) = report["resources"][0]["intervals"]
        assert interval["payloads"] == [{"type": "OPERATING_STATE", "values": ["NORMAL"]}]

    at_home(tmp_path, play)
