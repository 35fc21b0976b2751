"""The packets of a stream come through whole up to the limit and cut beyond it, however they arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.publishing.packet_limit import PacketLimit, encoded_length

MOST = 200
PUBLISH, PINGRESP = 0x32, 0xD0

bodies = st.integers(0, 3 * MOST).map(lambda size: bytes(n % 251 for n in range(size)))
packets = st.lists(st.tuples(st.sampled_from([0x30, PUBLISH, 0x3B]), bodies), max_size=8)


class Socket:
    """Gives out a stream in the given bites; between them nothing is there."""

    def __init__(self, stream: bytes, bites: list[int]) -> None:
        self.stream, self.bites, self.turn = stream, bites, 0

    def recv(self, size: int) -> bytes:
        self.turn += 1
        if self.bites and self.turn % 3 == 0:
            raise BlockingIOError
        bite = self.bites[self.turn % len(self.bites)] if self.bites else size
        data, self.stream = self.stream[: min(size, bite)], self.stream[min(size, bite) :]
        return data


def read_all(limit: PacketLimit) -> list[tuple[int, bytes]]:
    """As the library reads: a byte, the length a byte at a time, the rest in as many goes as it takes."""

    def wait_for(size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                more = limit.recv(size - len(data))
            except BlockingIOError:
                continue
            if not more:
                raise EOFError
            data += more
        return data

    found: list[tuple[int, bytes]] = []
    while True:
        try:
            kind = wait_for(1)[0]
        except EOFError:
            return found
        length, place = 0, 0
        while True:
            byte = wait_for(1)[0]
            length |= (byte & 0x7F) << (7 * place)
            place += 1
            if not byte & 0x80:
                break
        found.append((kind, wait_for(length)))


@given(packets, st.lists(st.integers(1, 70), max_size=5))
def test_cut_at_the_limit_and_in_step(sent: list[tuple[int, bytes]], bites: list[int]) -> None:
    stream = b"".join(bytes([kind]) + encoded_length(len(body)) + body for kind, body in sent)
    found = read_all(PacketLimit(Socket(stream, bites).recv, MOST))
    assert found == [(kind, body[:MOST]) for kind, body in sent]


def test_what_is_no_message_may_not_be_large() -> None:
    small = bytes([PINGRESP, 0])
    limit = PacketLimit(Socket(small + bytes([0x90]) + encoded_length(MOST + 1), []).recv, MOST)
    assert limit.recv(2) == small
    with pytest.raises(ConnectionError, match="201 bytes"):
        limit.recv(1)


def test_a_stream_that_ends_while_it_is_thrown_away_has_ended() -> None:
    half = bytes([PUBLISH]) + encoded_length(10_000) + b"x" * 5_000
    limit = PacketLimit(Socket(half, []).recv, MOST)
    parts = iter(lambda: limit.recv(64), b"")
    assert b"".join(parts) == bytes([PUBLISH]) + encoded_length(MOST) + b"x" * MOST


@pytest.mark.parametrize("kind", [0x34, 0x36, 0x3D])
def test_a_message_of_a_qos_above_ours_ends_the_connection(kind: int) -> None:
    limit = PacketLimit(Socket(bytes([kind, 2, 0, 0]), []).recv, MOST)
    with pytest.raises(ConnectionError, match="QoS"):
        limit.recv(1)


def test_a_length_ends_after_four_bytes() -> None:
    limit = PacketLimit(Socket(bytes([PUBLISH, 0xFF, 0xFF, 0xFF, 0xFF, 1]), []).recv, MOST)
    with pytest.raises(ConnectionError, match="four bytes"):
        limit.recv(1)
