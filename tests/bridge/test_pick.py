"""A number out of anybody's JSON: what is nonsense is not known, whatever it looks like."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridge.format import Reading
from gateway.bridge.layout import LAYOUT, STATES, WORDS, registers
from gateway.bridge.modbus_server import ModbusServer
from gateway.bridge.pick import find, picked
from gateway.bridge.reader import parsed
from gateway.errors import RetryableError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["a", "a.b", "a[0].c", "", "[1]", "a..b"]))
def test_nothing_that_somebody_sends_is_more_than_a_home_can_be(document: Any, path: str) -> None:
    reading = Reading(at=[path], unit="W", unit_at="", time_at=["c"])
    found = picked("grid_power_w", reading, document, NOW)
    assert found is not None
    assert found.value is None or -1e6 <= found.value <= 1e6
    assert found.age_s >= 0


@pytest.mark.parametrize(
    ("said", "value"),
    [
        (12, 12.0),
        ("12.5", 12.5),
        (True, None),
        ("unavailable", None),
        ("NaN", None),
        (float("inf"), None),
        (None, None),
        ([1], None),
        (1e9, None),
    ],
)
def test_what_is_no_number_of_that_kind_is_not_known(said: Any, value: float | None) -> None:
    found = picked("grid_power_w", Reading(at="x", unit="W"), {"x": said}, NOW)
    assert found is not None
    assert found.value == value


def test_what_is_not_there_is_absent_only_where_it_may_be() -> None:
    assert picked("grid_power_w", Reading(at="x", unit="W", optional=True), {}, NOW) is None
    found = picked("grid_power_w", Reading(at="x", unit="W"), {}, NOW)
    assert found is not None
    assert found.value is None


@pytest.mark.parametrize(
    ("time", "age_s"),
    [
        ("2026-06-01T11:59:30+00:00", 30.0),
        ("2026-06-01T13:59:30+02:00", 30.0),
        (1_780_315_140, 60.0),
        ("2026-06-01T12:00:30Z", 0.0),
        ("2026-06-01T11:59:30", None),  # of which zone?
        ("2026-06-01T12:05:00Z", None),  # from the future
        ("yesterday", None),
        (True, None),
    ],
)
def test_it_is_as_old_as_the_device_says(time: Any, age_s: float | None) -> None:
    found = picked(
        "grid_power_w", Reading(at="x", unit="W", time_at=["t"]), {"x": 5, "t": time}, NOW
    )
    assert found is not None
    assert (found.value is None) == (age_s is None)
    if age_s is not None:
        assert found.age_s == age_s


def test_a_path_walks_tables_and_lists() -> None:
    document = {"a": [{"em:0": {"b": 7}}]}
    assert find(document, "a[0].em:0.b") == 7
    assert find(document, "") is document


def test_registers_say_known_absent_and_not_known() -> None:
    data = registers("meter", {"grid_power_w": lambda: -1.5, "grid_import_wh": lambda: None})
    server = ModbusServer({1: lambda: data})
    assert len(data) == 2 * (100 + WORDS * len(LAYOUT))
    assert server.answer(1, bytes((3, 0, 0, 0, 2))) == b"\x03\x04HEGB"
    assert server.answer(1, bytes((4, 0, 100, 0, 4)))[2:] == b"\xbf\xf8" + 6 * b"\0"
    for pdu in (bytes((6, 0, 100, 0, 4)), bytes((16, 0, 0, 0, 1, 2, 0, 0)), bytes((3, 0, 0))):
        assert server.answer(1, pdu)[1] == 1, "it cannot be written"
    assert server.answer(1, bytes((3, 255, 255, 0, 4)))[1] == 2
    assert server.answer(9, bytes((3, 0, 0, 0, 4)))[1] == 0x0A
    assert STATES[0] == "idle"


@given(st.binary(max_size=300))
def test_any_text_is_parsed_or_refused(body: bytes) -> None:
    with suppress(RetryableError):
        parsed(body)


@given(st.integers(0, 255), st.binary(min_size=1, max_size=260))
def test_whatever_is_asked_is_answered_in_the_protocol(unit: int, pdu: bytes) -> None:
    data = registers("meter", {"grid_power_w": lambda: 1.0})
    answer = ModbusServer({1: lambda: data}).answer(unit, pdu)
    if answer[0] & 0x80:
        assert len(answer) == 2
    else:
        assert unit == 1
        assert pdu[0] in {3, 4}
        assert len(answer) == 2 + answer[1] <= 252
