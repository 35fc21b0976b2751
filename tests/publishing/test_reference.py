"""docs/mqtt.md is what the code publishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.domain.command_specs import COMMANDS
from gateway.domain.metrics import METRICS
from gateway.domain.sentences import other
from gateway.domain.user_settings import UserSettings
from gateway.publishing import topics
from gateway.publishing.reference import document
from gateway.publishing.topics import MarketState, Message
from gateway.store.book import Entry
from tests.publishing.homes import NOON, device, snapshot

DOCS = Path(__file__).parents[2] / "docs" / "mqtt.md"


def everything() -> list[Message]:
    values: dict[str, Any] = dict.fromkeys(METRICS, 1)
    return [
        topics.status("b", True),
        topics.info("b", "1", ["inverter"]),
        *topics.device_messages("b", device("inverter", **values)),
        *topics.site_messages("b", snapshot()),
        *topics.market_messages("b", MarketState(NOON, "USD")),
        *topics.settings_messages("b", UserSettings()),
        topics.alarms_message("b", [other("x")]),
        topics.event_message("b", "command_refused", {}),
        topics.ledger_message("b", Entry(1, NOON, "note", {})),
        *(topics.result_message("b", name, {}) for name in COMMANDS),
    ]


def test_the_file_is_up_to_date() -> None:
    assert DOCS.read_text(encoding="utf-8") == document(), (
        "run python -m gateway.publishing.reference > docs/mqtt.md"
    )


def test_every_topic_stands_in_it_with_its_qos_and_retain() -> None:
    text = document()
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| `")]
    kinds = {row[0].strip(" `"): [cell.strip(" *") for cell in row] for row in rows}
    for message in everything():
        parts = message.topic.split("/")[1:]
        exact = "/".join("<device>" if part == "inverter" else part for part in parts)
        place = exact.rsplit("/", 1)[0]
        assert exact in kinds or parts[0] == "cmd", exact
        names = (exact, f"{place}/<metric>", f"{place}/<name>", "cmd/<name>/result")
        agreed = next(kinds[n] for n in names if n in kinds and kinds[n][3:] in (["yes"], ["no"]))
        assert agreed[2] == str(message.qos), exact
        assert (agreed[3] == "yes") == message.retain, exact


def test_the_example_of_a_command_is_one() -> None:
    line = next(x for x in document().splitlines() if x.strip().startswith("payload"))
    assert json.loads(line.split(maxsplit=1)[1])["value"] == 35
