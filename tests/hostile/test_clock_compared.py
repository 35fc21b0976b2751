"""A new home has no account to hold its clock against: an exchange's word counts once, and only where it is days off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.metering.clock_watch import LONG_PATIENCE_S, ClockWatch

TRUE = datetime(2026, 11, 27, 12, tzinfo=UTC)
AHEAD = datetime(2036, 3, 1, 5, tzinfo=UTC)


def test_it_begins_at_once_and_stops_at_the_exchanges_word() -> None:
    watch = ClockWatch(None, ask_first=True)
    assert watch.look(AHEAD, 0.0) == ""
    assert not watch.doubt, "a home at posted prices waits for nobody"
    watch.compare(TRUE, AHEAD, 10.0)
    said = watch.look(AHEAD + timedelta(seconds=12), 12.0)
    assert "the clock says 2036-03-01T05:00:12Z, the exchange's 2026-11-27T12:00:02Z" in said
    assert watch.doubt
    assert watch.look(AHEAD + timedelta(hours=2), 7_200.0) == "", (
        "said once, and not believed in an hour"
    )
    assert watch.doubt
    assert "believed again" in watch.look(TRUE + timedelta(hours=3), 10_810.0)
    assert not watch.doubt
    assert watch.look(TRUE + timedelta(hours=4), 14_410.0) == ""


@pytest.mark.parametrize("off", [timedelta(seconds=5), timedelta(hours=-3), timedelta(hours=23)])
def test_what_is_a_little_off_is_not_denied(off: timedelta) -> None:
    watch = ClockWatch(None, ask_first=True)
    watch.look(TRUE, 0.0)
    watch.compare(TRUE + off, TRUE, 1.0)
    assert watch.look(TRUE + timedelta(seconds=2), 2.0) == ""
    assert not watch.doubt
    assert not watch.compares


def test_an_exchange_that_lies_stops_no_home_that_has_an_account() -> None:
    assert not ClockWatch(TRUE - timedelta(hours=1), ask_first=True).compares


def test_nor_a_new_one_for_more_than_a_day() -> None:
    watch = ClockWatch(None)
    watch.look(TRUE, 0.0)
    watch.compare(AHEAD, TRUE, 1.0)
    assert watch.look(TRUE + timedelta(seconds=2), 2.0)
    late_s = LONG_PATIENCE_S + 2.0
    assert "believed again" in watch.look(TRUE + timedelta(seconds=late_s), late_s)
    assert watch.look(TRUE + timedelta(seconds=late_s + 2), late_s + 2) == ""
    assert not watch.doubt
