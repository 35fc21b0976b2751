"""Decoding, encoding and planning against the plain meaning of the words."""

from __future__ import annotations

import itertools
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.modbus.registers import (
    Block,
    Field,
    Kind,
    Missing,
    encode,
    plan,
    scaled,
    widest_gap,
    words_of,
)

RANGES: dict[Kind, tuple[int, int]] = {
    "u16": (0, 2**16 - 1),
    "i16": (-(2**15), 2**15 - 1),
    "u32": (0, 2**32 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "u64": (0, 2**64 - 1),
    "i64": (-(2**63), 2**63 - 1),
}


def wire(*words: int) -> bytes:
    return struct.pack(f">{len(words)}H", *words)


@given(st.sampled_from(sorted(RANGES)), st.sampled_from(["big", "little"]), st.data())
def test_what_is_encoded_is_decoded(kind: Kind, words: str, data: st.DataObject) -> None:
    value = data.draw(st.integers(*RANGES[kind]))
    sent = wire(*encode(value, kind, words))  # type: ignore[arg-type]
    assert Field(5, kind, words=words, plain=True).decode(sent, 5) == value  # type: ignore[arg-type]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_floats_too_in_both_word_orders(value: float) -> None:
    for words in ("big", "little"):
        sent = wire(*encode(value, "f32", words))
        assert Field(0, "f32", words=words).decode(sent, 0) == value


def test_little_words_mean_the_low_word_first() -> None:
    assert encode(0x12345678, "u32") == (0x1234, 0x5678)
    assert encode(0x12345678, "u32", "little") == (0x5678, 0x1234)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (wire(30751, 0xFFFF), 3075.1),
        (wire(0x8000, 0xFFFF), Missing.ABSENT),  # not implemented
        (wire(30751, 0x8000), Missing.ABSENT),  # no scale factor: the raw value means nothing
        (wire(30751, 17), Missing.BAD),  # no device has 10^17
        (wire(0xFFFF, 0), -1),
        (wire(5, 10), 5e10),
    ],
)
def test_a_value_goes_with_its_scale_factor(data: bytes, expected: object) -> None:
    field = Field(40083, "i16", absent=frozenset({-0x8000}), scale_at=40084)
    assert field.decode(data, 40083) == expected


def test_nan_is_absent_infinity_is_bad_and_out_of_range_is_bad() -> None:
    field = Field(0, "f32", valid=(0, 100))
    assert field.decode(struct.pack(">f", math.nan), 0) is Missing.ABSENT
    assert field.decode(struct.pack(">f", math.inf), 0) is Missing.BAD
    assert field.decode(struct.pack(">f", 101), 0) is Missing.BAD
    assert field.decode(struct.pack(">f", 20), 0) == 20


@pytest.mark.parametrize("fill", [b"\0", b"\xff"])
def test_an_empty_text_is_absent(fill: bytes) -> None:
    assert Field(0, "str", count=8).decode(fill * 16, 0) is Missing.ABSENT


def test_scaling_is_as_exact_as_a_division() -> None:
    assert scaled(729, -1) == 72.9
    assert scaled(9523, -3) == 9.523


def test_a_small_scale_divides() -> None:
    assert Field(0, "u16", scale=0.01).decode(wire(5998), 0) == 59.98
    assert Field(0, "i16", scale=-1).decode(wire(5), 0) == -5
    assert Field(0, "u32", scale=1 / 360).decode(wire(0, 3600), 0) == 10


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode(70000, "u16")


spans = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 6)).map(lambda p: (p[0], p[0] + p[1])),
    min_size=1,
    max_size=6,
)


@given(spans, st.integers(6, 20), st.integers(0, 8))
def test_a_plan_reads_all_within_its_limits_with_the_fewest_requests(
    wanted: list[tuple[int, int]], max_read: int, max_gap: int
) -> None:
    blocks = plan([("holding", a, b) for a, b in wanted], max_read, max_gap)
    for a, b in wanted:
        assert any(block.holds("holding", a, b) for block in blocks)
    assert all(block.count <= max_read for block in blocks)
    for block in blocks:
        gap = widest_gap(block, [("holding", a, b) for a, b in wanted])
        assert gap is None or gap[2] - gap[1] <= max_gap
    assert len(blocks) == fewest(sorted(set(wanted)), max_read, max_gap)


def fewest(wanted: list[tuple[int, int]], max_read: int, max_gap: int) -> int:
    """Brute force over all ways to cut the sorted spans into runs."""
    best = len(wanted)
    for cuts in itertools.product([False, True], repeat=len(wanted) - 1):
        runs: list[list[tuple[int, int]]] = [[wanted[0]]]
        for cut, one in zip(cuts, wanted[1:], strict=True):
            if cut:
                runs.append([one])
            else:
                runs[-1].append(one)
        if all(allowed(run, max_read, max_gap) for run in runs):
            best = min(best, len(runs))
    return best


def allowed(run: list[tuple[int, int]], max_read: int, max_gap: int) -> bool:
    end = run[0][1]
    for a, b in run[1:]:
        if a - end > max_gap:
            return False
        end = max(end, b)
    return end - run[0][0] <= max_read


def test_a_plan_never_touches_what_is_forbidden() -> None:
    blocks = plan([("holding", 0, 2), ("holding", 5, 7)], 125, 10, [("holding", 3, 4)])
    assert blocks == (Block("holding", 0, 2), Block("holding", 5, 2))


def test_words_of_is_the_inverse_of_the_wire() -> None:
    assert words_of(wire(1, 2, 65535)) == (1, 2, 65535)


@pytest.mark.parametrize("kind", sorted(RANGES))
def test_the_extremes_of_a_type_are_no_measurement_unless_every_word_is_a_value(kind: Kind) -> None:
    unsigned = kind.startswith("u")
    extreme = RANGES[kind][1] if unsigned else RANGES[kind][0]
    sent = wire(*encode(extreme, kind))
    assert Field(0, kind).decode(sent, 0) is Missing.ABSENT
    assert Field(0, kind, plain=True).decode(sent, 0) == extreme


@pytest.mark.parametrize(
    ("raw", "size"), [(0, 0), (5, 5), (2**31 - 1, 2**31 - 1), (2**31, 2**31), (2**32 - 5, 5)]
)
def test_an_accumulator_that_runs_below_zero_is_taken_by_its_size(raw: int, size: int) -> None:
    field = Field(0, "u32", size_counts=True, plain=True)
    assert field.decode(struct.pack(">I", raw), 0) == size
    assert Field(0, "u32", plain=True).decode(struct.pack(">I", raw), 0) == raw


def test_an_accumulator_wraps_at_its_width_times_its_scale() -> None:
    data = wire(7, 0, 0, 1, 0xFFFE)  # the value at 41 and 42, the scale factor -2 at 44
    assert Field(41, "u32", scale_at=44).modulus(data, 40) == pytest.approx(2**32 / 100)
    assert Field(41, "u32", scale=10, scale_at=44).modulus(data, 40) == pytest.approx(2**32 / 10)
    assert Field(41, "u32", scale=10).modulus(data, 40) == 2**32 * 10
    assert Field(41, "u16").modulus(data, 40) == 2**16
