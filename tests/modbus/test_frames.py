"""The judge of raw answers, against every small lie that a frame can tell."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.modbus.frames import Malformed, answer_rtu, answer_tcp, crc16
from tests.modbus.server import crc

words = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125)
byte = st.integers(0, 255)


def request(unit: int, count: int, tid: int = 258) -> bytes:
    return struct.pack(">HHHBBHH", tid, 0, 6, unit, 3, 1000, count)


def reply(unit: int, values: list[int], tid: int = 258) -> bytes:
    pdu = bytes((3, 2 * len(values))) + struct.pack(f">{len(values)}H", *values)
    return struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu


@given(words, byte)
def test_the_right_answer_is_taken_and_no_prefix_of_it(values: list[int], unit: int) -> None:
    frame = reply(unit, values)
    assert answer_tcp(request(unit, len(values)), frame) == frame[7:]
    for end in range(len(frame)):
        assert answer_tcp(request(unit, len(values)), frame[:end]) is None


@given(words, byte, st.data())
def test_a_changed_byte_outside_the_data_is_never_taken(
    values: list[int], unit: int, data: st.DataObject
) -> None:
    frame = bytearray(reply(unit, values))
    at = data.draw(st.integers(0, 8))
    frame[at] ^= data.draw(st.integers(1, 255))
    asked = request(unit, len(values))
    with pytest.raises(Malformed):
        answer_tcp(asked, bytes(frame))
    with pytest.raises(Malformed):  # as soon as it is there: nobody waits for the rest of a lie
        answer_tcp(asked, bytes(frame[: max(8, at + 1)]))


@given(st.binary(max_size=300), words, byte)
def test_any_bytes_are_taken_only_if_they_are_a_frame_of_the_right_shape(
    noise: bytes, values: list[int], unit: int
) -> None:
    asked = request(unit, len(values))
    for judge in (answer_tcp, answer_rtu):
        try:
            pdu = judge(asked, noise)
        except Malformed:
            continue
        if pdu is not None:
            assert pdu[0] == 0x83 or (pdu[0] == 3 and len(pdu) == 2 + 2 * len(values))


@given(words, byte, st.data())
def test_over_rtu_any_single_changed_byte_is_noticed(
    values: list[int], unit: int, data: st.DataObject
) -> None:
    asked = bytes((unit, 3)) + struct.pack(">HH", 1000, len(values))
    asked += crc16(asked)
    body = bytes((unit, 3, 2 * len(values))) + struct.pack(f">{len(values)}H", *values)
    frame = bytearray(body + crc(body))
    assert answer_rtu(asked, bytes(frame)) == body[1:]
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(Malformed):
        assert answer_rtu(asked, bytes(frame)) is None


@given(words, byte, byte)
def test_over_rtu_the_answer_of_another_unit_is_not_taken(
    values: list[int], unit: int, other: int
) -> None:
    if unit == other:
        return
    asked = bytes((unit, 3)) + struct.pack(">HH", 1000, len(values))
    body = bytes((other, 3, 2 * len(values))) + struct.pack(f">{len(values)}H", *values)
    with pytest.raises(Malformed, match=f"unit {other} answers for unit {unit}"):
        answer_rtu(asked + crc16(asked), body + crc(body))


@given(st.binary(max_size=60))
def test_the_checksum_is_the_standards(data: bytes) -> None:
    assert crc16(data) == crc(data)
