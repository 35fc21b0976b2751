"""Why a charger uses the phases that it uses: the sentence, the record over a restart, and where people read it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from typer.testing import CliRunner

from gateway.agent.state import GatewayState
from gateway.agent.why import DecisionRecord
from gateway.cli import make_app
from gateway.dashboard.day import day as day_of
from gateway.dashboard.live import live as live_of
from gateway.domain.control import PhaseReason, Reason
from gateway.domain.decisions import PhaseDecision
from gateway.domain.readings import ChargerState, Snapshot
from gateway.domain.sentences import other
from gateway.publishing import topics
from gateway.store.decisions import FILE, DecisionStore
from tests.core.test_why import EVENING, home
from tests.dashboard.homes import view

MINUTE = timedelta(minutes=1)
LITTLE, MUCH, URGENT = PhaseReason.LITTLE, PhaseReason.MUCH, PhaseReason.URGENT


def told(reason: PhaseReason | None) -> GatewayState:
    """The home of one charger that was switched for ``reason``."""
    state = home(Reason.SELF_CONSUMPTION)
    assert state.report is not None
    setpoints = replace(
        state.setpoints,
        charger_phases={"box": 1} if reason is LITTLE else {},
        phase_reasons={} if reason is None else {"box": reason},
    )
    return replace(state, report=replace(state.report, setpoints=setpoints))


def played(store: DecisionStore, *spans: tuple[PhaseReason | None, int]) -> DecisionRecord:
    """Each reason for so many minutes, a look every 30 s."""
    record, now = DecisionRecord(store), EVENING
    for reason, minutes in spans:
        for _ in range(2 * minutes):
            record.hear(told(reason), now, 0)
            now += MINUTE / 2
    return record


def test_each_switch_is_a_span_with_the_powers_that_decided(tmp_path: Path) -> None:
    store = DecisionStore(tmp_path / FILE)
    record = played(store, (None, 5), (LITTLE, 70), (MUCH, 20), (URGENT, 3), (None, 2))
    record.close()
    found = DecisionStore(tmp_path / FILE).phases_between(EVENING, EVENING + 200 * MINUTE)
    assert [(d.phases, d.reason) for d in found] == [(1, LITTLE), (3, MUCH), (3, URGENT)]
    assert [round((d.until - d.since) / MINUTE) for d in found] == [70, 20, 2]
    assert [d.sentence.text for d in found] == [
        "charges from 1 phase (1.4 to 3.7 kW): its car is to get less than the 4.1 kW that 3 phases take at least",
        "charges from 3 phases: its car is to get more than the 3.7 kW that 1 phase takes at most",
        "charges from 3 phases: its car is to charge as fast as it can",
    ]


def test_a_killed_agent_loses_a_quarter_of_an_hour_at_most(tmp_path: Path) -> None:
    store = DecisionStore(tmp_path / FILE)
    record = played(store, (LITTLE, 50))  # and never closed
    (kept,) = DecisionStore(tmp_path / FILE).phases_between(EVENING, EVENING + 60 * MINUTE)
    assert kept.since == EVENING
    assert EVENING + 45 * MINUTE <= kept.until <= EVENING + 50 * MINUTE
    (now,) = record.phases.between(EVENING, EVENING + 60 * MINUTE)
    assert now.until > kept.until, "what runs is known to the end, and once"


def test_nothing_is_said_of_time_in_which_nobody_looked(tmp_path: Path) -> None:
    record = DecisionRecord(DecisionStore(tmp_path / FILE))
    for now in (EVENING, EVENING + MINUTE, EVENING + 60 * MINUTE, EVENING - 60 * MINUTE):
        record.hear(told(LITTLE), now, 0)
    record.close()
    found = DecisionStore(tmp_path / FILE).phases_between(
        EVENING - 100 * MINUTE, EVENING + 100 * MINUTE
    )
    assert max(d.until - d.since for d in found) == MINUTE


def test_the_command_says_it_beside_the_battery(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'state_dir = "{tmp_path}"\n[site]\ntime_zone = "America/Chicago"\n'
        '[[device]]\nname = "box"\nprofile = "auto"\nhost = "127.0.0.1"\n'
    )
    played(DecisionStore(tmp_path / FILE), (None, 5), (LITTLE, 20)).close()
    app = make_app("gateway.cli", "")
    said = CliRunner().invoke(app, ["why", "2026-06-15", "--config", str(config)])
    assert "  14:05-14:24  box charges from 1 phase (1.4 to 3.7 kW)" in said.stdout
    asked = ["why", "2026-06-15 14:10", "--json", "--config", str(config)]
    rows = json.loads(CliRunner().invoke(app, asked).stdout)
    (row,) = [row for row in rows if row.get("charger")]
    assert (row["charger"], row["phases"], row["reason"]) == ("box", 1, "little_power")


def with_box(seen: Snapshot, phases: int | None) -> Snapshot:
    return replace(seen, chargers=(ChargerState("charger", 1380.0, True, phases=phases),))


def test_the_page_shows_the_phases_of_each_charger_and_why() -> None:
    shown = view()
    assert shown.snapshot is not None
    now = shown.time
    spans = [
        PhaseDecision(
            "charger", now - 60 * MINUTE, now - 9 * MINUTE, 3, MUCH, other("charges from 3")
        ),
        PhaseDecision("charger", now - 9 * MINUTE, now, 1, LITTLE, other("charges from 1 phase")),
    ]
    one = replace(shown, snapshot=with_box(shown.snapshot, 1), phases=spans)
    (box,) = [d for d in live_of(one)["devices"] if d["name"] == "charger"]
    assert (box["phases"], box["phases_why"]["text"]) == (1, "charges from 1 phase")
    last = day_of(one)["phases"][-1]
    assert (last["charger"], last["sentence"]["text"]) == ("charger", "charges from 1 phase")
    gone = replace(one, snapshot=with_box(shown.snapshot, None))
    (box,) = [d for d in live_of(gone)["devices"] if d["name"] == "charger"]
    assert (box["phases"], box["phases_why"]) == (None, None)


def test_other_software_is_told_too() -> None:
    shown = view()
    assert shown.snapshot is not None
    sent = {m.topic: m.payload for m in topics.site_messages("home", with_box(shown.snapshot, 1))}
    assert sent["home/site/charger_phases"] == b"1"
    span = PhaseDecision("box", EVENING, EVENING, 1, LITTLE, other("charges from 1 phase"))
    said = json.loads(topics.phases_message("home", [span]).payload)
    assert said["chargers"]["box"]["sentence"] == "charges from 1 phase"
    assert said["chargers"]["box"]["phases"] == 1


def test_cars_that_differ_are_not_one_number() -> None:
    seen = view().snapshot
    assert seen is not None
    boxes = tuple(ChargerState(str(n), 0.0, True, phases=n) for n in (1, 3))
    assert replace(seen, chargers=boxes).charger_phases is None
    away = replace(boxes[1], plugged=False)
    assert replace(seen, chargers=(boxes[0], away)).charger_phases == 1
