"""The contract of the topics, without a broker."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.readings import DeviceState, Quality, Reading
from gateway.errors import ConfigError
from gateway.publishing import topics
from gateway.publishing.topics import MarketState, Message
from gateway.store.book import Entry
from tests.publishing.homes import NOON, device, snapshot

numbers = st.none() | st.booleans() | st.integers() | st.floats() | st.text(min_size=1, max_size=9)


def by_topic(messages: list[Message]) -> dict[str, bytes]:
    assert len({m.topic for m in messages}) == len(messages)
    return {m.topic: m.payload for m in messages}


@given(numbers)
def test_a_scalar_is_never_empty_and_never_nan(value: float | bool | str | None) -> None:
    text = topics.scalar(value).decode()
    assert text
    if isinstance(value, float):
        assert text == "null" or abs(float(text) - value) <= 0.0005 + abs(value) * 1e-15


@given(st.sampled_from(Quality), st.booleans(), st.floats(allow_nan=True))
def test_only_a_good_reading_of_a_device_that_answers_is_a_number(
    quality: Quality, online: bool, value: float
) -> None:
    reading = Reading("pv_power_w", value, quality, NOON)
    seen = by_topic(
        topics.device_messages("e/h", DeviceState("inv", online, {"pv_power_w": reading}))
    )
    state = json.loads(seen["e/h/inv/state"])
    if online and quality is Quality.GOOD and abs(value) < float("inf"):
        assert state["pv_power_w"] == pytest.approx(value, abs=0.0005)
        assert state["quality"] == "good"
    else:
        assert state["pv_power_w"] is None
        assert seen["e/h/inv/pv_power_w"] == b"null"


def test_a_device_that_is_lost_leaves_no_number_behind() -> None:
    lost = device("inverter", online=False, pv_power_w=3000.0, inverter_state="running")
    seen = by_topic(topics.device_messages("e/h", lost))
    assert seen["e/h/inverter/availability"] == b"offline"
    assert seen["e/h/inverter/pv_power_w"] == seen["e/h/inverter/inverter_state"] == b"null"
    assert json.loads(seen["e/h/inverter/state"]) == {
        "ts": "2026-06-01T12:00:00Z",
        "pv_power_w": None,
        "inverter_state": None,
        "quality": "stale",
        "faults": {"pv_power_w": "stale", "inverter_state": "stale"},
    }


def test_what_a_device_does_not_have_is_no_fault_of_it() -> None:
    readings = {
        "battery_soc_pct": Reading("battery_soc_pct", None, Quality.ABSENT, NOON),
        "pv_power_w": Reading("pv_power_w", 1.0, Quality.GOOD, NOON),
    }
    seen = by_topic(topics.device_messages("e/h", DeviceState("inv", True, readings)))
    assert json.loads(seen["e/h/inv/state"])["quality"] == "good"


def test_market_and_account() -> None:
    market = MarketState(NOON, "USD", True, 250, None, 2, 0.14, 0.03, 0.05, 0.041, "1.20", "-3.00")
    seen = by_topic(topics.market_messages("e/h", market))
    assert seen["e/h/market/position_wh"] == b"250"
    assert seen["e/h/market/next_position_wh"] == b"null"
    assert seen["e/h/market/trading"] == b"true"
    assert seen["e/h/market/account_total"] == b"-3.00"
    assert json.loads(seen["e/h/market/state"])["currency"] == "USD"


def test_retain_and_qos_are_as_agreed() -> None:
    for message in topics.snapshot_messages("e/h", snapshot()):
        assert message.retain
        assert message.qos == (1 if message.topic.endswith(("/state", "/availability")) else 0)
    event = topics.ledger_message("e/h", Entry(7, NOON, "note", {"text": "x"}))
    assert (event.qos, event.retain) == (1, False)


def test_a_ledger_id_belongs_to_the_row() -> None:
    entry = Entry(7, NOON, "note", {"b": 1, "a": 2})
    again = Entry(7, NOON, "note", {"a": 2, "b": 1})
    other = Entry(7, NOON + timedelta(seconds=1), "note", {"a": 2, "b": 1})
    assert topics.ledger_id(entry) == topics.ledger_id(again) != topics.ledger_id(other)


def test_a_device_may_not_take_a_topic_of_the_gateway() -> None:
    with pytest.raises(ConfigError, match=r"device.name = 'market'"):
        topics.check_names(["inverter", "market"])
