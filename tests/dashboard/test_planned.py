"""What was planned is kept: the day as its first plan said, and the newest word an hour ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.agent.planned import PlanRecord
from gateway.domain.intervals import quarters
from gateway.domain.plan import Plan, PlannedInterval
from gateway.store.decisions import DecisionStore

START = datetime(2026, 6, 1, 22, tzinfo=UTC)  # midnight in Berlin
ZONE = ZoneInfo("Europe/Berlin")
QUARTER = timedelta(minutes=15)


def plan(now: datetime, pv_wh: float) -> Plan:
    steps = tuple(
        PlannedInterval(i, 100, pv_wh, 0, 0, 100 - pv_wh, 5000, 200, 80, 0)
        for i in quarters(now, now + timedelta(hours=36))
    )
    return Plan(now, "value", (), schedule=steps)


def test_the_first_word_on_a_day_and_the_last_an_hour_ahead(tmp_path: Path) -> None:
    store = DecisionStore(tmp_path / "decisions.sqlite")
    record = PlanRecord(store, ZONE)
    for n in range(8 * 60 // 5):  # a plan each five minutes, each with another idea of the sun
        now = START + n * timedelta(minutes=5)
        record.hear(plan(now.replace(minute=now.minute // 15 * 15), float(n)), now)
        if n == 30:
            record = PlanRecord(store, ZONE)  # the gateway was started again
    day = store.planned("day", START, START + timedelta(days=1))
    assert [q.pv_wh for q in day] == [0.0] * 96, "as the day began, over the restart"
    hour = store.planned("hour", START, START + timedelta(hours=8))
    assert hour[0].start == START + timedelta(hours=1), (
        "nobody planned the first hour an hour ahead"
    )
    for q in hour:
        made = START + q.pv_wh * timedelta(minutes=5)
        assert timedelta(hours=1) <= q.start - made <= timedelta(hours=1) + QUARTER
    store.close()
    again = DecisionStore(tmp_path / "decisions.sqlite", read_only=True)
    assert again.planned("hour", START, START + timedelta(hours=8)) == hour
    again.close()


def test_without_a_plan_there_is_nothing_to_keep(tmp_path: Path) -> None:
    store = DecisionStore(tmp_path / "decisions.sqlite")
    record = PlanRecord(store, ZONE)
    record.hear(None, START)
    record.hear(replace(plan(START, 1.0), schedule=()), START)
    assert store.planned("day", START, START + timedelta(days=1)) == []
    record.hear(plan(START, 7.0), START + timedelta(minutes=20))  # the first plan comes late
    assert store.planned("day", START, START + timedelta(days=1))[0].pv_wh == 7.0
    store.close()
