"""Evidence comes back to the byte, alone and packed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SimClock
from simulators.exchange import ExchangeHandle
from simulators.exchange.evidence import Stored, decode, encode, pack, press, unpack
from simulators.exchange.sqlite_upkeep import numbers_text, text_numbers
from tests.exchange.conftest import Wire, play

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@st.composite
def stored(draw: st.DrawFn) -> Stored:
    payload = json.dumps(draw(JSON), ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")
    header = json.dumps({"alg": "Ed25519", "kid": draw(st.text(max_size=9))}).encode()
    signature = draw(st.binary(min_size=64, max_size=64) | st.binary(max_size=80))
    signed = b".".join([b64(header), b64(payload), b64(signature)])
    if draw(st.booleans()):  # one that is spelled otherwise than we would
        signed = signed.replace(b64(header), b64(header + b" "))
    return Stored(
        operation=draw(st.sampled_from(["deliver", "createTender"])),
        key=draw(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40)),
        received_ms=draw(st.integers(0, 2**42)),
        status=draw(st.sampled_from([200, 201, 409, 422])),
        result=draw(JSON),
        payload=payload,
        signed=draw(st.none() | st.just(signed)),
    )


@given(st.lists(stored(), min_size=1, max_size=6))
def test_to_the_byte(documents: list[Stored]) -> None:
    bodies = [encode(document) for document in documents]
    assert [decode(body) for body in bodies] == documents
    assert unpack(pack(bodies)) == documents
    small = [press(body) for body in bodies]
    assert [decode(body) for body in small] == documents
    assert unpack(pack(small)) == documents, "as stores of schema 3 have them"


@given(st.lists(st.integers(0, 2**40), unique=True, max_size=50).map(sorted))
def test_numbers(numbers: list[int]) -> None:
    assert text_numbers(numbers_text(numbers)) == numbers


def test_an_answer_is_the_same_after_its_evidence_was_packed(tmp_path: Path) -> None:
    async def story(wire: Wire, clock: SimClock, handle: ExchangeHandle) -> None:
        first = await wire.tender("t0", "SELL", 50, 2_000)
        assert first[0] == 201
        refused = await wire.tender("t1", "SELL", 55, 2_000)
        assert refused[0] == 422
        for n in range(3_100):  # each is refused, and each refusal is the answer to its key
            await wire.tender(f"x{n}", "SELL", 50, 10**9)
            if n % 1_000 == 0:
                await clock.sleep(100)
        await handle.store.compact()
        assert handle.store.all("SELECT COUNT(*) FROM pack") == [(1,)]
        again = await wire.tender("t0", "SELL", 50, 2_000)
        assert again[:2] == first[:2]
        assert again[2]["Idempotent-Replayed"] == "true"
        assert (await wire.tender("t1", "SELL", 55, 2_000))[1] == refused[1]
        other = await wire.post("createTender", b"{}", key="t0")
        assert other[1]["title"] == "key-reused"

    play(tmp_path, story)
