"""What a person is told, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gateway import __version__
from gateway.agent.notices import (
    Kind,
    Notice,
    Notices,
    Rules,
    is_quiet,
    of_the_home,
    sale_of,
    update_of,
)
from gateway.agent.notify import VERSION, last_version
from gateway.domain.sentences import alike, other, sentence
from gateway.store.settings import SettingsStore

NOON = datetime(2026, 6, 1, 10, tzinfo=UTC)  # 12 in Berlin
RULES = Rules(frozenset(Kind), ZoneInfo("Europe/Berlin"))
CAR = sentence("car_late", time="07:00", least="3000", wanted="9000")
METER = Notice(Kind.ALARM, other("the meter stands still since 300 s"))
LIMIT = Notice(
    Kind.LIMIT, sentence("limit_not_kept", what="import", limit="4200", more="900", seconds="40")
)


def told(notices: Notices, start: datetime, minutes: int, *present: Notice) -> list[str]:
    """All that is sent while ``present`` is the case for so many minutes, from ``start`` on."""
    sent: list[str] = []
    for minute in range(minutes):
        sent += [n.said.text for n in notices.look(start + timedelta(minutes=minute), present)]
    return sent


def test_what_lasts_is_told_once_and_what_passes_is_not() -> None:
    notices = Notices(RULES)
    assert told(notices, NOON, 2, METER) == []
    assert told(notices, NOON + timedelta(minutes=2), 60, METER) == [METER.said.text]
    assert told(Notices(RULES), NOON, 1, METER) == []


def test_the_same_with_other_numbers_is_the_same() -> None:
    notices = Notices(RULES)
    sent = []
    for minute in range(30):
        now = replace(METER, said=other(f"the meter stands still since {300 + 60 * minute} s"))
        sent += notices.look(NOON + timedelta(minutes=minute), [now])
    assert len(sent) == 1


def test_the_same_of_another_device_is_another() -> None:
    """Two inverters that are called alike but for their number each have their alarm."""
    one, two = (
        sentence("not_proved", name, device=name, what="battery_power_w")
        for name in ("inverter1", "inverter2")
    )
    assert alike(one) != alike(two)
    first, later = (sentence("feed_late.ends", name="entsoe", time=at) for at in ("18:00", "19:00"))
    assert alike(first) == alike(later)


def test_what_comes_back_after_an_hour_is_news() -> None:
    notices = Notices(RULES)
    assert len(told(notices, NOON, 5, METER)) == 1
    assert told(notices, NOON + timedelta(minutes=5), 30) == []
    assert told(notices, NOON + timedelta(minutes=35), 5, METER) == []
    assert told(notices, NOON + timedelta(minutes=40), 70) == []
    assert len(told(notices, NOON + timedelta(minutes=110), 5, METER)) == 1


def test_quiet_hours_hold_back_all_but_a_limit() -> None:
    night = datetime(2026, 6, 1, 20, 30, tzinfo=UTC)  # 22:30 in Berlin
    notices = Notices(RULES)
    assert told(notices, night, 30, METER, LIMIT) == [LIMIT.said.text]
    assert told(notices, night + timedelta(minutes=30), 485) == [METER.said.text]  # at seven
    assert told(Notices(replace(RULES, quiet=None)), night, 5, METER) == [METER.said.text]


def test_a_day_has_so_many_messages_and_one_that_says_so() -> None:
    notices = Notices(replace(RULES, most_a_day=3))
    many = [Notice(Kind.ALARM, other(f"device {'abcdefghij'[i]} is lost")) for i in range(8)]
    sent = told(notices, NOON, 10, *many)
    assert sent[:3] == [n.said.text for n in many[:3]]
    assert sent[3:] == ["3 messages were sent today; the rest stands on the page"]
    tomorrow = NOON + timedelta(days=1)
    assert told(notices, tomorrow, 5, METER) == [METER.said.text]


def test_only_what_was_asked_for() -> None:
    notices = Notices(replace(RULES, about=frozenset({Kind.CAR})))
    found = of_the_home([METER.said, LIMIT.said], [CAR, other("sunny")])  # fmt: skip
    assert [n.kind for n in found] == [Kind.ALARM, Kind.LIMIT, Kind.CAR]
    assert told(notices, NOON, 5, *found) == [CAR.text]


def test_the_sale_of_the_day() -> None:
    bill = {"total": "1.20", "saved": "0.80"}
    told_of = sale_of("2026-06-01", 12_340, "2.31", bill, "EUR")
    assert told_of is not None
    assert told_of.said.text == "2026-06-01: sold 12.3 kWh, 2.31 EUR; bill 1.20 EUR, saved 0.80"
    assert sale_of("2026-06-01", 0, "0", None, "EUR") is None


@given(st.times(), st.times(), st.times())
def test_quiet_hours_are_half_open_and_may_pass_midnight(
    here: time, start: time, end: time
) -> None:
    outside = not is_quiet(here, (end, start))
    assert is_quiet(here, (start, end)) == (start != end and outside)
    assert start == end or (is_quiet(start, (start, end)) and not is_quiet(end, (start, end)))


def test_another_version_is_told_once(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "settings.sqlite")
    assert update_of(last_version(store), __version__) is None, "the first start of all"
    assert update_of(last_version(store), __version__) is None
    store.setting(VERSION, "0.0.9")
    notice = update_of(last_version(store), __version__)
    assert notice == Notice(Kind.UPDATE, sentence("version", now=__version__, before="0.0.9"))
    assert update_of(last_version(store), __version__) is None
    store.close()
