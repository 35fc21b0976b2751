"""What a broker that misbehaves says on the wire, by name: packets of MQTT 3.1.1 and 5 that no good one sends."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gateway.publishing.packet_limit import encoded_length

_MANY = 2_000
SEVEN = b"\x00\x07"


@dataclass(frozen=True)
class Word:
    """All of ``said``, so many ``times``: to the running connection, and in turn after each new hello or, with ``instead``,
    in the place of the broker's own answer to it. ``numbered``: where it has the packet number 7 it has each in turn."""

    name: str
    said: tuple[bytes, ...]
    times: int = 1
    instead: bool = False
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    numbered: bool = False
    stalls: bool = False  # what follows it is swallowed: only time tells that the broker is lost

    def parts(self) -> Iterator[bytes]:
        for number in range(1, self.times + 1):
            for said in self.said:
                yield said.replace(SEVEN, struct.pack("!H", number)) if self.numbered else said


def packet(kind: int, body: bytes = b"") -> bytes:
    """One with a right length."""
    return bytes((kind,)) + encoded_length(len(body)) + body


def text(value: bytes) -> bytes:
    return struct.pack("!H", len(value)) + value


def message(topic: bytes, payload: bytes = b"{}", *, qos: int = 0, retain: bool = False) -> bytes:
    """A PUBLISH; with a QoS it has the packet number 7."""
    number = SEVEN if qos else b""
    return packet(0x30 | qos << 1 | retain, text(topic) + number + payload)


def connack(code: int, flags: int = 0, properties: bytes | None = None) -> bytes:
    more = b"" if properties is None else encoded_length(len(properties)) + properties
    return packet(0x20, bytes((flags, code)) + more)


def message5(properties: bytes, topic: bytes) -> bytes:
    """A PUBLISH of MQTT 5."""
    return packet(0x30, text(topic) + encoded_length(len(properties)) + properties + b"{}")


_CMD = b"energy/home/cmd/battery"
WORDS = [
    # instead of an answer to our hello
    Word("no, for every reason there is", tuple(map(connack, (1, 2, 3, 4, 5, 6, 255))), instead=True),
    Word("no, for other reasons (MQTT 5)", tuple(connack(c, properties=b"") for c in (137, 149, 156, 200)), instead=True, protocol="5"),
    Word("a session that we never had", (connack(0, flags=1),), instead=True),
    Word("hellos that are none", (b"\x20\x00", b"\x20\xff\xff\xff\xff\xff\xff\x7f", b"HTTP/1.1 400 Bad Request\r\n\r\n", packet(0x30, b"\x00"), b"\x20\xff\xff\xff\x7f" + bytes(70_000)), instead=True),
    Word("half a hello, and a question for proof (MQTT 5)", (packet(0x20, b"\x00\x00\x20\x21"), b"\xf0\x02\x18\x00"), instead=True, protocol="5"),
    Word("nothing, and it hangs up", (b"",), instead=True),
    # while we run, and after each hello
    Word("messages of QoS 2 that are never completed", (message(_CMD, b"x" * 500, qos=2),), 20_000, numbered=True),
    Word("messages of QoS 3", (message(_CMD, qos=3),), 3),
    Word("topics of no text, with a NUL and with wildcards", (message(b"energy/home/cmd/\xff\xfe\xed\xa0\x80"), message(b"energy/home/cmd/bat\x00tery"), message(b"energy/home/cmd/#", qos=1)), 100),
    Word("topics of 65,535 bytes", (message(b"energy/home/cmd/" + b"x" * 65_519),), 50),
    Word("messages cut short", (message(b""), packet(0x30, b"\xff\xffabc"), b"\x30\x00", packet(0x32, text(_CMD)))),
    Word("lengths that no packet has", (b"\x30\xff\xff\xff\xff\xff\x7f", b"\x40\xff\xff\xff\x7f")),
    Word("a length that is not kept", (b"\x30\xff\xff\xff\x7f",), stalls=True),
    Word("acknowledgements of what was never sent", (packet(0x40, b"\xff\xf0"), packet(0x50, b"\xff\xf0"), packet(0x62, b"\xff\xf0"), packet(0x70, b"\xff\xf0")), _MANY),
    Word("half of an acknowledgement", (packet(0x40, b"\x00"),), 10),
    Word("consents to no subscription", (packet(0x90, b"\xff\xf0\x80"), packet(0xB0, b"\xff\xf0")), _MANY),
    Word("consents without a word", (packet(0x90, b"\x00\x01"),), 10),
    Word("a second hello", (connack(0),), 10),
    Word("a second hello that says no", (connack(5),), 10),
    Word("questions whether we live, and answers that it does", (b"\xc0\x00", b"\xd0\x00"), _MANY),
    Word("packets of no kind", (b"\x00\x00", b"\xf0\x00"), 10),
    Word("what only clients say", (packet(0x10, text(b"MQTT") + b"\x04\x02\x00\x3c" + text(b"x")), packet(0x82, b"\x00\x01" + text(b"#") + b"\x01")), 10),
    Word("a farewell, and it stays", (b"\xe0\x00",), 10),
    Word("5,000 messages nobody asked for", (message(b"$SYS/broker/clients/total", b"1" * 500, qos=1),), 5_000, numbered=True),
    Word("messages of broken properties (MQTT 5)", (message5(b"\x23\x00\x01", b""), message5(b"\x7f\x00", _CMD), packet(0x30, text(_CMD) + b"\xff\x7f")), protocol="5"),
    Word("a thousand properties (MQTT 5)", (message5((b"\x26" + text(b"a" * 20) + text(b"b" * 20)) * 1_000, _CMD),), 20, protocol="5"),
    Word("messages of QoS 2 (MQTT 5)", (packet(0x34, text(_CMD) + b"\x00\x07\x00" + b"x" * 500),), 20_000, protocol="5", numbered=True),
    Word("a farewell with a reason (MQTT 5)", (b"\xe0\x02\x8e\x00",), protocol="5"),
    Word("next to nothing is taken (MQTT 5)", (connack(0, properties=b"\x21\x00\x01\x24\x00\x25\x00\x27\x00\x00\x00\x01\x13\x00\x01"),), protocol="5"),
]  # fmt: skip
